//! A request message in the making: texts bound to fields, then a body around them.
//!
//! The texts stand in a tree of fields. A body is read along that tree: where it comes to a bound field it must say the
//! same, and where an object ends, what the tree has and the object had not is written into it.

use super::{Body, Value, inline};
use crate::codec::scalar::{self, Write};
use crate::codec::{BodyError, DEPTH_LIMIT, FieldProblem, wrong_key};
use crate::format::json;
use crate::format::wire;
use crate::schema::{FieldPath, FieldTable, Message, MessageId, MessageTable, Shape, Tables};

/// Where a text came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The path: the body may repeat the value.
    Path,
    /// The query.
    Query,
}

/// Why texts and body do not make a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// The body is no message.
    Body(BodyError),
    /// The body has another value for a field that a text is bound to.
    Conflict {
        /// The field, dotted.
        field: String,
        /// Where the text came from.
        origin: Origin,
    },
    /// The body has another member of a oneof that a text is bound to.
    Bound {
        /// The field, dotted.
        field: String,
        /// Where the text came from.
        origin: Origin,
        /// What is wrong.
        problem: FieldProblem,
    },
}

/// Texts are mostly short, and make messages of this size at most, in bytes.
const ROOM: usize = 128;

/// A request message in the making.
#[derive(Debug)]
pub struct Request<'t> {
    input: &'t Message,
    pub(super) root: Node,
    json_depth: usize,
}

/// The texts that are bound in a [`Request`], for messages that all have them.
#[derive(Debug, Clone)]
pub struct Texts {
    root: Node,
    json_depth: usize,
}

/// The bound fields of one message, in the order of their binding.
#[derive(Debug, Default, Clone)]
pub(super) struct Node {
    pub(super) fields: Vec<Bound>,
}

#[derive(Debug, Clone)]
pub(super) struct Bound {
    /// The field's place in its message.
    pub(super) index: usize,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// Fields in a message.
    Message(Node),
    /// A value in wire format, with its tag; of a packed list the values alone.
    Leaf(Leaf),
}

#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) wire: Vec<u8>,
    pub(super) origin: Origin,
    /// The field, dotted.
    pub(super) path: FieldPath,
}

impl Leaf {
    /// Whether the body, which wrote this for the field, says the same.
    pub(super) fn is_written_as(&self, field: &FieldTable, written: &[u8]) -> bool {
        if field.shape != Shape::Packed {
            return written == self.wire;
        }
        let mut reader = wire::Reader::new(written);
        reader.tag() == Ok((field.number, wire::LENGTH)) && reader.bytes() == Ok(&*self.wire) && reader.is_empty()
    }
}

impl<'t> Request<'t> {
    /// An empty message of this type.
    #[must_use]
    pub fn new(input: &'t Message) -> Self {
        Self { input, root: Node::default(), json_depth: json::DEPTH_LIMIT }
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
        node.bind(tables.message(leaf.owner()), leaf.index(), Leaf { wire, origin, path: path.clone() })
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
        if let Some(Bound { what: What::Leaf(bound), .. }) = node.find(leaf.index())
            && has_entry(field, &bound.wire, &key)
        {
            return Err(FieldProblem::Twice);
        }
        node.bind(tables.message(leaf.owner()), leaf.index(), Leaf { wire, origin, path: path.clone() })
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
        node.fields
            .retain(|bound| bound.index != index || !matches!(&bound.what, What::Leaf(leaf) if leaf.wire == empty));
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
        let filled = Leaf { wire, origin: Origin::Query, path: path.clone() };
        node.bind(tables.message(leaf.owner()), leaf.index(), filled)
    }

    /// The message that the last field of the path is in.
    fn parent(&mut self, path: &FieldPath) -> Result<&mut Node, FieldProblem> {
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
            What::Message(node) => Some(node),
            What::Leaf(_) => None,
        });
        let bound = node.and_then(|node| node.find(leaf.index()));
        Ok(matches!(bound, Some(Bound { what: What::Leaf(leaf), .. }) if leaf.wire == wire))
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

fn encode(input: &Message, root: &Node, body: Option<Body<'_>>, json_depth: usize) -> Result<Vec<u8>, RequestError> {
    match body {
        Some(body) => super::encode(input, root, body, json_depth),
        None => {
            let mut out = Vec::with_capacity(ROOM);
            put_node(&mut out, input.tables(), input.id(), root);
            Ok(out)
        }
    }
}

