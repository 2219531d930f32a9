//! The OpenAPI 3.1 document of the routes.
//!
//! Routes, what their descriptors say to people, and the configuration in; one [`serde_json::Value`] out, the same for the same input. The
//! schemas of bodies and replies are those of the codec under the options of each rpc: what it writes fits them, and what they
//! forbid it refuses. What no JSON Schema can say, they allow. [`changes`] compares two documents for callers.

mod annotations;
mod body;
mod changes;
mod document;
mod errors;
mod narrowing;
mod operation;
mod parameters;
mod path;
mod scalars;
mod schemas;
mod style;
mod yaml;

pub use changes::breaking_changes;
pub use document::{Api, Certificate, Descriptors, document};
pub use yaml::{from_yaml, to_yaml};
