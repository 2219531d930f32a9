//! JSON, path and query text to protobuf wire bytes, and wire bytes to JSON, as ProtoJSON has it.
//!
//! Everything runs on the schema's tables, with no tree of a message between. A [`Request`] takes single texts, then
//! becomes wire bytes, with a JSON body or without; [`reply`] turns wire bytes into JSON, [`reply_field`] one field of them.
//! Input is strict: what another
//! reader could read otherwise is refused. Knows no HTTP and no routes.

mod decode;
mod encode;
mod float;
mod indent;
mod number;
mod raw;
mod scalar;
#[cfg(test)]
mod tests;
mod time;

use std::fmt;

use crate::format::json::{JsonProblem, Place};
use crate::schema::{EnumTable, Field, FieldPath, FieldTable, Kind, Known, MessageTable, Tables};

pub use decode::{DecodeError, DecodeProblem, Int64, Print, reply, reply_field};
pub use encode::{Body, Ignored, Mask, MaskTooLong, Origin, Request, RequestError, Texts, Value, add_members, longest};
pub use raw::{HttpBody, http_body, is_http_body};

/// How deep messages may be nested in wire format, the outermost counted; other readers go as deep and no deeper.
const DEPTH_LIMIT: usize = 100;

/// What is wrong with the value of a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    /// A value of another type or out of range.
    #[error("expected {expected}, found {found}")]
    Unexpected { expected: String, found: Found },
    /// A member that the message has not.
    #[error("`{message}` has no such field")]
    Unknown { message: String },
    /// The field a second time, under this or its other name.
    #[error("is given twice")]
    Twice,
    /// A required field (proto2) that is not given.
    #[error("is required")]
    Required,
    /// Another member of its oneof was given before.
    #[error("`{other}` is given too, and only one of the oneof `{oneof}` can be")]
    Oneof { other: String, oneof: String },
    /// Messages in messages. An object of a `google.protobuf.Struct` is three of them.
    #[error("nested deeper than {DEPTH_LIMIT} messages")]
    Depth,
    /// No JSON at all.
    #[error("{0}")]
    Json(JsonProblem),
    /// Something in a value that is given as JSON text; its field is named from that value on.
    #[error("{} (line {}, column {} of the JSON text)", .0.problem, .0.place.line, .0.place.column)]
    InText(Box<BodyError>),
}

/// What stood where something else was expected: its content, unless that is not to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    content: String,
    /// What it is called without its content.
    kind: &'static str,
    hidden: bool,
}

impl Found {
    fn new(content: String, kind: &'static str) -> Self {
        Self { content, kind, hidden: false }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.hidden { self.kind } else { &self.content })
    }
}

/// A body that is no message of the wanted type, or a value in it that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyError {
    /// The field as the body spells it, `destinations[2].account`; empty for the body itself.
    pub field: String,
    /// Where in the body.
    pub place: Place,
    /// What is wrong.
    pub problem: FieldProblem,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        let field = if self.field.is_empty() { "the body" } else { &self.field };
        write!(f, "at {field}: {} (line {line}, column {column})", self.problem)
    }
}

impl std::error::Error for BodyError {}

/// Whether a single text, of a path or a query, can fill this field.
#[must_use]
pub fn takes_text(field: &Field) -> bool {
    let known = |id| field.tables().message(id).known;
    let table = field.table();
    table.shape != crate::schema::Shape::Map
        && table.kind.message().is_none_or(|id| {
            matches!(known(id), Known::Timestamp | Known::Duration | Known::FieldMask | Known::Wrapper)
        })
}

/// Whether one JSON text, of a query or a form, can fill this field or an element of it: it is a message whose form in JSON is
/// neither a scalar nor an object of its fields.
#[must_use]
pub fn takes_json(field: &Field) -> bool {
    let table = field.table();
    table.shape != crate::schema::Shape::Map
        && table.kind.message().is_some_and(|id| {
            let known = field.tables().message(id).known;
            matches!(known, Known::Any | Known::Struct | Known::Value | Known::ListValue)
        })
}

