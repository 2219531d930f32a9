//! Makes CEL values of wire format.
//!
//! A message keeps whether a field is set, which `has` tells, and gives the default of a field that is not.

use std::any::Any;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use cel::ExecutionError;
use cel::common::traits::Indexer;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt, Type,
};
use cel::common::value::{CowVal, StaticVal, Val};

use super::times::{Duration, Timestamp, nanos};
use crate::codec::depth::DEPTH_LIMIT;
use crate::codec::time::Span;
use crate::codec::validate::raw::{Raw, default, float, integer, is_zero, next_bytes, only_field, raw};
use crate::format::wire::{LENGTH, Reader, WireError};
use crate::schema::{FieldTable, Kind, Message, MessageId, Shape, WellKnown};

/// A CEL value that borrows nothing.
pub(crate) type Boxed = Box<dyn Val>;

/// Makes values of the message types of one schema.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    /// Any message type: it leads to all others.
    types: Message,
}

/// A message.
#[derive(Clone)]
pub(crate) struct MessageValue(Arc<Fields>);

struct Fields {
    message: Message,
    /// By the index of the field; `None` if it is not set.
    values: Vec<Option<Boxed>>,
    encoded_size: usize,
}

impl Values {
    pub(crate) fn new(types: Message) -> Self {
        Self { types }
    }

    /// A message.
    pub(crate) fn message(&self, id: MessageId, wire: &[u8], depth: usize) -> Result<MessageValue, WireError> {
        if depth > DEPTH_LIMIT {
            return Err(WireError::Depth);
        }
        let message = self.types.sibling(id);
        let table = message.table();
        let mut slots: Vec<Slot<'_>> = Vec::new();
        slots.resize_with(table.fields.len(), Slot::default);
        let mut reader = Reader::new(wire);
        while !reader.is_empty() {
            let (number, wire_type) = reader.tag()?;
            let Some(index) = table.by_number(number) else {
                reader.skip(number, wire_type)?;
                continue;
            };
            let field = &table.fields[index];
            let own = if field.shape == Shape::Map { LENGTH } else { field.kind.wire_type() };
            if wire_type == LENGTH && own != LENGTH && field.is_repeated() {
                let mut packed = Reader::new(reader.bytes()?);
                while !packed.is_empty() {
                    let value = raw(&mut packed, 0, own)?;
                    slots[index].items().push(self.value(field.kind, value, depth)?);
                }
                continue;
            }
            if wire_type != own {
                reader.skip(number, wire_type)?;
                continue;
            }
            let value = raw(&mut reader, number, wire_type)?;
            match field.shape {
                Shape::Repeated | Shape::Packed => slots[index].items().push(self.value(field.kind, value, depth)?),
                Shape::Map => self.entry(field, value, slots[index].entries(), depth)?,
                Shape::Implicit | Shape::Explicit | Shape::Required => {
                    if let Some(oneof) = field.oneof {
                        let others = table.fields.iter().enumerate();
                        let others = others.filter(|(other, field)| field.oneof == Some(oneof) && *other != index);
                        others.for_each(|(other, _)| slots[other] = Slot::Unset);
                    }
                    slots[index].take(value, field.kind);
                }
            }
        }
        let values = table.fields.iter().zip(slots).map(|(field, slot)| self.finished(field, slot, depth));
        let values = values.collect::<Result<_, _>>()?;
        Ok(MessageValue(Arc::new(Fields { message: message.clone(), values, encoded_size: wire.len() })))
    }

    fn finished(&self, field: &FieldTable, slot: Slot<'_>, depth: usize) -> Result<Option<Boxed>, WireError> {
        let raw = match &slot {
            Slot::Unset => return Ok(None),
            Slot::Number(bits) => Raw::Number(*bits),
            Slot::Bytes(bytes) => Raw::Bytes(bytes),
            Slot::Items(_) | Slot::Entries(_) => {
                return Ok(match slot {
                    Slot::Items(items) => Some(Box::new(CelList::from(items)) as Boxed),
                    Slot::Entries(entries) => Some(Box::new(CelMap::from(entries)) as Boxed),
                    _ => None,
                });
            }
        };
        if field.shape == Shape::Implicit && is_zero(field.kind, raw) {
            return Ok(None);
        }
        self.value(field.kind, raw, depth).map(Some)
    }

