//! Builds a request message from texts bound to fields and an optional body.
//!
//! The texts are kept in a tree of fields. When the body reaches a bound field, it must have the same value. At the end
//! of each object, bound fields that it did not contain are added.

use super::body::Body;
use super::bound::{BoundField, BoundFields, BoundText, BoundValue, put_message, put_node};
use super::error::{Origin, RequestError};
use super::value::Value;
use super::{encoder, inline};
use crate::codec::depth::DEPTH_LIMIT;
use crate::codec::problem::{FieldProblem, wrong_key};
use crate::codec::scalar::{self, Write};
use crate::format::json;
use crate::format::wire;
use crate::schema::{FieldPath, FieldTable, Kind, Message};

/// Initial capacity in bytes: most texts are short and make messages of at most this size.
const ROOM: usize = 128;

/// A request message that is being built.
#[derive(Debug)]
pub struct Request<'t> {
    input: &'t Message,
    root: BoundFields,
    json_depth: usize,
}

/// The bound texts of a [`Request`], for several messages that share them.
#[derive(Debug, Clone)]
pub struct Texts {
    root: BoundFields,
    json_depth: usize,
}

impl<'t> Request<'t> {
    /// An empty message of this type.
    #[must_use]
    pub fn new(input: &'t Message) -> Self {
        Self { input, root: BoundFields::default(), json_depth: json::DEPTH_LIMIT }
    }

    /// Sets how deeply a JSON body and JSON texts may be nested.
    #[must_use]
    pub fn with_json_depth(self, json_depth: usize) -> Self {
        Self { json_depth, ..self }
    }

    /// Binds the field to a value; a list gets one more element.
    ///
    /// # Errors
    /// The value is not valid for the field, or another field of its oneof is bound.
    pub fn set<'v>(
        &mut self,
        path: &FieldPath,
        value: impl Into<Value<'v>>,
        origin: Origin,
    ) -> Result<(), FieldProblem> {
        let wire = encode_value(path, &value.into(), self.json_depth)?;
        let tables = self.input.tables();
        let leaf = path.leaf();
        let node = self.parent(path)?;
        node.bind(tables.message(leaf.owner()), leaf.index(), BoundText { wire, origin, path: path.clone() })
    }

    /// Adds an entry to a map field.
    ///
    /// # Errors
    /// The key or value is not valid for the map, or the map already has the key.
    pub fn set_entry<'v>(
        &mut self,
        path: &FieldPath,
        key: &str,
        value: impl Into<Value<'v>>,
        origin: Origin,
    ) -> Result<(), FieldProblem> {
        let tables = self.input.tables();
        let (leaf, field) = (path.leaf(), path.leaf().table());
        let entry = field.kind.message().map_or(&[][..], |id| &tables.message(id).fields);
        let [key_field, value_field] = entry else { return Err(FieldProblem::Depth) };
        // Other readers count an entry as a message, and its value may be one too.
        if path.fields().len() + 1 + usize::from(value_field.kind.message().is_some()) > DEPTH_LIMIT {
            return Err(FieldProblem::Depth);
        }
        let mut wire = Vec::new();
        field.tag.put(&mut wire);
        let start = wire::open(&mut wire);
        if !scalar::put_text(&mut wire, tables, key_field, Write::Tagged, key) {
            return Err(wrong_key(path, key_field, key));
        }
        let key = wire[start..].to_vec();
        value.into().put(&mut wire, tables, path, (value_field, Write::Tagged))?;
        wire::close(&mut wire, start);
        let node = self.parent(path)?;
        if let Some(BoundField { what: BoundValue::Text(bound), .. }) = node.find(leaf.index())
            && has_entry(field, &bound.wire, &key)
        {
            return Err(FieldProblem::Twice);
        }
        node.bind(tables.message(leaf.owner()), leaf.index(), BoundText { wire, origin, path: path.clone() })
    }

    /// Whether nothing is bound to the field, a message. A text that leaves the message empty does not count.
    ///
    /// # Errors
    /// Another field of a oneof along the path is bound.
    pub fn lacks_message(&mut self, path: &FieldPath) -> Result<bool, FieldProblem> {
        let mut empty = Vec::new();
        put_message(&mut empty, path.leaf().table(), |_, _| ());
        let index = path.leaf().index();
        let node = self.parent(path)?;
        node.fields.retain(|bound| {
            bound.index != index || !matches!(&bound.what, BoundValue::Text(leaf) if leaf.wire == empty)
        });
        Ok(node.find(index).is_none())
    }

    /// Binds the field, a message that the request [lacks](Self::lacks_message), to this encoded value.
    ///
    /// # Errors
    /// Another field of its oneof is bound.
    pub fn set_message(&mut self, path: &FieldPath, value: Vec<u8>) -> Result<(), FieldProblem> {
        let (tables, leaf) = (self.input.tables(), path.leaf());
        let wire = around_message(leaf.table(), value);
        let node = self.parent(path)?;
        let filled = BoundText { wire, origin: Origin::Query, path: path.clone() };
        node.bind(tables.message(leaf.owner()), leaf.index(), filled)
    }

    /// The bound fields of the message that contains the last field of the path.
    fn parent(&mut self, path: &FieldPath) -> Result<&mut BoundFields, FieldProblem> {
        let tables = self.input.tables();
        let (_, parents) = path.fields().split_last().expect("a path is not empty");
        parents.iter().try_fold(&mut self.root, |node, field| node.child(tables.message(field.owner()), field.index()))
    }

    /// Whether the field is bound to this value.
    ///
    /// # Errors
    /// The value is not valid for the field.
    pub fn says<'v>(&self, path: &FieldPath, value: impl Into<Value<'v>>) -> Result<bool, FieldProblem> {
        let wire = encode_value(path, &value.into(), self.json_depth)?;
        let (leaf, parents) = path.fields().split_last().expect("a path is not empty");
        let node = parents.iter().try_fold(&self.root, |node, field| match &node.find(field.index())?.what {
            BoundValue::Message(node) => Some(node),
            BoundValue::Text(_) => None,
        });
        let bound = node.and_then(|node| node.find(leaf.index()));
        Ok(matches!(bound, Some(BoundField { what: BoundValue::Text(leaf), .. }) if leaf.wire == wire))
    }

    /// Encodes the message, each field once; `body` is merged into it.
    ///
    /// # Errors
    /// The body is invalid, or conflicts with the bound texts.
    pub fn encode(&self, body: Option<Body<'_>>) -> Result<Vec<u8>, RequestError> {
        encode(self.input, &self.root, body, self.json_depth)
    }

    /// The bound texts without the message type.
    #[must_use]
    pub fn into_texts(self) -> Texts {
        Texts { root: self.root, json_depth: self.json_depth }
    }
}

