//! A pull scanner for JSON: text in, one value after the other out.
//!
//! Grammar: RFC 8259, nothing beside it: no comments, no trailing commas, no lone surrogates, no invalid UTF-8, no
//! second value after the first. The caller drives: it asks what comes ([`Scanner::peek`]) and takes it. Knows no
//! protobuf.

mod error;
mod scanner;
mod split;
mod string;

pub use error::{JsonError, JsonProblem, Position};
pub use scanner::{DEPTH_LIMIT, JsonKind, Scanner};
pub use split::{Series, SplitError, Splitter};
pub use string::{put_plain_member, put_plain_string, put_string};
