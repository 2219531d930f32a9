//! Evaluates the CEL expressions of rules, with the functions of protovalidate.
//!
//! ```text
//! text, types -> Expression::compile -> Expression, or what is wrong with the text
//! wire format -> Values -> Expression::evaluate -> Outcome, or why there is none
//! ```
//! The crate `cel` parses and evaluates. What it lacks is here: messages with presence, timestamps and durations, a limit
//! of the work, and a check of names before anything is evaluated. Errors of an evaluation quote values, so they are never
//! passed on.

mod budget;
mod expression;
mod functions;
mod names;
pub(super) mod samples;
#[cfg(test)]
mod tests;
mod times;
mod values;

pub(super) use budget::Work;
pub(super) use expression::{Expression, Outcome, RuleValues, Scope};
pub(super) use names::Known;
pub(super) use times::now;
pub(super) use values::{Boxed, MessageValue, Values};
