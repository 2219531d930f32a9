//! Messages, fields and enums as flat tables: what the codec runs on. After start nothing looks into a descriptor.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use crate::format::block::{self, Padded};
use crate::format::wire;

/// A message type, by its place in [`Tables`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageId(pub(super) u32);

/// An enum type, by its place in [`Tables`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnumId(pub(super) u32);

/// Every message and enum.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    pub(super) messages: Vec<MessageTable>,
    pub(super) enums: Vec<EnumTable>,
    pub(super) names: HashMap<String, MessageId>,
    /// Those in which JSON cannot tell two fields apart, and those that hold one.
    pub(super) unclear: HashSet<MessageId>,
}

/// A message type.
#[derive(Debug, Clone)]
pub struct MessageTable {
    /// `package.Message`.
    pub name: Box<str>,
    /// Its form in JSON, if it has one of its own.
    pub known: WellKnown,
    /// Its fields and extensions, by number.
    pub fields: Box<[FieldTable]>,
    /// The names of its oneofs.
    pub oneofs: Box<[Box<str>]>,
    /// Whether any field is required (proto2).
    pub has_required: bool,
    /// `message_set_wire_format`: extensions travel as groups of a type id and a message.
    pub message_set: bool,
    /// For small numbers: the index of the field plus one.
    pub(super) dense: Box<[u16]>,
    /// Every spelling of every field.
    pub(super) by_name: HashMap<Box<str>, u16, BuildHasherDefault<NameHasher>>,
    /// The same in lower case, where names are read in any case; else empty.
    pub(super) any_case: HashMap<Box<str>, u16, BuildHasherDefault<NameHasher>>,
}

/// Messages that ProtoJSON writes in a form of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WellKnown {
    /// No such form: an object with a member a field.
    No,
    /// `{"@type": ..., ...}`
    Any,
    /// RFC 3339
    Timestamp,
    /// `1.5s`
    Duration,
    /// `a,b.c`
    FieldMask,
    /// Any object.
    Struct,
    /// Any value.
    Value,
    /// Any array.
    ListValue,
    /// The value of its only field.
    Wrapper,
}

/// A field or an extension.
#[derive(Debug, Clone)]
pub struct FieldTable {
    /// Field number.
    pub number: u32,
    /// The name in the proto file; of an extension `[package.name]`.
    pub name: Box<str>,
    /// The name in JSON.
    pub json_name: Box<str>,
    /// `"jsonName":`, escaped.
    pub json_key: Padded,
    /// `"proto_name":`, escaped.
    pub proto_key: Padded,
    /// The tag that begins each of its values when it is not packed; of an item all that goes before the length.
    pub tag: Tag,
    /// Whether it is an extension of a MessageSet, which travels as an item of it.
    pub is_item: bool,
    /// What a value is.
    pub kind: Kind,
    /// How many values there are.
    pub shape: Shape,
    /// Its oneof among [`MessageTable::oneofs`].
    pub oneof: Option<u16>,
    /// Whether its value must not be shown.
    pub redacted: bool,
    /// See [`FieldTable::is_lone_string`].
    pub(super) lone_string: bool,
}

/// What begins each value of a field.
#[derive(Debug, Clone, Copy)]
pub struct Tag {
    /// Room for a field number and a wire type; an item has two bytes more, and a length to come.
    bytes: [u8; 8],
    length: u8,
}

/// What one value of a field is.
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
    /// Length-prefixed.
    Message(MessageId),
    /// Delimited by tags.
    Group(MessageId),
}

/// How many values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One; its default is as good as none.
    Implicit,
    /// One or none.
    Explicit,
    /// One (proto2).
    Required,
    /// A list, each value with a tag.
    Repeated,
    /// A list in one length-delimited value.
    Packed,
    /// A map; [`FieldTable::kind`] is that of the entries, whose fields 1 and 2 are key and value.
    Map,
}

/// An enum type.
#[derive(Debug, Clone)]
pub struct EnumTable {
    /// `package.Enum`.
    pub name: Box<str>,
    /// Whether numbers without a name are no values of it.
    pub closed: bool,
    /// `google.protobuf.NullValue`, whose value is `null`.
    pub is_null: bool,
    /// By number; of names for one number the first. The name stands in quotes.
    pub(super) by_number: Box<[(i32, Padded)]>,
    pub(super) by_name: HashMap<Box<str>, i32, BuildHasherDefault<NameHasher>>,
    /// The same in lower case, where names are read in any case; else empty.
    pub(super) any_case: HashMap<Box<str>, i32, BuildHasherDefault<NameHasher>>,
}

impl Tables {
    /// The message of this id.
    #[must_use]
    #[inline]
    pub fn message(&self, id: MessageId) -> &MessageTable {
        &self.messages[id.0 as usize]
    }

    /// The enum of this id.
    #[must_use]
    #[inline]
    pub fn enumeration(&self, id: EnumId) -> &EnumTable {
        &self.enums[id.0 as usize]
    }

