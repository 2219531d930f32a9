//! The codec keeps to the cases of `tests/cases/`: JSON becomes those bytes, and those bytes that JSON, to the letter.

use crate::support::cases;

#[test]
fn every_case_encodes_json_to_the_expected_wire_format() {
    let schema = cases::schema();
    let mut wrong = Vec::new();
    for case in cases::all() {
        let Some(expected) = case.expected_wire() else { continue };
        let made = case.encode(&case.message(&schema));
        if made.as_deref().map_err(String::as_str) != expected {
            let (made, expected) = (made.map(hex), expected.map(|wire| hex(wire.to_vec())));
            wrong.push(format!("{}\n   made {made:?}\n wanted {expected:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_case_decodes_wire_format_to_the_expected_json() {
    let schema = cases::schema();
    let mut wrong = Vec::new();
    for case in cases::all() {
        let Some(expected) = case.expected_json() else { continue };
        let made = case.decode(&case.message(&schema)).map(|json| String::from_utf8(json).unwrap());
        let made = made.unwrap_or_else(|error| error);
        if made != expected {
            wrong.push(format!("{}\n   made {made}\n wanted {expected}", case.name));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_case_has_an_expectation_and_a_unique_name() {
    let mut names = std::collections::HashSet::new();
    for case in cases::all() {
        assert!(case.expected_wire().is_some() || case.expected_json().is_some(), "{}", case.name);
        assert!(names.insert(case.name.clone()), "{} stands twice", case.name);
    }
}

fn hex(bytes: Vec<u8>) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Each level has its fields in the wrong order: twice the work at each would never end.
#[test]
fn fields_out_of_order_at_every_level_are_read_without_exponential_time() {
    let node = cases::schema().message("cases.Node").unwrap();
    let (mut wire, mut json) = (Vec::new(), "{}".to_owned());
    for _ in 0..90 {
        let mut outer = vec![0x1a];
        towbar::format::wire::put_bytes(&mut outer, &wire);
        outer.extend_from_slice(b"\x10\x01");
        wire = outer;
        json = format!("{{\"count\":1,\"child\":{json}}}");
    }
    let printed = towbar::codec::reply(&node, &wire, &towbar::codec::Print::default()).unwrap();
    assert_eq!(String::from_utf8(printed).unwrap(), json);
}

/// A million occurrences of one oneof, by turns and of one member: time that grew with their square would show.
#[test]
fn many_members_of_a_oneof_are_read_without_quadratic_time() {
    let choice = cases::schema().message("cases.Choice").unwrap();
    let after = b"\x42\x00";
    for turn in [&b"\x18\x01\x12\x00"[..], b"\x18\x01\x18\x02"] {
        let wire = [&after[..], &turn.repeat(500_000), b"\x18\x07"].concat();
        let printed = towbar::codec::reply(&choice, &wire, &towbar::codec::Print::default()).unwrap();
        assert_eq!(String::from_utf8(printed).unwrap(), "{\"number\":7}");
    }
}

/// No case can say it: a file of the descriptors that calls something else what has a form of its own.
#[test]
fn a_wrapper_that_holds_a_message_is_treated_as_an_ordinary_message() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("google/protobuf/wrappers.proto");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let message =
        "message Int64Value { Int64Value value = 1; int32 count = 2; } message BoolValue { BoolValue value = 1; }";
    std::fs::write(&file, format!("syntax = \"proto3\"; package google.protobuf; {message}")).unwrap();
    let schema = towbar::schema::Schema::load(&[folder.path().to_owned()]).unwrap();
    for (name, json) in [("Int64Value", r#"{"value":{"count":1}}"#), ("BoolValue", r#"{"value":{"value":{}}}"#)] {
        let message = schema.message(&format!("google.protobuf.{name}")).unwrap();
        let body = towbar::codec::Body { text: json.as_bytes(), field: None, ignored: &Default::default() };
        let wire = towbar::codec::Request::new(&message).encode(Some(body)).unwrap();
        let printed = towbar::codec::reply(&message, &wire, &towbar::codec::Print::default()).unwrap();
        assert_eq!(String::from_utf8(printed).unwrap(), json);
    }
}
