//! Joins all parts to a gateway, reloads it while it serves, and serves the admin port.

pub mod admin;
mod application;
mod checks;
mod hop;
mod idempotency;
mod keep;
mod key_refresh;
mod key_source;
mod limits;
mod notes;
pub mod openapi;
pub mod reload;
mod store;
mod trace_export;

pub use application::{App, Bound, Handover, remarks, routes};
pub use key_source::{FetchedKeys, KeySource};
pub use trace_export::{Exporting, TraceExport};
