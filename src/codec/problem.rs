//! What is wrong with the value of a field, in words.

use std::fmt;

use super::depth::DEPTH_LIMIT;
use crate::format::json::{JsonProblem, Position};
use crate::schema::{EnumTable, FieldPath, FieldTable, Kind, MessageTable, Tables, WellKnown};

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
    pub(super) content: String,
    /// What it is called without its content.
    pub(super) kind: &'static str,
    pub(super) hidden: bool,
}

impl Found {
    pub(super) fn new(content: String, kind: &'static str) -> Self {
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
    pub place: Position,
    /// What is wrong.
    pub problem: FieldProblem,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.place;
        let field = if self.field.is_empty() { "the body" } else { &self.field };
        write!(f, "at {field}: {} (line {line}, column {column})", self.problem)
    }
}

impl std::error::Error for BodyError {}

/// The problem of a text that is no value of the field at the end of `path`, or of the map there.
pub(super) fn wrong_text(path: &FieldPath, field: &FieldTable, text: &str) -> FieldProblem {
    let found = Found { content: quoted(text), kind: "another text", hidden: path.is_redacted() };
    FieldProblem::Unexpected { expected: expectation(path.leaf().tables(), field.kind), found }
}

/// The problem of a text that is no key of the map.
pub(super) fn wrong_key(path: &FieldPath, field: &FieldTable, text: &str) -> FieldProblem {
    let found = Found { content: quoted(text), kind: "another text", hidden: path.is_redacted() };
    let expected = format!("a key that is {}", expectation(path.leaf().tables(), field.kind));
    FieldProblem::Unexpected { expected, found }
}

/// `text` in quotes, cut if long.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// What a field of this kind takes, in the words of an error.
pub(super) fn expectation(tables: &Tables, kind: Kind) -> String {
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
        WellKnown::Timestamp => "a timestamp such as \"2026-01-31T12:00:00Z\"".to_owned(),
        WellKnown::Duration => "a duration such as \"1.5s\"".to_owned(),
        WellKnown::FieldMask => "a field mask such as \"name,price.currency\"".to_owned(),
        WellKnown::Wrapper if !table.fields.is_empty() => expectation(tables, table.fields[0].kind),
        WellKnown::ListValue => format!("an array ({})", table.name),
        _ => format!("an object ({})", table.name),
    }
}
