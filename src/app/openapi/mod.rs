//! The OpenAPI 3.1 document of the routes.
//!
//! Input are the routes, the documentation in their descriptors, and the configuration. The output is one
//! [`serde_json::Value`], always the same for the same input. Schemas describe what the codec reads and writes under
//! the options of each rpc: what it writes fits them, and what they forbid it refuses. They allow what JSON Schema
//! cannot express. [`changes`] compares two documents for callers.

mod annotations;
mod body;
mod changes;
mod document;
mod errors;
mod narrowing;
mod operation;
pub mod page;
mod parameters;
mod path;
mod rules;
mod scalars;
mod schemas;
mod security;
mod style;
mod yaml;

pub use changes::breaking_changes;
pub use document::{Api, Descriptors, document};
pub use security::Certificate;
pub use yaml::{from_yaml, to_yaml};
