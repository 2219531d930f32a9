//! Messages at random, made with prost-reflect, and what is done to them and to their JSON.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use prost_reflect::prost::Message as _;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _,
    Value,
};
use towbar::format::wire::Reader;

/// The files of the cases, with what they import.
pub static FILES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut compiler = protox::Compiler::new(["tests/cases"]).unwrap();
    compiler.include_imports(true).open_files(["cases.proto", "legacy.proto"]).unwrap();
    compiler.encode_file_descriptor_set()
});

pub static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| DescriptorPool::decode(FILES.as_slice()).unwrap());

pub const TYPES: [&str; 11] = [
    "cases.Scalars",
    "cases.Optionals",
    "cases.Lists",
    "cases.Maps",
    "cases.Node",
    "cases.Choice",
    "cases.Known",
    "cases.Names",
    "cases.Wallet",
    "cases.legacy.Order",
    "cases.legacy.Parcel",
];

/// Decisions, made by proptest so that it can shrink them. When they are used up, the answer is always 0.
pub struct Choices(std::vec::IntoIter<u32>);

pub fn choices() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(any::<u32>(), 0..400)
}

/// A message at random.
pub fn message_of(kind: usize, choices: Vec<u32>) -> DynamicMessage {
    let descriptor = POOL.get_message_by_name(TYPES[kind]).unwrap();
    Choices(choices.into_iter()).message(&descriptor, 0)
}

/// A message of any type at random.
pub fn message_from(descriptor: &MessageDescriptor, choices: Vec<u32>) -> DynamicMessage {
    Choices(choices.into_iter()).message(descriptor, 0)
}

/// Values that stand in for others.
pub const LEAVES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0.0",
    "-1",
    "1.5",
    "1e3",
    "1e-400",
    "4294967295",
    "9223372036854775808",
    "\"\"",
    "\"a\"",
    "\"1\"",
    "\"-1\"",
    "\"1e3\"",
    "\"1.0\"",
    "\"NaN\"",
    "\"-Infinity\"",
    "\"AQ==\"",
    "\"-_8\"",
    "\"LARGE\"",
    "\"GOOD\"",
    "\"NULL_VALUE\"",
    "\"2026-01-31T12:00:00.5+01:00\"",
    "\"-1.5s\"",
    "\"a,b.c\"",
    "[]",
    "[1]",
    "[\"a\"]",
    "[null]",
    "[[]]",
    "{}",
    "{\"a\":1}",
    "{\"name\":\"a\"}",
    "{\"value\":1}",
    "{\"1\":\"a\"}",
    "{\"true\":\"a\"}",
    "{\"@type\":\"x/cases.Node\",\"name\":\"a\"}",
    "{\"@type\":\"x/google.protobuf.Duration\",\"value\":\"1s\"}",
];

/// As a value: of the members of an object the order is no matter.
pub fn value_of(json: &[u8]) -> serde_json::Value {
    serde_json::from_slice(json).unwrap()
}

pub fn changes() -> impl Strategy<Value = Vec<(Index, u8)>> {
    proptest::collection::vec((any::<Index>(), any::<u8>()), 1..4)
}

/// Bytes overwritten, cut out or put in.
pub fn changed(mut bytes: Vec<u8>, changes: &[(Index, u8)]) -> Vec<u8> {
    for (place, byte) in changes {
        let place = place.index(bytes.len() + 1);
        match (byte % 4, place < bytes.len()) {
            (0, true) => drop(bytes.remove(place)),
            (1, _) => bytes.insert(place, byte >> 2),
            (2, true) => bytes.truncate(place),
            (_, true) => bytes[place] = *byte,
            (_, false) => bytes.push(*byte),
        }
    }
    bytes
}

