//! A single value for a field: a text, JSON or raw bytes.

use super::bound::put_message;
use crate::codec::filling::takes_bytes;
use crate::codec::http_body::{self, HttpBody};
use crate::codec::problem::{FieldProblem, Found, expectation, wrong_text};
use crate::codec::scalar::{self, Write};
use crate::schema::{FieldPath, FieldTable, Kind, Tables};

/// A value that a field is bound to.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// A text, read as ProtoJSON reads a string or a number.
    Text(&'a str),
    /// The value as JSON, for a field that [takes JSON](crate::codec::takes_json).
    Json(&'a str),
    /// Raw bytes, for a field of type `bytes` or `google.protobuf.BytesValue`.
    Bytes(&'a [u8]),
    /// A body, for a field of type `google.api.HttpBody`.
    HttpBody(HttpBody<'a>),
}

impl<'a, T: AsRef<str> + ?Sized> From<&'a T> for Value<'a> {
    fn from(text: &'a T) -> Self {
        Self::Text(text.as_ref())
    }
}

impl Value<'_> {
    /// Appends the value of `field`, which is the last field of `path` or the value in the entries of the map there.
    pub(super) fn put(
        &self,
        out: &mut Vec<u8>,
        tables: &Tables,
        path: &FieldPath,
        (field, write): (&FieldTable, Write),
    ) -> Result<(), FieldProblem> {
        let found = match self {
            Self::Text(text) if scalar::put_text(out, tables, field, write, text) => return Ok(()),
            Self::Text(text) | Self::Json(text) => return Err(wrong_text(path, field, text)),
            Self::Bytes(bytes) if takes_bytes(tables, field) => {
                put_bytes(out, tables, (field, write), bytes);
                return Ok(());
            }
            Self::HttpBody(body) if http_body::is_kind_of_body(tables, field.kind) => {
                put_message(out, field, |out, _| out.extend_from_slice(&body.encode()));
                return Ok(());
            }
            Self::Bytes(_) | Self::HttpBody(_) => Found::new("bytes".to_owned(), "bytes"),
        };
        Err(FieldProblem::Unexpected { expected: expectation(tables, field.kind), found })
    }
}

fn put_bytes(out: &mut Vec<u8>, tables: &Tables, (field, write): (&FieldTable, Write), bytes: &[u8]) {
    if field.kind == Kind::Bytes {
        return scalar::put_bytes(out, field, write, bytes);
    }
    put_message(out, field, |out, wrapper| {
        if let Some(value) = tables.message(wrapper).fields.first() {
            scalar::put_bytes(out, value, Write::UnlessDefault, bytes);
        }
    });
}
