//! The codec against buffa on files of edition 2023, which prost-reflect cannot read: what one means, the other means.
//!
//! The files are those of the other oracle, said in features: once as proto2 and proto3 mean them, once with every second
//! feature turned round. Messages and their JSON are made of the former.

use std::sync::{Arc, LazyLock};

use buffa::Message as _;
use buffa_descriptor::generated::descriptor::feature_set::{
    EnumType, FieldPresence, MessageEncoding, RepeatedFieldEncoding,
};
use buffa_descriptor::generated::descriptor::field_descriptor_proto::{Label, Type};
use buffa_descriptor::generated::descriptor::{
    DescriptorProto, Edition, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
};
use buffa_descriptor::{DescriptorPool, DynamicMessage};
use proptest::prelude::*;
use proptest::sample::Index;
use prost_reflect::prost::Message as _;
use towbar::codec::{Body, DecodeError, DecodeProblem, Ignored, Print, Request, RequestError, reply};
use towbar::format::wire::{self, Reader};
use towbar::schema::{Message, MessageTable, Schema, Tables};

use crate::support::cases;
use crate::support::random::{
    FILES, LEAVES, TYPES, changed, changes, choices, message_of, replace, shuffled, value_of,
};

/// A set of files, to the codec and to the oracle.
struct Both {
    schema: Schema,
    pool: Arc<DescriptorPool>,
}

static BEFORE: LazyLock<Schema> = LazyLock::new(cases::schema);
static TRANSLATED: LazyLock<Both> = LazyLock::new(|| Both::of(false));
static TURNED: LazyLock<Both> = LazyLock::new(|| Both::of(true));

impl Both {
    fn of(turned: bool) -> Self {
        let mut set = FileDescriptorSet::decode_from_slice(&FILES).unwrap();
        for file in set.file.iter_mut().filter(|file| !file.name.as_deref().unwrap().starts_with("google/")) {
            to_edition(file, turned);
        }
        let set = set.encode_to_vec();
        let problems = |problems: Vec<towbar::format::problem::Problem>| panic!("{problems:?}");
        let schema = Schema::decode("editions", &set).unwrap_or_else(problems);
        Self { schema, pool: Arc::new(DescriptorPool::decode(&set).unwrap()) }
    }

    fn message(&self, kind: usize) -> Message {
        self.schema.message(TYPES[kind]).unwrap()
    }

    fn decode(&self, kind: usize, wire: &[u8]) -> Result<DynamicMessage, String> {
        let message = self.pool.message_index(TYPES[kind]).unwrap();
        DynamicMessage::decode(Arc::clone(&self.pool), message, wire).map_err(|error| error.to_string())
    }

    fn read(&self, kind: usize, json: &str) -> Result<DynamicMessage, String> {
        let message = self.pool.message_index(TYPES[kind]).unwrap();
        DynamicMessage::from_json(Arc::clone(&self.pool), message, json).map_err(|error| error.to_string())
    }

    /// Whether ours prints the bytes as JSON that says what the oracle read in them.
    fn prints(&self, kind: usize, wire: &[u8], theirs: &DynamicMessage) -> Result<(), TestCaseError> {
        let printed = reply(&self.message(kind), wire, &Print::default());
        let Ok(expected) = theirs.to_json() else { return Ok(()) };
        let printed = printed.map_err(|error| TestCaseError::fail(format!("{error}, but {expected}: {wire:02x?}")))?;
        prop_assert_eq!(rounded(value_of(&printed)), rounded(value_of(expected.as_bytes())), "{:02x?}", wire);
        let read = self.read(kind, std::str::from_utf8(&printed).unwrap()).map_err(TestCaseError::fail)?;
        prop_assert_eq!(read.to_json().unwrap(), expected);
        Ok(())
    }
}

/// With numbers of the precision of a float, which buffa prints with the digits of a double.
fn rounded(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Number(number) => serde_json::json!(number.as_f64().unwrap() as f32),
        Value::Array(elements) => elements.into_iter().map(rounded).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, rounded(value))).collect(),
        other => other,
    }
}

