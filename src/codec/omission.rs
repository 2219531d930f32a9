//! Leaves fields out of messages in wire format: those that `google.api.field_behavior` keeps from one direction.
//!
//! ```text
//! schema, names of fields -> Omissions; Omissions::of(message type) -> Omission
//! wire format -> Omission::without -> wire format without these fields, if it has some
//! ```
//! Everything else is copied as it is, unknown fields too. The message inside a `google.protobuf.Any` is not changed.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::depth::DEPTH_LIMIT;
use crate::format::wire::{END_GROUP, GROUP, LENGTH, Reader, WireError, close, open, put_tag};
use crate::schema::{Annotated, Annotation, Message, MessageId, Schema, WellKnown};

/// The fields that are left out of all message types.
#[derive(Debug, Default)]
pub struct Omissions {
    messages: Vec<Fields>,
    ids: HashMap<MessageId, usize>,
}

/// What happens to the fields of a message type; nothing to those that are not here.
#[derive(Debug, Default)]
struct Fields(HashMap<u32, Change>);

#[derive(Debug, Clone, Copy)]
enum Change {
    LeaveOut,
    /// The field is a message that may have such fields: its index.
    Inside(usize),
}

/// The fields that are left out of one message type.
#[derive(Clone)]
pub struct Omission {
    all: Arc<Omissions>,
    root: usize,
}

impl fmt::Debug for Omission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Omission")
    }
}

impl Omissions {
    /// Leaves out the fields whose annotations say so.
    #[must_use]
    pub fn new(schema: &Schema, is_left_out: impl Fn(&Annotation) -> bool) -> Self {
        let messages: Vec<Message> = schema.messages().collect();
        let by_name: HashMap<&str, &Message> = messages.iter().map(|message| (message.name(), message)).collect();
        let mut left_out: HashMap<MessageId, Vec<u32>> = HashMap::new();
        for annotation in schema.annotations().iter().filter(|annotation| is_left_out(annotation)) {
            let (Some(message), Some(Annotated::Field(name))) =
                (by_name.get(annotation.message.as_str()), &annotation.of)
            else {
                continue;
            };
            let field = message.table().fields.iter().find(|field| *field.name == **name);
            left_out.entry(message.id()).or_default().extend(field.map(|field| field.number));
        }
        let mut changed: Vec<MessageId> = left_out.keys().copied().collect();
        loop {
            let reaches = |message: &&Message| {
                let inner = |id: Option<MessageId>| id.is_some_and(|id| changed.contains(&id));
                !changed.contains(&message.id())
                    && message.table().fields.iter().any(|field| inner(field.kind.message()))
            };
            let more: Vec<MessageId> = messages.iter().filter(reaches).map(Message::id).collect();
            if more.is_empty() {
                break;
            }
            changed.extend(more);
        }
        let ids: HashMap<MessageId, usize> = changed.iter().enumerate().map(|(index, id)| (*id, index)).collect();
        let fields = changed.iter().map(|id| {
            let Some(table) = messages.first().map(|message| message.tables().message(*id)) else {
                return Fields::default();
            };
            let none = Vec::new();
            let own = left_out.get(id).unwrap_or(&none);
            let change = |number: u32, inner: Option<MessageId>| match own.contains(&number) {
                true => Some((number, Change::LeaveOut)),
                false => Some((number, Change::Inside(*ids.get(&inner?)?))),
            };
            let is_any = table.known == WellKnown::Any;
            let fields = table.fields.iter().filter(|_| !is_any);
            Fields(fields.filter_map(|field| change(field.number, field.kind.message())).collect())
        });
        Self { messages: fields.collect(), ids }
    }

    /// What is left out of messages of this type; `None` if nothing is.
    #[must_use]
    pub fn of(self: &Arc<Self>, message: &Message) -> Option<Omission> {
        let root = *self.ids.get(&message.id())?;
        Some(Omission { all: Arc::clone(self), root })
    }
}

impl Omission {
    /// The message without these fields; `None` if it has none of them.
    ///
    /// # Errors
    /// It is not a message in wire format.
    pub fn without(&self, wire: &[u8]) -> Result<Option<Vec<u8>>, WireError> {
        let mut out = Vec::with_capacity(wire.len());
        let is_changed = self.all.copy(self.root, wire, &mut out, 0)?;
        Ok(is_changed.then_some(out))
    }
}

