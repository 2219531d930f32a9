//! A request message in the making: texts bound to fields, then a body around them.
//!
//! The texts stand in a tree of fields. A body is read along that tree: where it comes to a bound field it must say the
//! same, and where an object ends, what the tree has and the object had not is written into it.

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

/// Texts are mostly short, and make messages of this size at most, in bytes.
const ROOM: usize = 128;

/// A request message in the making.
#[derive(Debug)]
pub struct Request<'t> {
    input: &'t Message,
    root: BoundFields,
    json_depth: usize,
}

/// The texts that are bound in a [`Request`], for messages that all have them.
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

    /// With a JSON body, and JSON texts, that are nested no deeper than this.
    #[must_use]
    pub fn with_json_depth(self, json_depth: usize) -> Self {
        Self { json_depth, ..self }
    }

    /// Binds the field to one value; a list gets one more element.
    ///
    /// # Errors
    /// The value is none of the field, or a sibling in its oneof is bound.
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

    /// Binds one more entry of the map to a value.
    ///
    /// # Errors
    /// Key or value are none of the map's, or the map has the key.
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
        // To other readers an entry is a message, and its value may be one.
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

    /// Whether the field, a message, is bound to nothing. A text that leaves it empty is nothing.
    ///
    /// # Errors
    /// A sibling in a oneof on the way is bound.
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

    /// Binds the field, a message that it [lacks](Self::lacks_message), to this value in wire format.
    ///
    /// # Errors
    /// A sibling in its oneof is bound.
    pub fn set_message(&mut self, path: &FieldPath, value: Vec<u8>) -> Result<(), FieldProblem> {
        let (tables, leaf) = (self.input.tables(), path.leaf());
        let wire = around_message(leaf.table(), value);
        let node = self.parent(path)?;
        let filled = BoundText { wire, origin: Origin::Query, path: path.clone() };
        node.bind(tables.message(leaf.owner()), leaf.index(), filled)
    }

    /// The message that the last field of the path is in.
    fn parent(&mut self, path: &FieldPath) -> Result<&mut BoundFields, FieldProblem> {
        let tables = self.input.tables();
        let (_, parents) = path.fields().split_last().expect("a path is not empty");
        parents.iter().try_fold(&mut self.root, |node, field| node.child(tables.message(field.owner()), field.index()))
    }

    /// Whether the field is bound to this value.
    ///
    /// # Errors
    /// The value is none of the field.
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

    /// The message in wire format, its fields once each; `body` is read into it.
    ///
    /// # Errors
    /// What is wrong with the body, by itself or beside the bound texts.
    pub fn encode(&self, body: Option<Body<'_>>) -> Result<Vec<u8>, RequestError> {
        encode(self.input, &self.root, body, self.json_depth)
    }

    /// What is bound, apart from the type.
    #[must_use]
    pub fn into_texts(self) -> Texts {
        Texts { root: self.root, json_depth: self.json_depth }
    }
}

impl Texts {
    /// A request with these texts, to bind more in.
    #[must_use]
    pub fn request<'t>(&self, input: &'t Message) -> Request<'t> {
        Request { input, root: self.root.clone(), json_depth: self.json_depth }
    }

    /// [`Request::encode`] for one of the messages, which are of type `input`.
    ///
    /// # Errors
    /// What is wrong with the body, by itself or beside the bound texts.
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
    // The message of the first field is one, and the leaf may be one: a key of a query may be as long as it likes.
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

/// Whether one of the entries of a map has this key, both in wire format.
fn has_entry(field: &FieldTable, entries: &[u8], key: &[u8]) -> bool {
    let mut reader = wire::Reader::new(entries);
    std::iter::from_fn(|| reader.tag_of(field.number).and_then(|_| reader.bytes().ok()))
        .any(|entry| entry.starts_with(key))
}

/// A message field whose inside is this, without a copy of it.
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
