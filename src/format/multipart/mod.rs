//! `multipart/form-data` (RFC 7578): splits a body into its parts.
//!
//! Strict: a proxy or firewall in front may read the body too, so whatever two readers could split differently is
//! rejected, however common it is to tolerate it. A body begins with its boundary, lines end in CRLF, each boundary is
//! on a line of its own, no part repeats a header or parameter, and nothing is escaped. Knows nothing of HTTP beyond
//! the headers of a part.

mod body;
#[cfg(test)]
mod tests;

pub use body::{Boundary, MultipartError, Part, TextProblem, Wrong};