/// The fields of a message in another order.
pub fn shuffled(wire: &[u8], order: &[Index]) -> Vec<u8> {
    let mut fields: Vec<&[u8]> = Vec::new();
    let mut rest = wire;
    while !rest.is_empty() {
        let mut reader = Reader::new(rest);
        let (number, wire_type) = reader.tag().unwrap();
        reader.skip(number, wire_type).unwrap();
        let (field, after) = rest.split_at(rest.len() - reader.rest().len());
        fields.push(field);
        rest = after;
    }
    if !fields.is_empty() {
        for pair in order.chunks_exact(2) {
            let (one, other) = (pair[0].index(fields.len()), pair[1].index(fields.len()));
            fields.swap(one, other);
        }
    }
    fields.concat()
}

/// Puts `new` in the place of one value.
pub fn replace(value: &mut serde_json::Value, place: Index, new: serde_json::Value) {
    fn count(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::Object(members) => members.values().map(|value| 1 + count(value)).sum(),
            serde_json::Value::Array(elements) => elements.iter().map(|value| 1 + count(value)).sum(),
            _ => 0,
        }
    }
    fn go(value: &mut serde_json::Value, left: &mut usize, new: &serde_json::Value) {
        let inside: Vec<&mut serde_json::Value> = match value {
            serde_json::Value::Object(members) => members.values_mut().collect(),
            serde_json::Value::Array(elements) => elements.iter_mut().collect(),
            _ => Vec::new(),
        };
        for value in inside {
            if *left == 0 {
                *left = usize::MAX;
                *value = new.clone();
            }
            if *left == usize::MAX {
                return;
            }
            *left -= 1;
            go(value, left, new);
        }
    }
    let values = count(value);
    if values > 0 {
        go(value, &mut place.index(values), &new);
    }
}

impl Choices {
    fn below(&mut self, end: u32) -> u32 {
        self.0.next().unwrap_or(0) % end
    }

    fn wide(&mut self) -> u64 {
        let bits = u64::from(self.0.next().unwrap_or(0)) << 32 | u64::from(self.0.next().unwrap_or(0));
        // Small ones and those at the ends are where faults are.
        match self.below(4) {
            0 => bits % 3,
            1 => u64::MAX - bits % 3,
            2 => 1 << (bits % 64),
            _ => bits,
        }
    }

