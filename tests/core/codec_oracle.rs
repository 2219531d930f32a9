//! The codec against prost-reflect, on random messages: what one means, the other means.
//!
//! Where the oracle is wrong or lenient, it is not asked; each such place says why. Beside it: bytes at random, and
//! messages with bytes changed at random, are read or refused, and nothing panics.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value};
use towbar::codec::{Body, DecodeProblem, Ignored, Print, Request, RequestError, reply};
use towbar::format::wire::{self, Reader};
use towbar::schema::{Message, Schema};

use crate::support::cases;
use crate::support::random;
use crate::support::random::{LEAVES, POOL, TYPES, changed, changes, choices, replace, shuffled, value_of};

static SCHEMA: LazyLock<Schema> = LazyLock::new(cases::schema);
proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_message_is_printed_as_the_oracle_prints_it(kind in 0..TYPES.len(), choices in choices()) {
        let (ours, theirs) = message_of(kind, choices);
        let printed = reply(&ours, &theirs.encode_to_vec(), &Print::default()).unwrap();
        prop_assert_eq!(value_of(&printed), value_of(&serde_json::to_vec(&theirs).unwrap()));
    }

    #[test]
    fn json_written_by_the_oracle_round_trips(kind in 0..TYPES.len(), choices in choices()) {
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
    fn fields_in_any_order_and_in_pieces_are_read_as_the_oracle_reads_them(
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
    fn changed_bytes_are_refused_or_read_as_the_oracle_reads_them(
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
    fn changed_json_is_refused_or_read_as_the_oracle_reads_it(
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
    fn random_bytes_never_panic(kind in 0..TYPES.len(), bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
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
fn an_accepted_body_is_not_nested_too_deep_for_protobuf_decoders() {
    for (kind, [before, open, inside, close, after], levels, limit) in [
        ("cases.Node", ["{", r#""child":{"#, "", "}", "}"], 63, "the limit of 64 levels"),
        ("cases.Node", ["{", r#""children":[{"#, "", "}]", "}"], 31, "the limit of 64 levels"),
        ("cases.Known", [r#"{"value":"#, "[", "", "]", "}"], 49, "the limit of 100 messages"),
        ("cases.Known", [r#"{"list":"#, "[", "", "]", "}"], 50, "the limit of 100 messages"),
        ("cases.Known", [r#"{"object":"#, r#"{"a":"#, "{}", "}", "}"], 32, "the limit of 100 messages"),
        ("cases.Known", [r#"{"value":"#, r#"[{"a":"#, "0", "}]", "}"], 19, "the limit of 100 messages"),
        (
            "cases.Known",
            ["{", r#""any":{"@type":"x/cases.Known","#, r#""empty":{}"#, "}", "}"],
            49,
            "the limit of 100 messages",
        ),
        ("cases.Maps", [r#"{"values":{"a":"#, "[", "", "]", "}}"], 49, "the limit of 100 messages"),
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

fn encode(message: &Message, json: &[u8]) -> Result<Vec<u8>, String> {
    let body = Body { text: json, field: None, ignored: &Ignored::default() };
    Request::new(message).encode(Some(body)).map_err(|error| match error {
        RequestError::Body(error) => error.to_string(),
        other => format!("{other:?}"),
    })
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

/// A message at random: its type to the codec, itself to the oracle.
fn message_of(kind: usize, choices: Vec<u32>) -> (Message, DynamicMessage) {
    (SCHEMA.message(TYPES[kind]).unwrap(), random::message_of(kind, choices))
}
