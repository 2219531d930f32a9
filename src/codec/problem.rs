//! What is wrong with the value of a field, and the texts for it.

use std::fmt;

use super::depth::DEPTH_LIMIT;
use crate::format::json::{JsonProblem, Position};
use crate::format::quote::{MOST, MOST_TWICE, beginning};
use crate::format::suggestion::{did_you_mean, nearest};
use crate::schema::{EnumTable, FieldPath, FieldTable, Kind, MessageTable, Tables, WellKnown};

/// What is wrong with the value of a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    /// A value has another type or is out of range.
    #[error("expected {expected}, got {found}")]
    Unexpected { expected: String, found: Found },
    /// The message has no such field.
    #[error("no such field{}", did_you_mean(near.as_deref()))]
    Unknown { near: Option<String> },
    /// The field is given a second time, under the same or its other name.
    #[error("repeated, but it takes only one value")]
    Twice,
    /// A required field (proto2) is not set.
    #[error("required, but not set")]
    Required,
    /// Another field of the same oneof is already set.
    #[error("only one field of the oneof \"{oneof}\" can be set, and \"{other}\" already is")]
    Oneof { other: String, oneof: String },
    /// Messages are nested too deeply. An object of a `google.protobuf.Struct` counts as three of them.
    #[error("nested deeper than the limit of {DEPTH_LIMIT} messages")]
    Depth,
    /// The text is not valid JSON.
    #[error("{0}")]
    Json(JsonProblem),
    /// An error inside a value that is given as JSON text; it names the field relative to that value.
    #[error("{} (line {}, column {} of the JSON text)", .0.problem, .0.place.line, .0.place.column)]
    InText(Box<BodyError>),
}

/// What was found instead of what was expected. Its content is left out if it must not be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub(super) content: Box<str>,
    /// What the caller could write instead, if the content suggests it.
    pub(super) hint: Box<str>,
    /// What to show if the content must not be shown.
    pub(super) kind: &'static str,
    pub(super) hidden: bool,
}

impl Found {
    pub(super) fn new(content: String, kind: &'static str) -> Self {
        Self { content: content.into(), hint: Box::default(), kind, hidden: false }
    }

    pub(super) fn with_hint(self, hint: String) -> Self {
        Self { hint: hint.into(), ..self }
    }

    pub(super) fn hidden_if(self, hidden: bool) -> Self {
        Self { hidden, ..self }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hidden { f.write_str(self.kind) } else { write!(f, "{}{}", self.content, self.hint) }
    }
}

/// A body that is not a message of the expected type, or has an invalid value in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyError {
    /// The field as the body spells it, such as `destinations[2].account`; empty for the body itself.
    pub field: String,
    /// Line and column in the body.
    pub place: Position,
    pub problem: FieldProblem,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, place: Position { line, column }, problem } = self;
        match problem {
            FieldProblem::Unknown { near } => {
                let near = did_you_mean(near.as_deref());
                write!(f, "unknown field \"{field}\"{near} (line {line}, column {column})")
            }
            problem if field.is_empty() => write!(f, "the body: {problem} (line {line}, column {column})"),
            problem => write!(f, "field \"{field}\": {problem} (line {line}, column {column})"),
        }
    }
}

impl std::error::Error for BodyError {}

/// The problem of a text that is not a value of the field at the end of `path`, or of an entry of the map there.
pub(super) fn wrong_text(path: &FieldPath, field: &FieldTable, text: &str) -> FieldProblem {
    let tables = path.leaf().tables();
    let found = Found::new(quoted(text), OTHER_TEXT).with_hint(hint(tables, field.kind, text));
    FieldProblem::Unexpected { expected: expectation(tables, field.kind), found: found.hidden_if(path.is_redacted()) }
}

/// The problem of a text that is not a key of the map.
pub(super) fn wrong_key(path: &FieldPath, field: &FieldTable, text: &str) -> FieldProblem {
    let found = Found::new(quoted(text), OTHER_TEXT).hidden_if(path.is_redacted());
    let expected = format!("a key that is {}", expectation(path.leaf().tables(), field.kind));
    FieldProblem::Unexpected { expected, found }
}

/// Stands for a text that must not be shown.
pub(super) const OTHER_TEXT: &str = "another text";

/// What the caller could write instead of this text, which is not a value of this kind.
pub(super) fn hint(tables: &Tables, kind: Kind, text: &str) -> String {
    match kind {
        Kind::Enum(id) => did_you_mean(nearest(text, tables.enumeration(id).names())).into_owned(),
        Kind::Message(id) if tables.message(id).known == WellKnown::FieldMask && text.contains('_') => {
            format!(
                "; write the paths in lowerCamelCase, for example \"{}\"",
                beginning(&lower_camel(text), MOST_TWICE)
            )
        }
        _ => String::new(),
    }
}

fn lower_camel(text: &str) -> String {
    let mut is_upper = false;
    let camel = text.chars().filter_map(|c| match c {
        '_' => {
            is_upper = true;
            None
        }
        c if std::mem::take(&mut is_upper) => Some(c.to_ascii_uppercase()),
        c => Some(c),
    });
    camel.collect()
}

/// `text` in quotes, shortened to 40 characters.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// What a field of this kind accepts, for an error text.
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

/// All names of a small enum; for a large enum, the name of the enum.
fn expected_enum(table: &EnumTable) -> String {
    const MOST_NAMES: usize = 8;
    let names: Vec<&str> = table.names().take(MOST_NAMES + 1).collect();
    match names.len() {
        1..=MOST_NAMES if names.iter().map(|name| name.len()).sum::<usize>() <= MOST => {
            format!("one of {}", names.join(", "))
        }
        _ => format!("a value of {}", table.name),
    }
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