    fn message(&mut self, descriptor: &MessageDescriptor, depth: u32) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        match descriptor.full_name() {
            "google.protobuf.Timestamp" => self.span(&mut message, 253_402_300_799, 62_135_596_800),
            "google.protobuf.Duration" => self.span(&mut message, 315_576_000_000, 0),
            "google.protobuf.FieldMask" => {
                let paths = (0..self.below(3))
                    .map(|_| Value::String(["name", "child.some_tags", "a"][self.below(3) as usize].to_owned()));
                message.set_field_by_number(1, Value::List(paths.collect()));
            }
            "google.protobuf.Value" => self.any_value(&mut message, depth),
            "google.protobuf.Any" => self.any(&mut message, depth),
            "google.protobuf.DoubleValue" => {
                // ProtoJSON writes "NaN" there too; prost-reflect writes null.
                let number = self.double();
                message.set_field_by_number(1, Value::F64(if number.is_finite() { number } else { 0.5 }));
            }
            "google.protobuf.FloatValue" => {
                let number = f32::from_bits(self.wide() as u32);
                message.set_field_by_number(1, Value::F32(if number.is_finite() { number } else { 0.5 }));
            }
            _ => {
                for field in descriptor.fields() {
                    let required = field.cardinality() == Cardinality::Required;
                    let is_set = self.below(3) == 1;
                    if required || is_set {
                        let value = self.field(&field, depth);
                        message.set_field(&field, value);
                    }
                }
                for extension in descriptor.extensions() {
                    if self.below(4) == 1 {
                        let list = extension.is_list();
                        let value = if list {
                            Value::List(vec![self.value(&extension.kind(), depth)])
                        } else {
                            self.value(&extension.kind(), depth)
                        };
                        message.set_extension(&extension, value);
                    }
                }
            }
        }
        message
    }

    fn field(&mut self, field: &FieldDescriptor, depth: u32) -> Value {
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else { unreachable!("a map has entries") };
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            Value::Map((0..self.below(3)).map(|_| (self.key(&key.kind()), self.value(&value.kind(), depth))).collect())
        } else if field.is_list() {
            Value::List((0..self.below(4)).map(|_| self.value(&field.kind(), depth)).collect())
        } else {
            self.value(&field.kind(), depth)
        }
    }

    fn value(&mut self, kind: &Kind, depth: u32) -> Value {
        match kind {
            Kind::Double => Value::F64(self.double()),
            Kind::Float => Value::F32(f32::from_bits(self.wide() as u32)),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(self.wide() as i32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(self.wide() as i64),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(self.wide() as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(self.wide()),
            Kind::Bool => Value::Bool(self.below(2) == 1),
            Kind::String => Value::String(self.text()),
            Kind::Bytes => Value::Bytes((0..self.below(6)).map(|_| self.below(256) as u8).collect::<Vec<u8>>().into()),
            Kind::Enum(descriptor) => {
                let values: Vec<i32> = descriptor.values().map(|value| value.number()).collect();
                Value::EnumNumber(values[self.below(values.len() as u32) as usize])
            }
            Kind::Message(descriptor) if depth < 5 => Value::Message(self.message(descriptor, depth + 1)),
            // Used up, every choice is the first: the shortest message that there is.
            Kind::Message(descriptor) => Value::Message(Self(Vec::new().into_iter()).message(descriptor, depth)),
        }
    }

    fn key(&mut self, kind: &Kind) -> MapKey {
        match self.value(kind, 0) {
            Value::Bool(key) => MapKey::Bool(key),
            Value::I32(key) => MapKey::I32(key),
            Value::I64(key) => MapKey::I64(key),
            Value::U32(key) => MapKey::U32(key),
            Value::U64(key) => MapKey::U64(key),
            Value::String(key) => MapKey::String(key),
            other => unreachable!("no key: {other:?}"),
        }
    }

    fn double(&mut self) -> f64 {
        f64::from_bits(self.wide())
    }

    fn text(&mut self) -> String {
        const CHARACTERS: [char; 24] = [
            'a', 'b', ' ', '"', '\\', '/', '\n', '\0', '\u{1f}', '\u{7f}', 'é', '漢', '😀', '\u{2028}', '\u{fffd}',
            '1', '%', '\'', '.', ':', '?', '&', '+', '#',
        ];
        (0..self.below(12)).map(|_| CHARACTERS[self.below(24) as usize]).collect()
    }

    /// Seconds and nanoseconds of one sign, or of a time.
    fn span(&mut self, message: &mut DynamicMessage, last: i64, before: i64) {
        let seconds = (self.wide() % (last + before + 1) as u64) as i64 - before;
        let nanos = [0, 1, 1000, 500_000_000, 999_999_999][self.below(5) as usize];
        message.set_field_by_number(1, Value::I64(seconds));
        message.set_field_by_number(2, Value::I32(nanos));
    }

    /// A member of the oneof, always; a number that JSON has.
    fn any_value(&mut self, message: &mut DynamicMessage, depth: u32) {
        let number = if depth < 5 { self.below(6) + 1 } else { 1 };
        let field = message.descriptor().get_field(number).unwrap();
        let value = match self.value(&field.kind(), depth) {
            Value::F64(number) if !number.is_finite() => Value::F64(0.5),
            value => value,
        };
        message.set_field(&field, value);
    }

    fn any(&mut self, message: &mut DynamicMessage, depth: u32) {
        let name = ["cases.Node", "cases.Scalars", "google.protobuf.Duration", "google.protobuf.Value"]
            [self.below(4) as usize];
        let inner = self.message(&POOL.get_message_by_name(name).unwrap(), depth + 1);
        message.set_field_by_number(1, Value::String(format!("type.googleapis.com/{name}")));
        message.set_field_by_number(2, Value::Bytes(inner.encode_to_vec().into()));
    }
}
