//! JSON, path and query text to protobuf wire bytes, and wire bytes to JSON, as ProtoJSON has it.
//!
//! A [`Request`] is filled from the body first, then from single texts, and becomes wire bytes; [`reply`] turns wire
//! bytes into JSON. Input is strict: what another reader could read otherwise is refused. Knows no HTTP and no routes.

mod body;
mod reply;
mod scalar;
#[cfg(test)]
mod tests;

use std::fmt;

use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};

use crate::json::{JsonProblem, Place};
use crate::schema::{Field, FieldPath, Message};

pub use body::{Body, Ignored};
pub use reply::{DecodeError, reply};

/// What is wrong with the value of a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    /// A value of another type or out of range. What was found is described without its content if it is redacted.
    #[error("expected {expected}, found {found}")]
    Unexpected { expected: String, found: String },
    /// A member that the message has not.
    #[error("`{message}` has no such field")]
    Unknown { message: String },
    /// The field a second time, under this or its other name.
    #[error("is given twice")]
    Twice,
    /// Another member of its oneof was given before.
    #[error("`{other}` is given too, and only one of the oneof `{oneof}` can be")]
    Oneof { other: String, oneof: String },
    /// No JSON at all.
    #[error("{0}")]
    Json(JsonProblem),
}

/// A body that is no message of the wanted type.
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

/// A request message in the making.
#[derive(Debug)]
pub struct Request {
    message: DynamicMessage,
}

impl Request {
    /// An empty message of this type.
    #[must_use]
    pub fn new(input: &Message) -> Self {
        Self { message: DynamicMessage::new(input.0.clone()) }
    }

    /// Sets the field from one text of a path or a query; a list gets one more element.
    ///
    /// # Errors
    /// The text is no value of the field, or a sibling in its oneof is set.
    pub fn set(&mut self, path: &FieldPath, text: &str) -> Result<(), FieldProblem> {
        let value = text_value(path, text)?;
        let (leaf, parents) = path.fields().split_last().expect("a path is not empty");
        let mut here = &mut self.message;
        for field in parents {
            refuse_sibling(here, &field.0)?;
            here = here.get_field_mut(&field.0).as_message_mut().expect("only messages lie on a path");
        }
        refuse_sibling(here, &leaf.0)?;
        if leaf.0.is_list() {
            here.get_field_mut(&leaf.0).as_list_mut().expect("a list field holds a list").push(value);
        } else {
            here.set_field(&leaf.0, value);
        }
        Ok(())
    }

    /// Whether the field has the value that `text` means.
    ///
    /// # Errors
    /// The text is no value of the field.
    pub fn says(&self, path: &FieldPath, text: &str) -> Result<bool, FieldProblem> {
        let value = text_value(path, text)?;
        let (leaf, parents) = path.fields().split_last().expect("a path is not empty");
        let mut here = self.message.clone();
        for field in parents {
            let Some(Value::Message(next)) = here.take_field(&field.0) else {
                return Ok(value.is_default_for_field(&leaf.0));
            };
            here = next;
        }
        Ok(*here.get_field(&leaf.0) == value)
    }

    /// The message in wire format.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.message.encode_to_vec()
    }
}

/// Refuses to set `field` when another member of its oneof is set.
fn refuse_sibling(message: &DynamicMessage, field: &FieldDescriptor) -> Result<(), FieldProblem> {
    let Some(oneof) = field.containing_oneof() else { return Ok(()) };
    match oneof.fields().find(|other| other != field && message.has_field(other)) {
        Some(other) => Err(FieldProblem::Oneof { other: other.json_name().to_owned(), oneof: oneof.name().to_owned() }),
        None => Ok(()),
    }
}

fn text_value(path: &FieldPath, text: &str) -> Result<Value, FieldProblem> {
    let leaf = path.leaf();
    scalar::from_text(&leaf.0.kind(), text).ok_or_else(|| FieldProblem::Unexpected {
        expected: expectation(&leaf.0.kind()),
        found: if path.is_redacted() { "another text".to_owned() } else { quoted(text) },
    })
}

/// Whether a single text, of a path or a query, can fill this field.
#[must_use]
pub fn takes_text(field: &Field) -> bool {
    !field.0.is_map() && scalar::takes_text(&field.0.kind())
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
fn expectation(kind: &Kind) -> String {
    match kind {
        Kind::Double => "a double".to_owned(),
        Kind::Float => "a float".to_owned(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "an int32".to_owned(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "an int64".to_owned(),
        Kind::Uint32 | Kind::Fixed32 => "a uint32".to_owned(),
        Kind::Uint64 | Kind::Fixed64 => "a uint64".to_owned(),
        Kind::Bool => "true or false".to_owned(),
        Kind::String => "a string".to_owned(),
        Kind::Bytes => "base64".to_owned(),
        Kind::Enum(descriptor) => format!("a value of {}", descriptor.full_name()),
        Kind::Message(descriptor) => match descriptor.full_name() {
            "google.protobuf.Timestamp" => "a timestamp such as \"2026-01-31T12:00:00Z\"".to_owned(),
            "google.protobuf.Duration" => "a duration such as \"1.5s\"".to_owned(),
            "google.protobuf.FieldMask" => "a field mask such as \"name,price.currency\"".to_owned(),
            name => match scalar::wrapped(descriptor) {
                Some(kind) => expectation(&kind),
                None => format!("an object ({name})"),
            },
        },
    }
}
