//! Flat tables of messages, fields and enums, which the codec uses. After the start, descriptors are not needed any
//! more.

use std::collections::{HashMap, HashSet};

use crate::format::block::{self, Padded};
use crate::format::names::Names;
use crate::format::wire;

/// A message type: its index in [`Tables`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageId(pub(super) u32);

/// An enum type: its index in [`Tables`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnumId(pub(super) u32);

/// All messages and enums.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    pub(super) messages: Vec<MessageTable>,
    pub(super) enums: Vec<EnumTable>,
    pub(super) names: HashMap<String, MessageId>,
    /// Messages in which JSON cannot tell two fields apart, and messages that contain one of them.
    pub(super) unclear: HashSet<MessageId>,
}

/// A message type.
#[derive(Debug, Clone)]
pub struct MessageTable {
    /// The full name: `package.Message`.
    pub name: Box<str>,
    /// Its special JSON form, if it has one.
    pub known: WellKnown,
    /// Its fields and extensions, ordered by number.
    pub fields: Box<[FieldTable]>,
    pub oneofs: Box<[Box<str>]>,
    /// Whether any field is required (proto2).
    pub has_required: bool,
    /// `message_set_wire_format`: extensions are encoded as groups of a type id and a message.
    pub message_set: bool,
    /// For small field numbers: the index of the field plus one, or 0.
    pub(super) dense: Box<[u16]>,
    /// The index of each field, by every spelling of its name.
    pub(super) by_name: Names<u16>,
    /// The index of each field, by its name in lower case. Empty unless names are accepted in any case.
    pub(super) any_case: Names<u16>,
}

/// Messages to which ProtoJSON gives a special JSON form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WellKnown {
    /// No special form: an object with one member per field.
    No,
    /// `{"@type": ..., ...}`
    Any,
    /// A string such as `2026-01-31T11:00:00Z` (RFC 3339).
    Timestamp,
    /// A string such as `1.5s`.
    Duration,
    /// A string such as `a,b.c`.
    FieldMask,
    /// An object with any members.
    Struct,
    /// Any JSON value.
    Value,
    /// An array with any elements.
    ListValue,
    /// The JSON form of its only field.
    Wrapper,
}

/// A field or an extension.
#[derive(Debug, Clone)]
pub struct FieldTable {
    pub number: u32,
    /// The name in the proto file; for an extension, `[package.name]`.
    pub name: Box<str>,
    pub json_name: Box<str>,
    /// `"jsonName":` with JSON escapes.
    pub json_key: Padded,
    /// `"proto_name":` with JSON escapes.
    pub proto_key: Padded,
    /// The tag before each of its values if it is not packed; for a MessageSet item, everything before the length.
    pub tag: Tag,
    /// Whether it is an extension of a MessageSet, which is encoded as an item.
    pub is_item: bool,
    /// The type of one value.
    pub kind: Kind,
    /// How many values the field has, and how they are encoded.
    pub shape: Shape,
    /// Index of its oneof in [`MessageTable::oneofs`].
    pub oneof: Option<u16>,
    /// Whether its value must not be shown.
    pub redacted: bool,
    /// See [`FieldTable::is_lone_string`].
    pub(super) lone_string: bool,
}

/// The bytes before each value of a field.
#[derive(Debug, Clone, Copy)]
pub struct Tag {
    /// Large enough for a field number and a wire type. A MessageSet item has two bytes more; its length follows.
    bytes: [u8; 8],
    length: u8,
}

/// The type of one value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of descriptor.proto")]
pub enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum(EnumId),
    /// A message, length-prefixed.
    Message(MessageId),
    /// A message delimited by tags.
    Group(MessageId),
}

/// How many values a field has, and how they are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One value without presence: the default value means that it is not set.
    Implicit,
    /// One value with presence: it is set or not.
    Explicit,
    /// One value that must be set (proto2).
    Required,
    /// A list in which each value has a tag.
    Repeated,
    /// A list packed into one length-delimited value.
    Packed,
    /// A map; [`FieldTable::kind`] is the type of its entries, whose fields 1 and 2 are key and value.
    Map,
}

/// An enum type.
#[derive(Debug, Clone)]
pub struct EnumTable {
    /// The full name: `package.Enum`.
    pub name: Box<str>,
    /// Whether numbers without a name are not valid values.
    pub closed: bool,
    /// Whether it is `google.protobuf.NullValue`, which is `null` in JSON.
    pub is_null: bool,
    /// The name of each number in quotes, ordered by number. If a number has several names, this is the first.
    pub(super) by_number: Box<[(i32, Padded)]>,
    pub(super) by_name: Names<i32>,
    /// The number of each name in lower case. Empty unless names are accepted in any case.
    pub(super) any_case: Names<i32>,
}

impl Tables {
    #[must_use]
    #[inline]
    pub fn message(&self, id: MessageId) -> &MessageTable {
        &self.messages[id.0 as usize]
    }

    #[must_use]
    #[inline]
    pub fn enumeration(&self, id: EnumId) -> &EnumTable {
        &self.enums[id.0 as usize]
    }

    /// The message with this full name, if JSON can tell its fields apart.
    #[must_use]
    pub fn find(&self, full_name: &str) -> Option<MessageId> {
        self.declared(full_name).filter(|id| !self.unclear.contains(id))
    }