/// What protoc's own documents say of proto2 and proto3: editions with these features.
fn to_edition(file: &mut FileDescriptorProto, turned: bool) {
    let is_proto3 = file.syntax.as_deref() == Some("proto3");
    file.syntax = Some("editions".to_owned());
    file.edition = Some(Edition::EDITION_2023);
    let features = file.options.get_or_insert_default().features.get_or_insert_default();
    features.field_presence = Some(if is_proto3 { FieldPresence::IMPLICIT } else { FieldPresence::EXPLICIT });
    features.enum_type = Some(if is_proto3 { EnumType::OPEN } else { EnumType::CLOSED });
    features.repeated_field_encoding =
        Some(if is_proto3 { RepeatedFieldEncoding::PACKED } else { RepeatedFieldEncoding::EXPANDED });
    // What maps and their entries make of this is to leave it be.
    features.message_encoding = turned.then_some(MessageEncoding::DELIMITED);
    file.message_type.iter_mut().for_each(|message| fields_to_edition(message, turned));
    file.extension.iter_mut().for_each(|field| field_to_edition(field, turned));
}

fn fields_to_edition(message: &mut DescriptorProto, turned: bool) {
    // `optional` of proto3 is a oneof of its own, behind the others.
    let own_oneofs = message.field.iter().filter(|field| field.proto3_optional == Some(true)).count();
    message.oneof_decl.truncate(message.oneof_decl.len() - own_oneofs);
    let is_entry = message.options.as_option().is_some_and(|options| options.map_entry == Some(true));
    message.field.iter_mut().for_each(|field| field_to_edition(field, turned && !is_entry));
    message.extension.iter_mut().for_each(|field| field_to_edition(field, turned));
    message.nested_type.iter_mut().for_each(|nested| fields_to_edition(nested, turned));
}

fn field_to_edition(field: &mut FieldDescriptorProto, turned: bool) {
    let packed = field.options.as_option().and_then(|options| options.packed);
    let is_odd = field.number.unwrap_or_default() % 2 == 1;
    let is_list = field.label == Some(Label::LABEL_REPEATED);
    let is_message = matches!(field.r#type, Some(Type::TYPE_MESSAGE | Type::TYPE_GROUP));
    let options = field.options.get_or_insert_default();
    options.packed = None;
    let features = options.features.get_or_insert_default();
    if field.proto3_optional.take() == Some(true) {
        field.oneof_index = None;
        features.field_presence = Some(FieldPresence::EXPLICIT);
    }
    if field.label == Some(Label::LABEL_REQUIRED) {
        field.label = Some(Label::LABEL_OPTIONAL);
        features.field_presence = Some(FieldPresence::LEGACY_REQUIRED);
    } else if turned && is_odd && !is_list && !is_message && field.oneof_index.is_none() && field.extendee.is_none() {
        features.field_presence = Some(FieldPresence::EXPLICIT);
    }
    if let Some(packed) = packed {
        let packed = packed != turned;
        features.repeated_field_encoding =
            Some(if packed { RepeatedFieldEncoding::PACKED } else { RepeatedFieldEncoding::EXPANDED });
    }
    if field.r#type == Some(Type::TYPE_GROUP) {
        field.r#type = Some(Type::TYPE_MESSAGE);
        features.message_encoding =
            Some(if turned { MessageEncoding::LENGTH_PREFIXED } else { MessageEncoding::DELIMITED });
    }
}

fn encode(message: &Message, json: &str) -> Result<Vec<u8>, String> {
    let body = Body { text: json.as_bytes(), field: None, ignored: &Ignored::default() };
    Request::new(message).encode(Some(body)).map_err(|error| match error {
        RequestError::Body(error) => error.to_string(),
        other => format!("{other:?}"),
    })
}

