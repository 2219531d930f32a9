//! The three conversions of the codec, and the descriptors from which its tables are built.

use std::path::Path;
use std::sync::OnceLock;

use towbar::codec::{self, Body, BodyError, DecodeError, DecodeProblem, FieldProblem, Ignored, Int64, Origin, Print};
use towbar::codec::{Request, RequestError, Value, takes_json, takes_text};
use towbar::format::json::JsonProblem;
use towbar::route::{Defaults, Routes};
use towbar::schema::{FieldPath, Message, Schema};

/// A body -> wire -> JSON -> the same wire.
pub fn json_to_wire(data: &[u8]) {
    let Some((message, body)) = typed(data) else { return };
    let Ok(wire) = encode(&Request::new(message), body) else { return };
    let Some(json) = readable(message, &wire, &Print::default()) else { return };
    if let Some(again) = read_back(message, &json) {
        assert_same(&wire, &again, &json);
    }
}

/// Wire -> JSON -> wire -> the same JSON. The second byte chooses how it is printed, see [`options_of`].
pub fn wire_to_json(data: &[u8]) {
    let Some((message, [options, wire @ ..])) = typed(data) else { return };
    let has = |bit: u8| options.wrapping_sub(b'0') & 1 << bit != 0;
    let limit = if has(4) { 100 } else { 1 << 20 };
    let int64 = [Int64::Text, Int64::SafeNumber, Int64::Number][usize::from(has(5)) + usize::from(has(6))];
    let (defaults, enums_as_ints, proto_names, indent) = (has(0), has(1), has(2), has(3));
    let print = Print { defaults, enums_as_ints, proto_names, indent, int64, unknown_any: false, limit };
    let Ok(json) = codec::reply(message, wire, &print) else { return };
    assert!(json.len() <= limit, "{} bytes, and the limit is {limit}", json.len());
    assert_json(&json);
    if let Some(again) = read_back(message, &json) {
        let unlimited = Print { limit: usize::MAX, ..print };
        assert_eq!(readable(message, &again, &unlimited).as_deref().map(shown), Some(shown(&json)));
    }
}

/// The byte that chooses these printing options.
pub fn options_of(print: &Print) -> u8 {
    let bits = [print.defaults, print.enums_as_ints, print.proto_names, print.indent];
    b'0' + bits.iter().enumerate().map(|(bit, &is_set)| u8::from(is_set) << bit).sum::<u8>()
}

/// Lines of `field=text` -> wire -> JSON -> the same wire. A body with the same values as the texts is no conflict.
pub fn text_to_wire(data: &[u8]) {
    let Some((message, lines)) = typed(data) else { return };
    let Ok(lines) = std::str::from_utf8(lines) else { return };
    let mut request = Request::new(message);
    let mut has_order = false;
    for (field, text) in lines.lines().filter_map(|line| line.split_once('=')) {
        let Ok(path) = FieldPath::resolve(message, field) else { continue };
        let value = match path.leaf() {
            leaf if takes_text(leaf) => Value::Text(text),
            leaf if takes_json(leaf) => Value::Json(text),
            _ => continue,
        };
        // The fields of an Any are printed in a different order.
        has_order |= path.leaf().is_repeated() || takes_json(path.leaf());
        if request.set(&path, value, Origin::Query).is_err() {
            return;
        }
        assert!(path.leaf().is_repeated() || request.says(&path, value) == Ok(true), "{field}={text}");
    }
    let wire = request.encode(None).expect("nothing can be wrong without a body");
    let Some(json) = readable(message, &wire, &Print::default()) else { return };
    let Some(again) = read_back(message, &json) else { return };
    assert_same(&wire, &again, &json);
    if !has_order {
        let both = encode(&request, &json).unwrap_or_else(|error| panic!("{error:?}: {}", shown(&json)));
        assert_same(&wire, &both, &json);
    }
}

/// A descriptor set that loads can be used: routes can be built, and messages read and printed.
pub fn descriptor_set(data: &[u8]) {
    let Ok(schema) = Schema::decode("set.binpb", data) else { return };
    let _ = Routes::build(&schema, &[], &Defaults::default());
    for rpc in schema.rpcs().iter().take(16) {
        for message in [&rpc.input, &rpc.output] {
            use_message(message);
        }
    }
}