    /// The message of this full name, if its fields can be told apart in JSON.
    #[must_use]
    pub fn find(&self, full_name: &str) -> Option<MessageId> {
        self.declared(full_name).filter(|id| !self.unclear.contains(id))
    }

    /// The message of this full name, whatever its fields are called.
    pub(super) fn declared(&self, full_name: &str) -> Option<MessageId> {
        self.names.get(full_name).copied()
    }
}

impl MessageTable {
    /// The index of the field of this number.
    #[must_use]
    #[inline]
    pub fn by_number(&self, number: u32) -> Option<usize> {
        match self.dense.get(number as usize) {
            Some(index) => usize::from(*index).checked_sub(1),
            None => self.fields.binary_search_by_key(&number, |field| field.number).ok(),
        }
    }

    /// The index of the field of this name, as the proto file or as JSON spells it; in any case, where that is read.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<usize> {
        let index = self.by_name.get(name).copied().or_else(|| in_any_case(&self.any_case, name));
        index.map(usize::from)
    }

    /// The index of the field of exactly this name.
    pub(super) fn by_exact_name(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).map(|&index| usize::from(index))
    }
}

impl Tag {
    /// A field number and a wire type.
    pub(super) fn new(number: u32, wire_type: u8) -> Self {
        let mut written = Vec::with_capacity(5);
        wire::put_tag(&mut written, number, wire_type);
        Self::of(&written)
    }

    /// At most eight bytes.
    pub(super) fn of(written: &[u8]) -> Self {
        let mut bytes = [0; 8];
        bytes[..written.len()].copy_from_slice(written);
        Self { bytes, length: written.len() as u8 }
    }

    /// Writes it.
    #[inline]
    pub fn put(self, out: &mut Vec<u8>) {
        // Numbers up to 15 take one byte.
        match self.length {
            1 => out.push(self.bytes[0]),
            length => block::put_part(out, &self.bytes, usize::from(length)),
        }
    }
}

impl FieldTable {
    /// Whether it is a string, neither repeated nor in a oneof.
    #[must_use]
    #[inline]
    pub fn is_lone_string(&self) -> bool {
        self.lone_string
    }

    /// Whether it holds a list or a map.
    #[must_use]
    #[inline]
    pub fn is_repeated(&self) -> bool {
        matches!(self.shape, Shape::Repeated | Shape::Packed | Shape::Map)
    }

    /// Writes what stands behind a length-prefixed value of it: of an item its end.
    #[inline]
    pub fn put_end(&self, out: &mut Vec<u8>) {
        const END_OF_ITEM: u8 = 1 << 3 | wire::END_GROUP;
        if self.is_item {
            out.push(END_OF_ITEM);
        }
    }
}

impl Kind {
    /// The message type, length-prefixed or delimited.
    #[must_use]
    pub fn message(self) -> Option<MessageId> {
        match self {
            Self::Message(id) | Self::Group(id) => Some(id),
            _ => None,
        }
    }

    /// The enum type.
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
    /// Every name with its number, by number; of names for one number the first is the one that is written.
    #[must_use]
    pub fn values(&self) -> Vec<(&str, i32)> {
        let mut values: Vec<(&str, i32)> = self.by_name.iter().map(|(name, number)| (&**name, *number)).collect();
        let is_alias = |(name, number): &(&str, i32)| {
            self.quoted(*number).is_none_or(|quoted| quoted.text() != format!("\"{name}\"").as_bytes())
        };
        values.sort_by_key(|value| (value.1, is_alias(value), value.0));
        values
    }

    /// The name of each number, in the order of the numbers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.by_number.iter().filter_map(|(_, quoted)| std::str::from_utf8(quoted.text()).ok());
        names.map(|quoted| quoted.trim_matches('"'))
    }

    /// The number of a name; in any case, where that is read.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i32> {
        self.by_name.get(name).copied().or_else(|| in_any_case(&self.any_case, name))
    }

    /// The name of a number, in quotes.
    #[must_use]
    #[inline]
    pub fn quoted(&self, number: i32) -> Option<&Padded> {
        // Most enums count from 0 without gaps.
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

/// What a name is that is none as it stands. Only what would be refused comes here, or is written so.
#[cold]
fn in_any_case<T: Copy>(names: &HashMap<Box<str>, T, BuildHasherDefault<NameHasher>>, name: &str) -> Option<T> {
    if names.is_empty() { None } else { names.get(name.to_ascii_lowercase().as_str()).copied() }
}

/// Hashes names: eight bytes at a time. The names in the tables are the operator's, so nobody can make them collide.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct NameHasher(u64);

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        const MULTIPLIER: u64 = 0x517c_c1b7_2722_0a95;
        let mut add = |word: u64| self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(MULTIPLIER);
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| add(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        add(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56);
    }

    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}
