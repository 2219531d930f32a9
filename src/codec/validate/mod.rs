//! Validates messages in wire format by rules with the names and the meaning of protovalidate (`buf.validate`).
//!
//! ```text
//! trees of rules (from YAML), schema -> Validator::compile -> tables, or every problem with its place
//! Validator::of(message type) -> Checks; wire format -> Checks::violations -> fields, with what was expected
//! ```
//! A message is read once, without building a tree of it. What the result contains is bounded: at most
//! [`MOST_VIOLATIONS`], and no values. Knows nothing of files, HTTP or routes.

#[cfg(test)]
mod cases;
mod cel;
mod check;
mod compile;
mod custom;
mod facts;
mod fields;
mod formats;
mod numbers;
mod option_tables;
mod options;
mod raw;
mod reading;
mod rules;
mod tables;
#[cfg(test)]
mod tests;
mod texts;
mod tree;
mod violation;
mod whole;

pub use check::Checks;
pub use facts::{FieldFacts, ValueFact};
pub use tables::Validator;
pub use tree::{Extended, Member, MessageRules, Sources, Tree, TreeValue};
pub use violation::{Failure, MOST_VIOLATIONS, Violation, Violations};
