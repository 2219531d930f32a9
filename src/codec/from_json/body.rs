//! A request body that has not been read yet.

use super::ignored::Ignored;
use crate::schema::FieldPath;

/// A request body, and how to read it.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    /// The raw bytes.
    pub text: &'a [u8],
    /// The field that the body is a value of; `None` if it is the whole message.
    pub field: Option<&'a FieldPath>,
    /// Which parts of the body are ignored.
    pub ignored: &'a Ignored,
}
