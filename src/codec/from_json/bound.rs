//! The texts bound to fields of a message, as a tree of its fields.

use super::error::Origin;
use crate::codec::problem::FieldProblem;
use crate::format::wire;
use crate::schema::{FieldPath, FieldTable, Kind, MessageId, MessageTable, Shape, Tables};

/// The bound fields of one message, in the order in which they were bound.
#[derive(Debug, Default, Clone)]
pub(super) struct BoundFields {
    pub(super) fields: Vec<BoundField>,
}

#[derive(Debug, Clone)]
pub(super) struct BoundField {
    /// Index of the field in its message.
    pub(super) index: usize,
    pub(super) what: BoundValue,
}

#[derive(Debug, Clone)]
pub(super) enum BoundValue {
    /// Bound fields inside a message field.
    Message(BoundFields),
    /// A value in wire format with its tag; for a packed list, the values without a tag.
    Text(BoundText),
}

#[derive(Debug, Clone)]
pub(super) struct BoundText {
    pub(super) wire: Vec<u8>,
    pub(super) origin: Origin,
    /// Path of the field.
    pub(super) path: FieldPath,
}

impl BoundText {
    /// Whether the body, which wrote `written` for the field, has the same value.
    pub(super) fn is_written_as(&self, field: &FieldTable, written: &[u8]) -> bool {
        if field.shape != Shape::Packed {
            return written == self.wire;
        }
        let mut reader = wire::Reader::new(written);
        reader.tag() == Ok((field.number, wire::LENGTH)) && reader.bytes() == Ok(&*self.wire) && reader.is_empty()
    }
}

impl BoundFields {
    pub(super) fn find(&self, index: usize) -> Option<&BoundField> {
        self.fields.iter().find(|bound| bound.index == index)
    }

    pub(super) fn child(&mut self, table: &MessageTable, index: usize) -> Result<&mut Self, FieldProblem> {
        let place = match self.place(index) {
            Some(place) => place,
            None => self.put(table, index, BoundValue::Message(Self::default()))?,
        };
        match &mut self.fields[place].what {
            BoundValue::Message(node) => Ok(node),
            BoundValue::Text(_) => Err(FieldProblem::Twice),
        }
    }

    pub(super) fn bind(&mut self, table: &MessageTable, index: usize, leaf: BoundText) -> Result<(), FieldProblem> {
        match self.place(index) {
            None => self.put(table, index, BoundValue::Text(leaf)).map(drop),
            Some(place) => match &mut self.fields[place].what {
                BoundValue::Text(list) if table.fields[index].is_repeated() => {
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

    /// Adds a field that is not bound yet, unless its oneof forbids it; returns its index.
    fn put(&mut self, table: &MessageTable, index: usize, what: BoundValue) -> Result<usize, FieldProblem> {
        let oneof = table.fields[index].oneof;
        let sibling = self.fields.iter().find(|bound| oneof.is_some() && table.fields[bound.index].oneof == oneof);
        if let Some(sibling) = sibling {
            return Err(sibling_problem(table, sibling.index));
        }
        self.fields.push(BoundField { index, what });
        Ok(self.fields.len() - 1)
    }

    /// The first bound text at any depth.
    pub(super) fn first_leaf(&self) -> Option<&BoundText> {
        self.fields.iter().find_map(|bound| match &bound.what {
            BoundValue::Text(leaf) => Some(leaf),
            BoundValue::Message(node) => node.first_leaf(),
        })
    }
}

/// The problem that `other`, a field of the same oneof, is already set.
pub(super) fn sibling_problem(table: &MessageTable, other: usize) -> FieldProblem {
    let other = &table.fields[other];
    let oneof = other.oneof.and_then(|oneof| table.oneofs.get(usize::from(oneof)));
    FieldProblem::Oneof {
        other: other.json_name.to_string(),
        oneof: oneof.map(ToString::to_string).unwrap_or_default(),
    }
}

/// The bound text, or the first one inside a message.
pub(super) fn leaf_of(bound: &BoundField) -> &BoundText {
    match &bound.what {
        BoundValue::Text(leaf) => leaf,
        BoundValue::Message(node) => node.first_leaf().expect("a node is made for a leaf in it"),
    }
}

impl BoundValue {
    pub(super) fn as_leaf(bound: &BoundField) -> Option<&BoundText> {
        match &bound.what {
            Self::Text(leaf) => Some(leaf),
            Self::Message(_) => None,
        }
    }
}

/// Appends everything that is bound in a message.
pub(super) fn put_node(out: &mut Vec<u8>, tables: &Tables, id: MessageId, node: &BoundFields) {
    for bound in &node.fields {
        put_bound(out, tables, &tables.message(id).fields[bound.index], bound);
    }
}

/// Appends one bound field.
pub(super) fn put_bound(out: &mut Vec<u8>, tables: &Tables, field: &FieldTable, bound: &BoundField) {
    match &bound.what {
        BoundValue::Text(leaf) if field.shape == Shape::Packed => {
            wire::put_tag(out, field.number, wire::LENGTH);
            wire::put_bytes(out, &leaf.wire);
        }
        BoundValue::Text(leaf) => out.extend_from_slice(&leaf.wire),
        BoundValue::Message(node) => put_message(out, field, |out, id| put_node(out, tables, id, node)),
    }
}

/// Appends a message field whose content `inside` writes.
pub(super) fn put_message<T>(
    out: &mut Vec<u8>,
    field: &FieldTable,
    inside: impl FnOnce(&mut Vec<u8>, MessageId) -> T,
) -> T {
    let id = field.kind.message().expect("only a message has an inside");
    field.tag.put(out);
    if matches!(field.kind, Kind::Group(_)) {
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