    /// The message with this full name, even if JSON cannot tell its fields apart.
    pub(super) fn declared(&self, full_name: &str) -> Option<MessageId> {
        self.names.get(full_name).copied()
    }
}

impl MessageTable {
    /// The index of the field with this number.
    #[must_use]
    #[inline]
    pub fn by_number(&self, number: u32) -> Option<usize> {
        match self.dense.get(number as usize) {
            Some(index) => usize::from(*index).checked_sub(1),
            None => self.fields.binary_search_by_key(&number, |field| field.number).ok(),
        }
    }

    /// The index of the field with this name, as spelled in the proto file or in JSON, and in any case if that is
    /// configured.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<usize> {
        let index = self.by_name.get(name).copied().or_else(|| in_any_case(&self.any_case, name));
        index.map(usize::from)
    }

    /// The index of the field with exactly this name.
    pub(super) fn by_exact_name(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).map(|&index| usize::from(index))
    }
}

impl Tag {
    /// Encodes a field number and a wire type.
    pub(super) fn new(number: u32, wire_type: u8) -> Self {
        let mut written = Vec::with_capacity(5);
        wire::put_tag(&mut written, number, wire_type);
        Self::of(&written)
    }

    /// Uses these bytes, at most eight.
    pub(super) fn of(written: &[u8]) -> Self {
        let mut bytes = [0; 8];
        bytes[..written.len()].copy_from_slice(written);
        Self { bytes, length: written.len() as u8 }
    }

    /// Appends the tag to `out`.
    #[inline]
    pub fn put(self, out: &mut Vec<u8>) {
        // Tags of field numbers up to 15 take one byte.
        match self.length {
            1 => out.push(self.bytes[0]),
            length => block::put_part(out, &self.bytes, usize::from(length)),
        }
    }
}

impl FieldTable {
    /// Whether it is a string that is neither repeated nor in a oneof.
    #[must_use]
    #[inline]
    pub fn is_lone_string(&self) -> bool {
        self.lone_string
    }

    /// Whether it is a list or a map.
    #[must_use]
    #[inline]
    pub fn is_repeated(&self) -> bool {
        matches!(self.shape, Shape::Repeated | Shape::Packed | Shape::Map)
    }

    /// Writes what follows a length-prefixed value of the field: for a MessageSet item, its end tag.
    #[inline]
    pub fn put_end(&self, out: &mut Vec<u8>) {
        const END_OF_ITEM: u8 = 1 << 3 | wire::END_GROUP;
        if self.is_item {
            out.push(END_OF_ITEM);
        }
    }
}

impl Kind {
    /// The message type, length-prefixed or delimited; `None` for other types.
    #[must_use]
    pub fn message(self) -> Option<MessageId> {
        match self {
            Self::Message(id) | Self::Group(id) => Some(id),
            _ => None,
        }
    }

    /// The enum type; `None` for other types.
    #[must_use]
    pub fn enumeration(self) -> Option<EnumId> {
        match self {
            Self::Enum(id) => Some(id),
            _ => None,
        }
    }

    /// The wire type of one value.
    #[must_use]
    pub fn wire_type(self) -> u8 {
        use crate::format::wire::{FIXED32, FIXED64, GROUP, LENGTH, VARINT};
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => FIXED64,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => FIXED32,
            Self::String | Self::Bytes | Self::Message(_) => LENGTH,
            Self::Group(_) => GROUP,
            _ => VARINT,
        }
    }
}

impl EnumTable {
    /// All names with their numbers, ordered by number. The first name of each number is the one that is written.
    #[must_use]
    pub fn values(&self) -> Vec<(&str, i32)> {
        let mut values: Vec<(&str, i32)> = self.by_name.iter().map(|(name, number)| (&**name, *number)).collect();
        let is_alias = |(name, number): &(&str, i32)| {
            self.quoted(*number).is_none_or(|quoted| quoted.text() != format!("\"{name}\"").as_bytes())
        };
        values.sort_by_key(|value| (value.1, is_alias(value), value.0));
        values
    }

    /// The name of each number, ordered by number.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.by_number.iter().filter_map(|(_, quoted)| std::str::from_utf8(quoted.text()).ok());
        names.map(|quoted| quoted.trim_matches('"'))
    }

    /// The number of a name, which may be in any case if that is configured.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i32> {
        self.by_name.get(name).copied().or_else(|| in_any_case(&self.any_case, name))
    }

    /// The name of a number, in quotes.
    #[must_use]
    #[inline]
    pub fn quoted(&self, number: i32) -> Option<&Padded> {
        // Most enums count from 0 without gaps, so the number is tried as the index.
        let guess = usize::try_from(number).ok().and_then(|index| self.by_number.get(index));
        match guess {
            Some((known, name)) if *known == number => Some(name),
            _ => {
                let index = self.by_number.binary_search_by_key(&number, |(number, _)| *number).ok()?;
                Some(&self.by_number[index].1)
            }
        }
    }
}

/// Looks up a name in lower case. Only names that were not found as written come here.
#[cold]
fn in_any_case<T: Copy>(names: &Names<T>, name: &str) -> Option<T> {
    if names.is_empty() { None } else { names.get(name.to_ascii_lowercase().as_str()).copied() }
}
