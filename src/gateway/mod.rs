//! Handles a request from its head to the last byte of its response: service, streams, WebSockets, errors.

mod access;
pub mod answer;
mod budget;
mod call;
mod checked;
mod conditional;
mod config;
mod connect;
mod cors;
mod counted;
pub mod error;
mod exchange;
mod forward;
mod grpc;
mod idempotency;
mod lasting;
pub mod metadata;
mod observers;
pub mod probe;
mod protocols;
pub mod rate;
mod record;
mod request;
mod rest;
mod service;
mod spoken;
mod state;
mod static_files;
mod telemetry;
#[cfg(test)]
mod tests;
mod traced;
mod unserved;
mod validation;

pub use config::{Config, GZIP_RATIO, IDEMPOTENCY_MEMORY};
pub use cors::{Cors, CorsOrigin, CorsOrigins, CorsRules, MAX_AGE, Subdomains};
pub use error::StatusHeaders;
pub use idempotency::shared::{SealingKeys, SharedKeys};
pub use observers::Observers;
pub use request::limits::MOST_HEADERS;
pub use rest::{explain, media, stream, websocket};
pub use service::{Door, malformed, service};
pub use spoken::Protocols;
pub use state::Gateway;
pub use static_files::{StaticFile, StaticFiles};
