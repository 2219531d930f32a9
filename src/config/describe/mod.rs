//! The configuration file described for editors and for people: a JSON Schema, and the keys with their defaults.
//!
//! What the file may have is not declared a second time: [`probe`] lets the reader read probes and notes which keys it knows and what it
//! expects under each. What the keys mean comes from the tables of `docs/configuration.md`, which are a part of the binary.

mod forms;
mod manual;
mod print;
mod probe;
mod schema;

pub use print::effective;
pub use schema::schema;
