//! A request body before it is read.

use super::ignored::Ignored;
use crate::schema::FieldPath;

/// A body, and what is known of it before it is read.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    /// The bytes as they came.
    pub text: &'a [u8],
    /// The field that the body is the value of; `None` for the whole message.
    pub field: Option<&'a FieldPath>,
    /// What is passed over in it.
    pub ignored: &'a Ignored,
}
