//! All parts joined, read again while they serve, and the operator's port.

pub mod admin;
mod application;
mod checks;
pub mod openapi;
pub mod reload;

pub use application::{App, Bound, Handover, remarks, routes};