/// Values that the other oracle does not read as it should, or has no part in.
const MORE_LEAVES: &[&str] = &[
    "\"2026-01-31T12:00:60Z\"",
    "\"2026-01-31t12:00:00z\"",
    "\"2026-02-29T12:00:00Z\"",
    "\"0000-12-31T00:00:00Z\"",
    "\"2026-01-31T12:00:00\"",
    "\"1.0000000001s\"",
    "\"315576000001s\"",
    "\"-.5s\"",
    "\"a_b\"",
    "\"aB,c.dE\"",
    "\"AQ\"",
    "\"+_8=\"",
    "\"Infinity\"",
    "\"infinity\"",
    "\"0x1\"",
    "\" 1\"",
    "\"+1\"",
    "\"01\"",
    "-1e39",
    "1e-50",
    "0.5e1",
    "{\"a\":null}",
    "{\"01\":\"a\"}",
    "{\"@type\":\"x/google.protobuf.Duration\"}",
    "{\"@type\":\"x/google.protobuf.Value\",\"value\":null}",
    "{\"@type\":\"x/google.protobuf.Empty\"}",
    "{\"@type\":\"x/google.protobuf.Any\",\"value\":{}}",
    "{\"@type\":\"x/cases.legacy.Parcel\"}",
    "{\"@type\":\"cases.Node\"}",
];

/// What the oracle refuses and ProtoJSON does not.
fn is_too_strict(error: &str) -> bool {
    [
        // An enum's number with a point or an exponent, as integers may have.
        "expected an enum string, number, or null",
        // A path of a mask that begins with a digit.
        "FieldMask JSON path is not canonical lowerCamelCase",
    ]
    .iter()
    .any(|text| error.contains(text))
}

/// What the oracle takes though ProtoJSON has it not; ours says so.
fn is_lenient(error: &str, new: &str) -> bool {
    // It does not ask for required fields, and parses the text of a number as Rust does.
    let parsed = ["\"+1\"", "\"01\"", "{\"01\":\"a\"}", "\"infinity\""];
    // Both alphabets of base64 in one text, and a type's name for its URL.
    let others = ["\"+_8=\"", "{\"@type\":\"cases.Node\"}"];
    error.contains("required, but not set") || parsed.contains(&new) || others.contains(&new)
}

/// Whether a message is delimited where its field is length-prefixed, or the other way round: to the reference parsers an
/// unknown field, which buffa reads.
fn is_encoded_otherwise(tables: &Tables, table: &MessageTable, wire: &[u8]) -> bool {
    let mut reader = Reader::new(wire);
    while let Ok((number, wire_type)) = reader.tag() {
        let inside = match wire_type {
            wire::LENGTH => reader.bytes(),
            wire::GROUP => reader.group(number),
            _ => reader.skip(number, wire_type).map(|()| &[][..]),
        };
        let Ok(inside) = inside else { return false };
        let kind = table.by_number(number).map(|index| table.fields[index].kind);
        let Some((kind, id)) = kind.and_then(|kind| Some((kind, kind.message()?))) else { continue };
        let is_message = matches!(wire_type, wire::LENGTH | wire::GROUP);
        if is_message && (wire_type != kind.wire_type() || is_encoded_otherwise(tables, tables.message(id), inside)) {
            return true;
        }
    }
    false
}

fn json_of(message: &DynamicMessage) -> serde_json::Value {
    value_of(message.to_json().unwrap().as_bytes())
}

fn both() -> impl Strategy<Value = &'static Both> {
    any::<bool>().prop_map(|turned| if turned { &*TURNED } else { &*TRANSLATED })
}

impl std::fmt::Debug for Both {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if std::ptr::eq(self, &raw const *TURNED) { "turned" } else { "translated" })
    }
}