impl Omissions {
    /// Appends a message without the fields, and says whether it had some.
    fn copy(&self, index: usize, wire: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<bool, WireError> {
        if depth > DEPTH_LIMIT {
            return Err(WireError::Depth);
        }
        let Fields(fields) = &self.messages[index];
        let mut is_changed = false;
        let mut reader = Reader::new(wire);
        while !reader.is_empty() {
            let start = reader.rest();
            let (number, wire_type) = reader.tag()?;
            match (fields.get(&number), wire_type) {
                (Some(Change::LeaveOut), _) => {
                    reader.skip(number, wire_type)?;
                    is_changed = true;
                }
                (Some(Change::Inside(inner)), LENGTH) => {
                    put_tag(out, number, LENGTH);
                    let at = open(out);
                    is_changed |= self.copy(*inner, reader.bytes()?, out, depth + 1)?;
                    close(out, at);
                }
                (Some(Change::Inside(inner)), GROUP) => {
                    put_tag(out, number, GROUP);
                    is_changed |= self.copy(*inner, reader.group(number)?, out, depth + 1)?;
                    put_tag(out, number, END_GROUP);
                }
                _ => {
                    reader.skip(number, wire_type)?;
                    out.extend_from_slice(&start[..start.len() - reader.rest().len()]);
                }
            }
        }
        Ok(is_changed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Omissions;
    use crate::schema::Schema;

    const BEHAVIOR: &str = r#"
syntax = "proto3";
package google.api;
import "google/protobuf/descriptor.proto";
enum FieldBehavior { FIELD_BEHAVIOR_UNSPECIFIED = 0; OPTIONAL = 1; REQUIRED = 2; OUTPUT_ONLY = 3; INPUT_ONLY = 4; }
extend google.protobuf.FieldOptions { repeated FieldBehavior field_behavior = 1052; }
"#;

    const PROTO: &str = r#"
syntax = "proto3";
package t;
import "google/api/field_behavior.proto";
message A {
  string id = 1 [(google.api.field_behavior) = OUTPUT_ONLY];
  string pin = 2 [(google.api.field_behavior) = INPUT_ONLY];
  A inner = 3;
  repeated A list = 4;
  map<string, A> by_name = 5;
  string name = 6;
}
message Other { string name = 1; }
"#;

    #[test]
    fn fields_are_left_out_wherever_their_message_stands_and_nothing_else_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("google/api")).unwrap();
        std::fs::write(folder.path().join("google/api/field_behavior.proto"), BEHAVIOR).unwrap();
        std::fs::write(folder.path().join("t.proto"), PROTO).unwrap();
        let schema = Schema::load(&[folder.path().to_owned()]).unwrap();
        let message = schema.message("t.A").unwrap();
        let requests = Arc::new(Omissions::new(&schema, |annotation| annotation.is_output_only));
        let replies = Arc::new(Omissions::new(&schema, |annotation| annotation.is_input_only));
        assert!(requests.of(&schema.message("t.Other").unwrap()).is_none());
        let without = |omissions: &Arc<Omissions>, wire: &[u8]| omissions.of(&message).unwrap().without(wire);
        for (wire, request, reply) in [
            (&b"\x32\x01n"[..], None, None),
            (b"\x0a\x01i\x12\x01p\x32\x01n", Some(&b"\x12\x01p\x32\x01n"[..]), Some(&b"\x0a\x01i\x32\x01n"[..])),
            // In a message, a list and a map; an unknown field stays.
            (b"\x1a\x03\x0a\x01i\x50\x01", Some(b"\x1a\x00\x50\x01"), None),
            (b"\x22\x03\x12\x01p\x22\x00", None, Some(b"\x22\x00\x22\x00")),
            (b"\x2a\x08\x0a\x01k\x12\x03\x0a\x01i", Some(b"\x2a\x05\x0a\x01k\x12\x00"), None),
            // A field with another wire type than its own is unknown to every reader.
            (b"\x08\x01", Some(b""), None),
        ] {
            assert_eq!(without(&requests, wire), Ok(request.map(<[u8]>::to_vec)), "{wire:?}");
            assert_eq!(without(&replies, wire), Ok(reply.map(<[u8]>::to_vec)), "{wire:?}");
        }
        assert!(without(&requests, b"\x0a\x05i").is_err());
    }
}