    fn entry(
        &self,
        field: &FieldTable,
        entry: Raw<'_>,
        entries: &mut HashMap<CelMapKey<'static>, Boxed>,
        depth: usize,
    ) -> Result<(), WireError> {
        let (Raw::Bytes(entry), Some(id)) = (entry, field.kind.message()) else { return Ok(()) };
        let [key_kind, value_kind] = kinds(self.types.sibling(id).table());
        let (mut key, mut value) = (None, Slot::Unset);
        let mut reader = Reader::new(entry);
        while !reader.is_empty() {
            match reader.tag()? {
                (1, wire_type) if wire_type == key_kind.wire_type() => key = Some(raw(&mut reader, 1, wire_type)?),
                (2, wire_type) if wire_type == value_kind.wire_type() => {
                    value.take(raw(&mut reader, 2, wire_type)?, value_kind);
                }
                (number, wire_type) => reader.skip(number, wire_type)?,
            }
        }
        let key = map_key(key_kind, key.unwrap_or_else(|| default(key_kind)));
        let value = match &value {
            Slot::Number(bits) => self.value(value_kind, Raw::Number(*bits), depth)?,
            Slot::Bytes(bytes) => self.value(value_kind, Raw::Bytes(bytes), depth)?,
            _ => self.value(value_kind, default(value_kind), depth)?,
        };
        entries.insert(key, value);
        Ok(())
    }

    /// One value of a field.
    pub(crate) fn value(&self, kind: Kind, raw: Raw<'_>, depth: usize) -> Result<Boxed, WireError> {
        Ok(match (kind, raw) {
            (Kind::Bool, Raw::Number(bits)) => Box::new(CelBool::from(bits != 0)),
            (Kind::Float | Kind::Double, Raw::Number(bits)) => Box::new(CelDouble::from(float(kind, bits))),
            (Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64, Raw::Number(bits)) => {
                Box::new(CelUInt::from(integer(kind, bits) as u64))
            }
            (_, Raw::Number(bits)) => Box::new(CelInt::from(integer(kind, bits) as i64)),
            (Kind::String, Raw::Bytes(bytes)) => Box::new(CelString::from(String::from_utf8_lossy(bytes).into_owned())),
            (Kind::Message(id) | Kind::Group(id), Raw::Bytes(bytes)) => self.message_or_known(id, bytes, depth + 1)?,
            (_, Raw::Bytes(bytes)) => Box::new(CelBytes::from(bytes.to_vec())),
        })
    }

    /// A message, or the value that CEL has for its type.
    fn message_or_known(&self, id: MessageId, wire: &[u8], depth: usize) -> Result<Boxed, WireError> {
        let message = self.types.sibling(id);
        Ok(match message.table().known {
            WellKnown::Timestamp => Box::new(Timestamp(nanos(Span::read(wire)?))),
            WellKnown::Duration => Box::new(Duration(nanos(Span::read(wire)?))),
            WellKnown::Wrapper => {
                let kind = message.table().fields.first().map_or(Kind::Bytes, |field| field.kind);
                let inner = only_field(wire, kind)?.unwrap_or_else(|| default(kind));
                self.value(kind, inner, depth)?
            }
            WellKnown::Struct | WellKnown::ListValue => {
                let value = self.message(id, wire, depth)?;
                value.field(0).map_or_else(|| self.unset(&message.table().fields[0]), |only| only.clone_as_boxed())
            }
            WellKnown::Value => {
                let value = self.message(id, wire, depth)?;
                let set = message.table().fields.iter().zip(&value.0.values).find_map(|(field, value)| {
                    // `NullValue` is the only enum of the type.
                    let value = value.as_ref().filter(|_| field.kind.enumeration().is_none())?;
                    Some(match value.downcast_ref::<CelInt>() {
                        Some(number) => Box::new(CelDouble::from(*number.inner() as f64)),
                        None => value.clone_as_boxed(),
                    })
                });
                set.unwrap_or_else(|| Box::new(CelNull))
            }
            WellKnown::No | WellKnown::Any | WellKnown::FieldMask => Box::new(self.message(id, wire, depth)?),
        })
    }

    /// The value of a field that is not set.
    fn unset(&self, field: &FieldTable) -> Boxed {
        match field.shape {
            Shape::Repeated | Shape::Packed => Box::new(CelList::from(Vec::new())),
            Shape::Map => Box::new(CelMap::from(HashMap::new())),
            Shape::Implicit | Shape::Explicit | Shape::Required => {
                let known = field.kind.message().map(|id| self.types.sibling(id).table().known);
                if matches!(known, Some(WellKnown::Wrapper | WellKnown::Value)) {
                    return Box::new(CelNull);
                }
                // An empty message is never malformed.
                self.value(field.kind, default(field.kind), 0).unwrap_or_else(|_| Box::new(CelNull))
            }
        }
    }
}