impl Texts {
    /// A request with these texts, to which more can be bound.
    #[must_use]
    pub fn request<'t>(&self, input: &'t Message) -> Request<'t> {
        Request { input, root: self.root.clone(), json_depth: self.json_depth }
    }

    /// [`Request::encode`] for one of the messages that share these texts; `input` is its type.
    ///
    /// # Errors
    /// The body is invalid, or conflicts with the bound texts.
    pub fn encode(&self, input: &Message, body: Option<Body<'_>>) -> Result<Vec<u8>, RequestError> {
        encode(input, &self.root, body, self.json_depth)
    }
}

fn encode(
    input: &Message,
    root: &BoundFields,
    body: Option<Body<'_>>,
    json_depth: usize,
) -> Result<Vec<u8>, RequestError> {
    match body {
        Some(body) => encoder::encode(input, root, body, json_depth),
        None => {
            let mut out = Vec::with_capacity(ROOM);
            put_node(&mut out, input.tables(), input.id(), root);
            Ok(out)
        }
    }
}

fn encode_value(path: &FieldPath, value: &Value<'_>, json_depth: usize) -> Result<Vec<u8>, FieldProblem> {
    let leaf = path.leaf();
    let field = leaf.table();
    // Counts the message of the first field, and the last field if it is a message. A query parameter may name a path
    // of any length.
    if path.fields().len() + usize::from(field.kind.message().is_some()) > DEPTH_LIMIT {
        return Err(FieldProblem::Depth);
    }
    if let Value::Json(text) = value {
        return inline::encode(path, text, json_depth);
    }
    let mut wire = Vec::new();
    value.put(&mut wire, leaf.tables(), path, (field, Write::of(field.shape)))?;
    Ok(wire)
}

/// Whether an entry of a map has this key; both are in wire format.
fn has_entry(field: &FieldTable, entries: &[u8], key: &[u8]) -> bool {
    let mut reader = wire::Reader::new(entries);
    std::iter::from_fn(|| reader.tag_of(field.number).and_then(|_| reader.bytes().ok()))
        .any(|entry| entry.starts_with(key))
}

/// Makes a message field of `inside`, its encoded content, without copying it.
fn around_message(field: &FieldTable, mut inside: Vec<u8>) -> Vec<u8> {
    let mut before = Vec::new();
    field.tag.put(&mut before);
    if matches!(field.kind, Kind::Group(_)) {
        inside.splice(0..0, before);
        wire::put_tag(&mut inside, field.number, wire::END_GROUP);
    } else {
        wire::put_varint(&mut before, inside.len() as u64);
        inside.splice(0..0, before);
        field.put_end(&mut inside);
    }
    inside
}