impl Node {
    pub(super) fn find(&self, index: usize) -> Option<&Bound> {
        self.fields.iter().find(|bound| bound.index == index)
    }

    fn child(&mut self, table: &MessageTable, index: usize) -> Result<&mut Self, FieldProblem> {
        let place = match self.place(index) {
            Some(place) => place,
            None => self.put(table, index, What::Message(Self::default()))?,
        };
        match &mut self.fields[place].what {
            What::Message(node) => Ok(node),
            What::Leaf(_) => Err(FieldProblem::Twice),
        }
    }

    fn bind(&mut self, table: &MessageTable, index: usize, leaf: Leaf) -> Result<(), FieldProblem> {
        match self.place(index) {
            None => self.put(table, index, What::Leaf(leaf)).map(drop),
            Some(place) => match &mut self.fields[place].what {
                What::Leaf(list) if table.fields[index].is_repeated() => {
                    list.wire.extend_from_slice(&leaf.wire);
                    Ok(())
                }
                _ => Err(FieldProblem::Twice),
            },
        }
    }

    fn place(&self, index: usize) -> Option<usize> {
        self.fields.iter().position(|bound| bound.index == index)
    }

    /// Puts in a field that is not there, if its oneof allows it; gives its place.
    fn put(&mut self, table: &MessageTable, index: usize, what: What) -> Result<usize, FieldProblem> {
        let oneof = table.fields[index].oneof;
        let sibling = self.fields.iter().find(|bound| oneof.is_some() && table.fields[bound.index].oneof == oneof);
        if let Some(sibling) = sibling {
            return Err(sibling_problem(table, sibling.index));
        }
        self.fields.push(Bound { index, what });
        Ok(self.fields.len() - 1)
    }

    /// The first leaf below.
    pub(super) fn first_leaf(&self) -> Option<&Leaf> {
        self.fields.iter().find_map(|bound| match &bound.what {
            What::Leaf(leaf) => Some(leaf),
            What::Message(node) => node.first_leaf(),
        })
    }
}

/// The problem that `other` is given already, a member of the same oneof.
pub(super) fn sibling_problem(table: &MessageTable, other: usize) -> FieldProblem {
    let other = &table.fields[other];
    let oneof = other.oneof.and_then(|oneof| table.oneofs.get(usize::from(oneof)));
    FieldProblem::Oneof {
        other: other.json_name.to_string(),
        oneof: oneof.map(ToString::to_string).unwrap_or_default(),
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

/// Writes all that is bound in a message.
pub(super) fn put_node(out: &mut Vec<u8>, tables: &Tables, id: MessageId, node: &Node) {
    for bound in &node.fields {
        put_bound(out, tables, &tables.message(id).fields[bound.index], bound);
    }
}

/// Writes one bound field.
pub(super) fn put_bound(out: &mut Vec<u8>, tables: &Tables, field: &FieldTable, bound: &Bound) {
    match &bound.what {
        What::Leaf(leaf) if field.shape == Shape::Packed => {
            wire::put_tag(out, field.number, wire::LENGTH);
            wire::put_bytes(out, &leaf.wire);
        }
        What::Leaf(leaf) => out.extend_from_slice(&leaf.wire),
        What::Message(node) => put_message(out, field, |out, id| put_node(out, tables, id, node)),
    }
}

/// Writes a message field, its inside by `inside`.
pub(super) fn put_message<T>(
    out: &mut Vec<u8>,
    field: &FieldTable,
    inside: impl FnOnce(&mut Vec<u8>, MessageId) -> T,
) -> T {
    let id = field.kind.message().expect("only a message has an inside");
    field.tag.put(out);
    if matches!(field.kind, crate::schema::Kind::Group(_)) {
        let result = inside(out, id);
        wire::put_tag(out, field.number, wire::END_GROUP);
        return result;
    }
    let start = wire::open(out);
    let result = inside(out, id);
    wire::close(out, start);
    field.put_end(out);
    result
}

/// A message field whose inside is this, without a copy of it.
fn around_message(field: &FieldTable, mut inside: Vec<u8>) -> Vec<u8> {
    let mut before = Vec::new();
    field.tag.put(&mut before);
    if matches!(field.kind, crate::schema::Kind::Group(_)) {
        inside.splice(0..0, before);
        wire::put_tag(&mut inside, field.number, wire::END_GROUP);
    } else {
        wire::put_varint(&mut before, inside.len() as u64);
        inside.splice(0..0, before);
        field.put_end(&mut inside);
    }
    inside
}
