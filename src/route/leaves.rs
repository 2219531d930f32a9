//! The values of a message one by one: what a single text could say of it, and what no text can.
//!
//! A message is taken apart by its canonical JSON, so that a text is what a path or a query would say.

use crate::codec::{self, DecodeError, Print, takes_entries, takes_json, takes_text};
use crate::format::json::{self, JsonError, Scanner};
use crate::schema::{Field, Message, Shape, WellKnown};

/// One value, as deep inside as values are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    /// The way to it by the names of the proto file: `account.iban`, `tags[2]`, `labels[key]`, `items[0].price`. A key
    /// that must not be shown is `...`.
    pub(super) name: String,
    /// That way as far as it is a field: up to the first list or map, which is included.
    pub(super) field: String,
    /// Whether the value must not be shown.
    pub(super) redacted: bool,
    /// The value in JSON.
    pub(super) json: String,
    /// The query key and the text that say it.
    pub(super) text: Result<(String, String), NoText>,
}

/// Why no text says a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoText {
    /// A message without fields.
    #[error("is a message with nothing in it")]
    Empty,
    /// A message with a form of its own that is no text.
    #[error("is a {0}")]
    Form(String),
    /// Something in a list or map of messages.
    #[error("stands in a list or map of messages")]
    Listed,
    /// Something in an extension.
    #[error("is an extension, or in one")]
    Extension,
}

/// The values of the message `wire`.
pub(super) fn of(message: &Message, wire: &[u8]) -> Result<Vec<Leaf>, DecodeError> {
    let json = codec::reply(message, wire, &Print { limit: usize::MAX, ..Print::default() })?;
    let text = String::from_utf8_lossy(&json);
    let mut walk = Walk { leaves: Vec::new() };
    match message.table().known {
        WellKnown::No => {
            walk.message(message, &text, &LeafPath::default()).expect("what the codec prints is JSON of the message")
        }
        _ if wire.is_empty() => {}
        _ => walk.put(LeafPath::default(), &text, Err(NoText::Form(message.name().to_owned()))),
    }
    Ok(walk.leaves)
}

/// The way to a value.
#[derive(Debug, Clone, Default)]
struct LeafPath {
    name: String,
    field: String,
    redacted: bool,
    /// Why no query key leads here.
    closed: Option<NoText>,
}

impl LeafPath {
    fn into(&self, field: &Field) -> Self {
        let dotted = |before: &str| {
            if before.is_empty() { field.name().to_owned() } else { format!("{before}.{}", field.name()) }
        };
        let is_extension = field.name().starts_with('[');
        Self {
            name: dotted(&self.name),
            // Behind a list or a map there is no field any more, but what the list or map is.
            field: if self.closed == Some(NoText::Listed) { self.field.clone() } else { dotted(&self.field) },
            redacted: self.redacted || field.is_redacted(),
            closed: self.closed.clone().or(is_extension.then_some(NoText::Extension)),
        }
    }

    fn at(&self, index: &str) -> Self {
        Self { name: format!("{}[{index}]", self.name), ..self.clone() }
    }

    fn listed(&self) -> Self {
        Self { closed: self.closed.clone().or(Some(NoText::Listed)), ..self.clone() }
    }
}

struct Walk {
    leaves: Vec<Leaf>,
}

impl Walk {
    fn message(&mut self, message: &Message, text: &str, place: &LeafPath) -> Result<(), JsonError> {
        let mut scanner = Scanner::new(text.as_bytes(), usize::MAX)?;
        scanner.begin_object()?;
        let mut first = true;
        while let Some(name) = scanner.member(&mut first)? {
            let value = scanner.skip()?;
            if let Some(field) = message.field(&name) {
                self.field(&field, value, &place.into(&field))?;
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, text: &str, place: &LeafPath) -> Result<(), JsonError> {
        let mut scanner = Scanner::new(text.as_bytes(), usize::MAX)?;
        let mut first = true;
        match field.table().shape {
            Shape::Map => {
                let value_field = field.message().and_then(|entry| entry.field("value"));
                let value_field = value_field.expect("an entry has a key and a value");
                scanner.begin_object()?;
                while let Some(key) = scanner.member(&mut first)? {
                    let value = scanner.skip()?;
                    let place = place.at(if place.redacted { "..." } else { &key });
                    if takes_entries(field) {
                        let said = (format!("{}[{key}]", place.field), said(value)?);
                        self.put(place, value, Ok(said));
                    } else {
                        self.single(&value_field, value, place.listed())?;
                    }
                }
                Ok(())
            }
            Shape::Repeated | Shape::Packed => {
                scanner.begin_array()?;
                for index in 0.. {
                    if !scanner.element(&mut first)? {
                        break;
                    }
                    let place = place.at(&index.to_string());
                    let is_said = takes_text(field) || takes_json(field);
                    let place = if is_said { place } else { place.listed() };
                    self.single(field, scanner.skip()?, place)?;
                }
                Ok(())
            }
            Shape::Implicit | Shape::Explicit | Shape::Required => self.single(field, text, place.clone()),
        }
    }

    /// A value by itself: that of the field, or one of its list or map.
    fn single(&mut self, field: &Field, text: &str, place: LeafPath) -> Result<(), JsonError> {
        match field.message() {
            Some(message) if message.table().known == WellKnown::No => {
                let before = self.leaves.len();
                self.message(&message, text, &place)?;
                if self.leaves.len() == before {
                    self.put(place, text, Err(NoText::Empty));
                }
            }
            Some(_) if takes_json(field) => {
                let key = place.field.clone();
                self.put(place, text, Ok((key, text.to_owned())));
            }
            _ => {
                let key = place.field.clone();
                self.put(place, text, Ok((key, said(text)?)));
            }
        }
        Ok(())
    }

    fn put(&mut self, place: LeafPath, json: &str, text: Result<(String, String), NoText>) {
        let LeafPath { name, field, redacted, closed } = place;
        let text = closed.map_or(text, Err);
        self.leaves.push(Leaf { name, field, redacted, json: json.to_owned(), text });
    }
}

/// The text that a path or a query has for a JSON value which is no object and no array.
fn said(json: &str) -> Result<String, JsonError> {
    let mut scanner = Scanner::new(json.as_bytes(), usize::MAX)?;
    Ok(match scanner.peek()? {
        json::JsonKind::String => scanner.string()?.into_owned(),
        // google.protobuf.NullValue is an enum.
        json::JsonKind::Null => "NULL_VALUE".to_owned(),
        _ => json.to_owned(),
    })
}
