//! `multipart/form-data` (RFC 7578): a body in, its parts out.
//!
//! Strict: a box on the way reads the body too, and what two readers could take apart differently is refused, be it never so
//! usual to forgive it. So a body begins with its boundary, lines end in CRLF, a boundary is a line of its own, a part says
//! each thing once, and nothing is written with escapes. Knows no HTTP beyond the words of a part's head.

mod body;
#[cfg(test)]
mod tests;

pub use body::{Boundary, MultipartError, Part, TextProblem, Wrong};