/// Where the other oracle lets the last win; this one does so for the keys of maps and of a Struct only.
#[test]
fn json_with_a_repeated_field_or_oneof_is_refused_by_towbar_and_the_oracle() {
    for (name, json) in [
        ("cases.Node", r#"{"name":"a","name":"a"}"#),
        ("cases.Node", r#"{"child":null,"child":{}}"#),
        ("cases.Names", r#"{"@id":"a","renamed":"a"}"#),
        ("cases.Choice", r#"{"text":"a","number":1}"#),
        ("cases.Choice", r#"{"nothing":null,"value":null}"#),
        ("cases.legacy.Order", r#"{"id":"a","note":{"text":"a","text":"a"}}"#),
    ] {
        let kind = TYPES.iter().position(|known| *known == name).unwrap();
        for both in [&*TRANSLATED, &*TURNED] {
            assert!(encode(&both.message(kind), json).is_err(), "{json}");
            assert!(both.read(kind, json).is_err(), "{json}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn proto2_and_proto3_expressed_as_edition_features_encode_identically(kind in 0..TYPES.len(), choices in choices()) {
        let message = message_of(kind, choices);
        let json = serde_json::to_string(&message).unwrap();
        let before = BEFORE.message(TYPES[kind]).unwrap();
        prop_assert_eq!(encode(&TRANSLATED.message(kind), &json), encode(&before, &json));
        let wire = message.encode_to_vec();
        let printed = reply(&before, &wire, &Print::default());
        prop_assert_eq!(reply(&TRANSLATED.message(kind), &wire, &Print::default()), printed);
    }

    #[test]
    fn json_is_read_and_wire_format_printed_as_the_oracle_does(
        both in both(), kind in 0..TYPES.len(), choices in choices(),
    ) {
        let json = serde_json::to_string(&message_of(kind, choices)).unwrap();
        let theirs = both.read(kind, &json).map_err(TestCaseError::fail)?;
        let wire = encode(&both.message(kind), &json).map_err(TestCaseError::fail)?;
        let read = both.decode(kind, &wire).map_err(TestCaseError::fail)?;
        prop_assert_eq!(json_of(&read), json_of(&theirs));
        both.prints(kind, &theirs.encode_to_vec(), &theirs)?;
    }

    #[test]
    fn fields_in_any_order_and_in_pieces_are_read_as_the_oracle_reads_them(
        both in both(), kind in 0..TYPES.len(), first in choices(), second in choices(),
        order in proptest::collection::vec(any::<Index>(), 0..12),
    ) {
        let [one, two] = [first, second].map(|choices| {
            let json = serde_json::to_string(&message_of(kind, choices)).unwrap();
            encode(&both.message(kind), &json).unwrap()
        });
        let wire = shuffled(&[one, two].concat(), &order);
        let theirs = both.decode(kind, &wire).map_err(TestCaseError::fail)?;
        both.prints(kind, &wire, &theirs)?;
    }

    #[test]
    fn changed_json_is_refused_or_read_as_the_oracle_reads_it(
        both in both(), kind in 0..TYPES.len(), choices in choices(), leaf in any::<Index>(), other in 0..LEAVES.len() + MORE_LEAVES.len(),
    ) {
        let mut value = value_of(&serde_json::to_vec(&message_of(kind, choices)).unwrap());
        let new = LEAVES.iter().chain(MORE_LEAVES).nth(other).unwrap();
        replace(&mut value, leaf, serde_json::from_str(new).unwrap());
        let json = value.to_string();
        match (encode(&both.message(kind), &json), both.read(kind, &json)) {
            (Ok(wire), Ok(expected)) => {
                let read = both.decode(kind, &wire).map_err(TestCaseError::fail)?;
                prop_assert_eq!(json_of(&read), json_of(&expected), "{}", json);
            }
            (Err(_), Err(_)) => {}
            (Ok(_), Err(error)) => prop_assert!(is_too_strict(&error), "{error}: {json}"),
            (Err(error), Ok(expected)) => {
                prop_assert!(is_lenient(&error, new), "{error}, but {}: {json}", json_of(&expected));
            }
        }
    }
    #[test]
    fn changed_bytes_are_refused_or_read_as_the_oracle_reads_them(
        both in both(), kind in 0..TYPES.len(), choices in choices(), changes in changes(),
    ) {
        let json = serde_json::to_string(&message_of(kind, choices)).unwrap();
        let wire = changed(encode(&both.message(kind), &json).unwrap(), &changes);
        let Ok(theirs) = both.decode(kind, &wire) else { return Ok(()) };
        let printed = reply(&both.message(kind), &wire, &Print::default());
        // A map's entry that is malformed it reads to the fault; the other oracle tells what ours refuses too much.
        let is_malformed = matches!(printed, Err(DecodeError { problem: DecodeProblem::Wire(_), .. }));
        let message = both.message(kind);
        if !is_malformed && !is_encoded_otherwise(message.tables(), message.table(), &wire) {
            both.prints(kind, &wire, &theirs)?;
        }
    }
}
