//! The codec against prost-reflect, on random messages: what one means, the other means.
//!
//! Where the oracle is wrong or lenient, it is not asked; each such place says why. Beside it: bytes at random, and
//! messages with bytes changed at random, are read or refused, and nothing panics.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use prost_reflect::prost::Message as _;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _,
    Value,
};
use towbar::codec::{Body, DecodeProblem, Ignored, Print, Request, RequestError, reply};
use towbar::schema::{Message, Schema};
use towbar::wire::{self, Reader};

#[path = "support/cases.rs"]
mod cases;

static SCHEMA: LazyLock<Schema> = LazyLock::new(cases::schema);
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let mut compiler = protox::Compiler::new(["tests/cases"]).unwrap();
    compiler.include_imports(true).open_files(["cases.proto", "legacy.proto"]).unwrap();
    DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap()
});

const TYPES: [&str; 11] = [
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
struct Choices(std::vec::IntoIter<u32>);

fn choices() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(any::<u32>(), 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_message_is_printed_as_the_oracle_prints_it(kind in 0..TYPES.len(), choices in choices()) {
        let (ours, theirs) = message_of(kind, choices);
        let printed = reply(&ours, &theirs.encode_to_vec(), &Print::default()).unwrap();
        prop_assert_eq!(value_of(&printed), value_of(&serde_json::to_vec(&theirs).unwrap()));
    }

    #[test]
    fn json_is_read_as_the_oracle_wrote_it(kind in 0..TYPES.len(), choices in choices()) {
        let (ours, theirs) = message_of(kind, choices);
        let json = serde_json::to_vec(&theirs).unwrap();
        let wire = encode(&ours, &json).map_err(TestCaseError::fail)?;
        let read = DynamicMessage::decode(theirs.descriptor(), wire.as_slice()).unwrap();
        prop_assert_eq!(value_of(&serde_json::to_vec(&read).unwrap()), value_of(&json));
        // What is printed of it is the same text again.
        let printed = reply(&ours, &wire, &Print::default()).unwrap();
        prop_assert_eq!(encode(&ours, &printed), Ok(wire));
    }

    #[test]
    fn fields_in_any_order_and_in_pieces_mean_what_the_oracle_says(
        kind in 0..TYPES.len(), first in choices(), second in choices(), order in proptest::collection::vec(any::<Index>(), 0..12),
    ) {
        let (ours, one) = message_of(kind, first);
        let (_, two) = message_of(kind, second);
        let wire = shuffled(&[one.encode_to_vec(), two.encode_to_vec()].concat(), &order);
        let theirs = DynamicMessage::decode(one.descriptor(), wire.as_slice()).unwrap();
        // An Any in pieces may have the type of one and the value of the other; prost-reflect refuses another wire type than
        // the field has, which is an unknown field.
        let Ok(expected) = serde_json::to_vec(&theirs) else { return Ok(()) };
        let printed = reply(&ours, &wire, &Print::default()).unwrap();
        prop_assert_eq!(value_of(&printed), value_of(&expected));
    }

    #[test]
    fn changed_bytes_are_refused_or_mean_what_the_oracle_says(
        kind in 0..TYPES.len(), choices in choices(), changes in changes(),
    ) {
        let (ours, theirs) = message_of(kind, choices);
        let wire = changed(theirs.encode_to_vec(), &changes);
        let printed = reply(&ours, &wire, &Print::default());
        let Ok(read) = DynamicMessage::decode(theirs.descriptor(), wire.as_slice()) else { return Ok(()) };
        prop_assume!(!has_unknown_number(&read) && !has_odd_entry(&theirs.descriptor(), &wire));
        match (printed, serde_json::to_vec(&read)) {
            (Ok(printed), Ok(expected)) => prop_assert_eq!(value_of(&printed), value_of(&expected)),
            // In an Any, which it reads late.
            (Ok(_), Err(error)) if is_too_strict(&error.to_string()) => {}
            (Ok(printed), Err(error)) => prop_assert!(false, "{error}, but {}", String::from_utf8_lossy(&printed)),
            (Err(_), Err(_)) => {}
            (Err(error), Ok(expected)) => {
                prop_assert!(is_stricter(&error.problem), "{error}, but {}: {wire:02x?}", String::from_utf8_lossy(&expected));
            }
        }
    }

    #[test]
    fn changed_json_is_refused_or_means_what_the_oracle_says(
        kind in 0..TYPES.len(), choices in choices(), leaf in any::<Index>(), other in 0..LEAVES.len(),
    ) {
        let (ours, theirs) = message_of(kind, choices);
        let mut value = value_of(&serde_json::to_vec(&theirs).unwrap());
        replace(&mut value, leaf, serde_json::from_str(LEAVES[other]).unwrap());
        // A list of Values that is null is an empty one; prost-reflect prints null again.
        prop_assume!(value.get("values").is_none_or(|values| !values.is_null()));
        let json = value.to_string();
        let Ok(wire) = encode(&ours, json.as_bytes()) else { return Ok(()) };
        let read = DynamicMessage::decode(theirs.descriptor(), wire.as_slice()).unwrap();
        let expected = DynamicMessage::deserialize(theirs.descriptor(), &mut serde_json::Deserializer::from_str(&json));
        let expected = match expected {
            Ok(expected) => expected,
            Err(error) if is_too_strict(&error.to_string()) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(format!("{error}: {json}"))),
        };
        prop_assert_eq!(value_of(&serde_json::to_vec(&read).unwrap()), value_of(&serde_json::to_vec(&expected).unwrap()), "{}", json);
    }

    #[test]
    fn bytes_at_random_never_panic(kind in 0..TYPES.len(), bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let message = SCHEMA.message(TYPES[kind]).unwrap();
        for print in [Print::default(), Print { defaults: true, indent: true, limit: 1000, ..Print::default() }] {
            let _ = reply(&message, &bytes, &print);
        }
        let _ = encode(&message, &bytes);
    }

    #[test]
    fn changed_messages_never_panic(kind in 0..TYPES.len(), choices in choices(), changes in changes()) {
        let (ours, theirs) = message_of(kind, choices);
        let wire = changed(theirs.encode_to_vec(), &changes);
        for print in [Print::default(), Print { defaults: true, indent: true, limit: 1000, ..Print::default() }] {
            let _ = reply(&ours, &wire, &print);
        }
        let _ = encode(&ours, &changed(serde_json::to_vec(&theirs).unwrap(), &changes));
    }
}