impl MessageValue {
    /// The value of a field by its index, if it is set.
    fn field(&self, index: usize) -> Option<&Boxed> {
        self.0.values.get(index)?.as_ref()
    }

    /// The value of a field by its number, or its default.
    pub(crate) fn by_number(&self, number: u32) -> Boxed {
        let index = self.0.message.table().by_number(number);
        index.map_or_else(|| Box::new(CelNull) as Boxed, |index| self.field_or_default(index))
    }

    /// The value of a field by its index, or its default.
    fn field_or_default(&self, index: usize) -> Boxed {
        match self.field(index) {
            Some(value) => value.clone_as_boxed(),
            None => Values::new(self.0.message.clone()).unset(&self.0.message.table().fields[index]),
        }
    }

    /// Whether a field is set; `None` if there is no such field.
    pub(super) fn has(&self, name: &str) -> Option<bool> {
        Some(self.0.values[self.0.message.table().by_name(name)?].is_some())
    }

    pub(super) fn encoded_size(&self) -> usize {
        self.0.encoded_size
    }
}

/// The types of key and value of the entries of a map.
pub(super) fn kinds(entry: &crate::schema::MessageTable) -> [Kind; 2] {
    [1, 2].map(|number| entry.by_number(number).map_or(Kind::String, |index| entry.fields[index].kind))
}

fn map_key(kind: Kind, raw: Raw<'_>) -> CelMapKey<'static> {
    match raw {
        Raw::Bytes(bytes) => CelMapKey::String(CelString::from(String::from_utf8_lossy(bytes).into_owned())),
        Raw::Number(bits) => match kind {
            Kind::Bool => CelMapKey::Bool(CelBool::from(bits != 0)),
            Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => {
                CelMapKey::UInt(CelUInt::from(integer(kind, bits) as u64))
            }
            _ => CelMapKey::Int(CelInt::from(integer(kind, bits) as i64)),
        },
    }
}

/// The value of a field so far.
#[derive(Default)]
enum Slot<'m> {
    #[default]
    Unset,
    Number(u64),
    Bytes(Cow<'m, [u8]>),
    Items(Vec<Boxed>),
    Entries(HashMap<CelMapKey<'static>, Boxed>),
}

impl<'m> Slot<'m> {
    /// Takes the next value of the field.
    fn take(&mut self, raw: Raw<'m>, kind: Kind) {
        *self = match (raw, std::mem::take(self)) {
            (Raw::Number(bits), _) => Slot::Number(bits),
            (Raw::Bytes(bytes), Slot::Bytes(before)) => Slot::Bytes(next_bytes(before, bytes, kind)),
            (Raw::Bytes(bytes), _) => Slot::Bytes(Cow::Borrowed(bytes)),
        }
    }

    fn items(&mut self) -> &mut Vec<Boxed> {
        if !matches!(self, Self::Items(_)) {
            *self = Self::Items(Vec::new());
        }
        match self {
            Self::Items(items) => items,
            _ => unreachable!("it was made a list above"),
        }
    }

    fn entries(&mut self) -> &mut HashMap<CelMapKey<'static>, Boxed> {
        if !matches!(self, Self::Entries(_)) {
            *self = Self::Entries(HashMap::new());
        }
        match self {
            Self::Entries(entries) => entries,
            _ => unreachable!("it was made a map above"),
        }
    }
}

impl fmt::Debug for MessageValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message.name())
    }
}

impl Val for MessageValue {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }

    fn cel_type() -> &'static Type {
        static TYPE: Type = Type::new_unspecified_type("message");
        &TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        let Some(Self(other)) = other.downcast_ref::<Self>() else { return false };
        let same = |(one, other): (&Option<Boxed>, &Option<Boxed>)| match (one, other) {
            (Some(one), Some(other)) => one.equals(&**other),
            (None, None) => true,
            _ => false,
        };
        self.0.message == other.message && self.0.values.iter().zip(&other.values).all(same)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for MessageValue {}

impl Indexer for MessageValue {
    fn get<'b, 'v>(&'b self, name: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = name.downcast_ref::<CelString>().map(CelString::inner);
        let index = name.and_then(|name| self.0.message.table().by_name(name));
        let index = index.ok_or_else(|| ExecutionError::no_such_key("field"))?;
        Ok(match self.field(index) {
            Some(value) => CowVal::Borrowed(&**value),
            None => CowVal::Owned(self.field_or_default(index)),
        })
    }

    fn steal<'v>(self: Box<Self>, name: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(name).map(CowVal::into_owned)
    }
}