fn use_message(message: &Message) {
    for body in [&b"{}"[..], b"[]", b"\"1\"", b"{\"a\":{},\"b\":[\"1\"],\"c\":{\"1\":{}}}"] {
        if let Ok(wire) = encode(&Request::new(message), body) {
            let _ = codec::reply(message, &wire, &Print::default());
        }
    }
    let print = Print { defaults: true, limit: 1 << 16, ..Print::default() };
    for wire in [&b""[..], b"\x0a\x00", b"\x08\x01\x12\x01a", b"\x0b\x0c\x0a\x04\x0a\x00\x12\x00"] {
        let _ = codec::reply(message, wire, &print);
    }
    for name in ["a", "b", "id", "name", "value"] {
        let Ok(path) = FieldPath::resolve(message, name) else { continue };
        if takes_text(path.leaf()) {
            let _ = Request::new(message).set(&path, "1", Origin::Path);
        } else if takes_json(path.leaf()) {
            let _ = Request::new(message).set(&path, Value::Json("{}"), Origin::Query);
        }
    }
}

/// The message types, indexed by the first byte of an input, with `0` for the first: those of the conformance suite,
/// then those of `tests/cases/`. Append new ones, because every file of the corpus depends on its byte.
pub const TYPES: [&str; 22] = [
    "protobuf_test_messages.editions.TestAllTypesEdition2023",
    "protobuf_test_messages.proto2.TestAllRequiredTypesProto2",
    "protobuf_test_messages.proto2.TestAllTypesProto2",
    "protobuf_test_messages.proto3.TestAllTypesProto3",
    "protobuf_test_messages.editions.proto2.TestAllTypesProto2",
    "protobuf_test_messages.editions.proto3.TestAllTypesProto3",
    "cases.Scalars",
    "cases.Optionals",
    "cases.Lists",
    "cases.Maps",
    "cases.Node",
    "cases.Choice",
    "cases.Known",
    "cases.Names",
    "cases.Card",
    "cases.Wallet",
    "cases.Wide",
    "cases.legacy.Order",
    "cases.legacy.Parcel",
    "cases.legacy.Folder",
    "cases.legacy.Papers",
    "cases.Linked",
];

/// The first byte that chooses a message type.
pub fn byte_of(message: &str) -> Option<u8> {
    let index = TYPES.iter().position(|name| *name == message)?;
    u8::try_from(index).ok().map(|index| b'0' + index)
}

/// The message type that the first byte chooses, and the rest of the input.
fn typed(data: &[u8]) -> Option<(&'static Message, &[u8])> {
    static MESSAGES: OnceLock<Vec<Message>> = OnceLock::new();
    let messages = MESSAGES.get_or_init(|| {
        let set = include_bytes!("../../tests/conformance/messages.binpb");
        let suite = Schema::decode("messages.binpb", set).expect("its files are sound");
        // Works from the folder of the main package and from that of this package.
        let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("tests/cases"));
        let folder = folders.into_iter().find(|folder| folder.is_dir()).expect("the cases stand beside fuzz/");
        let cases = Schema::load(&[folder]).expect("its files are sound");
        let message = |name| suite.message(name).or_else(|| cases.message(name)).expect("one of the two has it");
        TYPES.map(message).into()
    });
    let (&first, rest) = data.split_first()?;
    Some((&messages[usize::from(first.wrapping_sub(b'0')) % messages.len()], rest))
}

fn encode(request: &Request<'_>, body: &[u8]) -> Result<Vec<u8>, RequestError> {
    request.encode(Some(Body { text: body, field: None, ignored: &Ignored::default() }))
}

/// The JSON of what the codec itself wrote; `None` if a message is nested more deeply than a response may be.
fn readable(message: &Message, wire: &[u8], print: &Print) -> Option<Vec<u8>> {
    match codec::reply(message, wire, print) {
        Ok(json) => {
            assert_json(&json);
            Some(json)
        }
        Err(DecodeError { problem: DecodeProblem::Depth, .. }) => None,
        Err(error) => panic!("{error}: {wire:02x?}"),
    }
}

/// The wire format of what the codec itself printed; `None` for what wire format can express and a request cannot.
fn read_back(message: &Message, json: &[u8]) -> Option<Vec<u8>> {
    match encode(&Request::new(message), json) {
        Ok(wire) => Some(wire),
        Err(RequestError::Body(BodyError {
            problem: FieldProblem::Required | FieldProblem::Json(JsonProblem::TooDeep { .. }),
            ..
        })) => None,
        Err(error) => panic!("{error:?}: {}", shown(json)),
    }
}

fn assert_json(json: &[u8]) {
    assert_eq!(super::unique::problem(json), None, "{}", shown(json));
}

/// Compares two messages whose fields may be in different order, by their sorted bytes.
fn assert_same(left: &[u8], right: &[u8], json: &[u8]) {
    let sorted = |wire: &[u8]| {
        let mut bytes = wire.to_vec();
        bytes.sort_unstable();
        bytes
    };
    assert_eq!(sorted(left), sorted(right), "{left:02x?} and {right:02x?} through {}", shown(json));
}

fn shown(json: &[u8]) -> String {
    String::from_utf8_lossy(json).into_owned()
}