/// JSON may be nested 64 levels deep and messages 100, and a level of JSON may be two or three messages.
#[test]
fn a_body_that_is_read_is_not_too_deep_for_the_readers_of_wire_format() {
    for (kind, [before, open, inside, close, after], levels, limit) in [
        ("cases.Node", ["{", r#""child":{"#, "", "}", "}"], 63, "64 levels"),
        ("cases.Node", ["{", r#""children":[{"#, "", "}]", "}"], 31, "64 levels"),
        ("cases.Known", [r#"{"value":"#, "[", "", "]", "}"], 49, "100 messages"),
        ("cases.Known", [r#"{"list":"#, "[", "", "]", "}"], 50, "100 messages"),
        ("cases.Known", [r#"{"object":"#, r#"{"a":"#, "{}", "}", "}"], 32, "100 messages"),
        ("cases.Known", [r#"{"value":"#, r#"[{"a":"#, "0", "}]", "}"], 19, "100 messages"),
        ("cases.Known", ["{", r#""any":{"@type":"x/cases.Known","#, r#""empty":{}"#, "}", "}"], 49, "100 messages"),
        ("cases.Maps", [r#"{"values":{"a":"#, "[", "", "]", "}}"], 49, "100 messages"),
    ] {
        let message = SCHEMA.message(kind).unwrap();
        let descriptor = POOL.get_message_by_name(kind).unwrap();
        let body = |levels| [before, &open.repeat(levels), inside, &close.repeat(levels), after].concat();
        for levels in 1..=levels {
            let wire = encode(&message, body(levels).as_bytes()).unwrap_or_else(|error| panic!("{levels} {error}"));
            assert!(reply(&message, &wire, &Print::default()).is_ok(), "{}", body(levels));
            let read = DynamicMessage::decode(descriptor.clone(), wire.as_slice());
            assert!(serde_json::to_vec(&read.unwrap()).is_ok(), "{}", body(levels));
        }
        let refusal = encode(&message, body(levels + 1).as_bytes()).unwrap_err();
        assert!(refusal.contains(&format!("nested deeper than {limit}")), "{refusal}");
    }
}

/// Values that stand in for others.
const LEAVES: &[&str] = &[
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

fn encode(message: &Message, json: &[u8]) -> Result<Vec<u8>, String> {
    let body = Body { text: json, field: None, ignored: &Ignored::default() };
    Request::new(message).encode(Some(body)).map_err(|error| match error {
        RequestError::Body(error) => error.to_string(),
        other => format!("{other:?}"),
    })
}

/// As a value: of the members of an object the order is no matter.
fn value_of(json: &[u8]) -> serde_json::Value {
    serde_json::from_slice(json).unwrap()
}

/// What the oracle prints though it cannot be said.
fn is_stricter(problem: &DecodeProblem) -> bool {
    match problem {
        // It reads groups of any depth.
        DecodeProblem::Depth => true,
        // Nanoseconds out of range, which it carries over into the seconds, and paths that name no field.
        DecodeProblem::NoForm { message } => matches!(
            message.as_str(),
            "google.protobuf.Timestamp" | "google.protobuf.Duration" | "google.protobuf.FieldMask"
        ),
        _ => false,
    }
}

/// Whether a map's field has something else than an entry: an unknown field, which prost-reflect reads as an entry.
fn has_odd_entry(descriptor: &MessageDescriptor, wire: &[u8]) -> bool {
    let mut reader = Reader::new(wire);
    while let Ok((number, wire_type)) = reader.tag() {
        let field = descriptor.get_field(number);
        if field.as_ref().is_some_and(FieldDescriptor::is_map) && wire_type != wire::LENGTH {
            return true;
        }
        let inside = match wire_type {
            wire::LENGTH => reader.bytes(),
            wire::GROUP => reader.group(number),
            _ => reader.skip(number, wire_type).map(|()| &[][..]),
        };
        match (inside, field.map(|field| field.kind())) {
            (Ok(inside), Some(Kind::Message(message))) if has_odd_entry(&message, inside) => return true,
            (Ok(_), _) => {}
            (Err(_), _) => return false,
        }
    }
    false
}

/// What the oracle refuses and ProtoJSON does not.
fn is_too_strict(error: &str) -> bool {
    [
        // An enum's number with a point or an exponent, as integers may have.
        "expected a string or integer",
        // The only value of NullValue as its number: ProtoJSON takes numbers for every enum.
        "expected null",
        // Another wire type than the field has, which is an unknown field.
        "invalid wire type",
        // A tenth byte of a varint with more than one bit, which other parsers drop.
        "invalid varint",
        // An empty Any.
        "expected '@type' field",
        // A point or an exponent in an integer that stands in quotes; the conformance suite asks for it.
        "invalid digit found in string",
    ]
    .iter()
    .any(|text| error.contains(text))
}

/// Whether a closed enum has a number without a name: prost-reflect prints it, and to the specification it is an unknown
/// field.
fn has_unknown_number(message: &DynamicMessage) -> bool {
    fn is_unknown(kind: &Kind, value: &Value) -> bool {
        match (kind, value) {
            (Kind::Enum(descriptor), Value::EnumNumber(number)) => descriptor.get_value(*number).is_none(),
            (_, Value::Message(message)) => has_unknown_number(message),
            (_, Value::List(list)) => list.iter().any(|value| is_unknown(kind, value)),
            (Kind::Message(entry), Value::Map(map)) => {
                let kind = entry.map_entry_value_field().kind();
                map.values().any(|value| is_unknown(&kind, value))
            }
            _ => false,
        }
    }
    message.descriptor().full_name().starts_with("cases.legacy.")
        && (message.fields().any(|(field, value)| is_unknown(&field.kind(), value))
            || message.extensions().any(|(field, value)| is_unknown(&field.kind(), value)))
}

fn changes() -> impl Strategy<Value = Vec<(Index, u8)>> {
    proptest::collection::vec((any::<Index>(), any::<u8>()), 1..4)
}

/// Bytes overwritten, cut out or put in.
fn changed(mut bytes: Vec<u8>, changes: &[(Index, u8)]) -> Vec<u8> {
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
fn shuffled(wire: &[u8], order: &[Index]) -> Vec<u8> {
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
fn replace(value: &mut serde_json::Value, place: Index, new: serde_json::Value) {
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

/// A message at random: its type to the codec, itself to the oracle.
fn message_of(kind: usize, choices: Vec<u32>) -> (Message, DynamicMessage) {
    let descriptor = POOL.get_message_by_name(TYPES[kind]).unwrap();
    let message = Choices(choices.into_iter()).message(&descriptor, 0);
    (SCHEMA.message(TYPES[kind]).unwrap(), message)
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
        const CHARACTERS: [char; 16] = [
            'a', 'b', ' ', '"', '\\', '/', '\n', '\0', '\u{1f}', '\u{7f}', 'é', '漢', '😀', '\u{2028}', '\u{fffd}', '1',
        ];
        (0..self.below(12)).map(|_| CHARACTERS[self.below(16) as usize]).collect()
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