/// Whether a single text can fill each value of this field, which is a map.
#[must_use]
pub fn takes_entries(field: &Field) -> bool {
    let value = field.message().and_then(|entry| entry.field("value"));
    field.table().shape == crate::schema::Shape::Map && value.is_some_and(|value| takes_text(&value))
}

/// Whether bytes as they are can fill each value of this field.
fn takes_bytes(tables: &Tables, field: &FieldTable) -> bool {
    field.kind == Kind::Bytes
        || field.kind.message().is_some_and(|id| {
            let message = tables.message(id);
            message.known == Known::Wrapper && message.fields.first().is_some_and(|value| value.kind == Kind::Bytes)
        })
}

/// What can fill a field, or each of its elements or entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filling {
    /// One text.
    Text,
    /// One JSON text: it [takes that](takes_json).
    Json,
    /// Bytes as they are, or one text that is their base64.
    Bytes,
    /// A [`HttpBody`].
    HttpBody,
}

/// What can fill this field in one piece, or each entry of it if it is a map.
#[must_use]
pub fn filling(field: &Field) -> Option<Filling> {
    let value = match field.table().shape {
        crate::schema::Shape::Map => &field.message()?.field("value")?,
        _ => field,
    };
    match value.table() {
        table if takes_bytes(value.tables(), table) => Some(Filling::Bytes),
        table if raw::is_kind_of_body(value.tables(), table.kind) => Some(Filling::HttpBody),
        _ if takes_json(field) => Some(Filling::Json),
        _ => takes_text(value).then_some(Filling::Text),
    }
}

/// The problem of a text that is no value of the field at the end of `path`, or of the map there.
fn wrong_text(path: &FieldPath, field: &FieldTable, text: &str) -> FieldProblem {
    let found = Found { content: quoted(text), kind: "another text", hidden: path.is_redacted() };
    FieldProblem::Unexpected { expected: expectation(path.leaf().tables(), field.kind), found }
}

/// The problem of a text that is no key of the map.
fn wrong_key(path: &FieldPath, field: &FieldTable, text: &str) -> FieldProblem {
    let found = Found { content: quoted(text), kind: "another text", hidden: path.is_redacted() };
    let expected = format!("a key that is {}", expectation(path.leaf().tables(), field.kind));
    FieldProblem::Unexpected { expected, found }
}

/// `text` in quotes, cut if long.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// What a field of this kind takes, in the words of an error.
fn expectation(tables: &Tables, kind: Kind) -> String {
    let fixed = match kind {
        Kind::Double => "a double",
        Kind::Float => "a float",
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "an int32",
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "an int64",
        Kind::Uint32 | Kind::Fixed32 => "a uint32",
        Kind::Uint64 | Kind::Fixed64 => "a uint64",
        Kind::Bool => "true or false",
        Kind::String => "a string",
        Kind::Bytes => "base64",
        Kind::Enum(id) => return expected_enum(tables.enumeration(id)),
        Kind::Message(id) | Kind::Group(id) => return expected_message(tables, tables.message(id)),
    };
    fixed.to_owned()
}

fn expected_enum(table: &EnumTable) -> String {
    format!("a value of {}", table.name)
}

fn expected_message(tables: &Tables, table: &MessageTable) -> String {
    match table.known {
        Known::Timestamp => "a timestamp such as \"2026-01-31T12:00:00Z\"".to_owned(),
        Known::Duration => "a duration such as \"1.5s\"".to_owned(),
        Known::FieldMask => "a field mask such as \"name,price.currency\"".to_owned(),
        Known::Wrapper if !table.fields.is_empty() => expectation(tables, table.fields[0].kind),
        Known::ListValue => format!("an array ({})", table.name),
        _ => format!("an object ({})", table.name),
    }
}
