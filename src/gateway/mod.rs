//! A request from its head to the last byte of its answer: the service, streams, WebSockets, errors.

pub mod answer;
mod budget;
mod call;
mod config;
pub mod error;
mod exceptions;
mod lasting;
pub mod metadata;
pub mod probe;
mod request;
mod rest;
mod service;
mod settings;
mod state;
pub mod telemetry;
#[cfg(test)]
mod tests;

pub use config::{BODY_LIMIT, Config, GZIP_RATIO, JSON_LIMIT};
pub use error::StatusHeaders;
pub use exceptions::{ByRpc, CallerGone, Exceptions};
pub use request::limits::{HEADER_LIMIT, MOST_HEADERS};
pub use rest::{explain, media, stream, websocket};
pub use service::{Door, malformed, service};
pub use settings::misplaced;
pub use state::Gateway;
