//! A pull parser for JSON: takes a text and returns one value after another.
//!
//! The grammar is that of RFC 8259 without extensions: no comments, no trailing commas, no lone surrogates, no invalid
//! UTF-8, no second value after the first. The caller drives: it asks for the kind of the next value
//! ([`Scanner::peek`]) and takes it. Knows nothing of protobuf.

mod error;
mod scanner;
mod split;
mod string;

pub use error::{JsonError, JsonProblem, Position};
pub use scanner::{DEPTH_LIMIT, JsonKind, Scanner};
pub use split::{Series, SplitError, Splitter};
pub use string::{put_plain_member, put_plain_string, put_string};
