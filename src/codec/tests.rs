//! Which bodies and texts are accepted, and with which error others are rejected.

use proptest::prelude::*;
use prost_reflect::DynamicMessage;
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, MessageDescriptor};

use super::{Body, FieldProblem, HttpBody, Ignored, Origin, Print, Request, RequestError, Value, reply};
use crate::schema::{FieldPath, Message, schema_of};

const PROTO: &str = r#"
syntax = "proto3";
package t;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/descriptor.proto";
enum Size { NONE = 0; SMALL = 1; LARGE = 2; }
message Card { string number = 1 [debug_redact = true]; int32 year = 2 [debug_redact = true]; string holder = 3; }
message All {
  int32 a_int = 1; int64 a_long = 2; uint32 a_uint = 3; uint64 a_ulong = 4; sint32 a_sint = 5; fixed64 a_fixed = 6;
  float a_float = 7; double a_double = 8; bool a_bool = 9; string a_string = 10; bytes a_bytes = 11; Size a_size = 12;
  All child = 13; repeated All children = 14; repeated int32 ints = 15; map<string, int32> counts = 16;
  map<int32, All> by_id = 17; map<bool, string> flags = 18; repeated Size sizes = 19;
  oneof choice { string one = 20; int32 two = 21; All three = 22; }
  optional int32 maybe = 23; string renamed = 24 [json_name = "@id"];
  google.protobuf.Timestamp at = 30; google.protobuf.Duration took = 31; google.protobuf.FieldMask mask = 32;
  google.protobuf.Int64Value wrapped = 33; google.protobuf.StringValue wrapped_string = 34;
  google.protobuf.Value any_value = 35; google.protobuf.Struct any_struct = 36; google.protobuf.NullValue nothing = 37;
  google.protobuf.BytesValue wrapped_bytes = 38; repeated string tags = 39;
  Card card = 40; map<string, Card> cards = 41 [debug_redact = true];
}
"#;

fn all() -> Message {
    schema_of(PROTO).unwrap().message("t.All").unwrap()
}

/// The message type `t.All` as prost-reflect has it.
fn oracle() -> MessageDescriptor {
    descriptor_of(PROTO)
}

/// The message type `t.All` of this file as prost-reflect has it.
pub(super) fn descriptor_of(proto: &str) -> MessageDescriptor {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("test.proto"), proto).unwrap();
    let mut compiler = protox::Compiler::new([folder.path()]).unwrap();
    compiler.include_imports(true).open_file("test.proto").unwrap();
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap();
    pool.get_message_by_name("t.All").unwrap()
}

fn read(message: &Message, text: &[u8], ignored: &Ignored) -> Result<String, String> {
    Ok(print(message, &encode(message, text, ignored)?))
}

fn encode(message: &Message, text: &[u8], ignored: &Ignored) -> Result<Vec<u8>, String> {
    let body = Body { text, field: None, ignored };
    Request::new(message).encode(Some(body)).map_err(|error| match error {
        RequestError::Body(error) => error.to_string(),
        other => format!("{other:?}"),
    })
}

fn print(message: &Message, wire: &[u8]) -> String {
    String::from_utf8(reply(message, wire, &Print::default()).unwrap()).unwrap()
}

/// Even if the descriptors do not import that type.
#[test]
fn an_any_of_a_common_google_type_round_trips_even_if_the_type_is_not_imported() {
    let proto = "syntax = \"proto3\"; package t; import \"google/protobuf/any.proto\"; message Holder { google.protobuf.Any any = 1; string name = 2; }";
    let holder = schema_of(proto).unwrap().message("t.Holder").unwrap();
    for json in [
        r#"{"any":{"@type":"x/google.rpc.ErrorInfo","reason":"a","metadata":{"b":"c"}},"name":"d"}"#,
        r#"{"any":{"@type":"x/google.rpc.Status","details":[{"@type":"x/t.Holder","any":{"@type":"x/google.protobuf.Int32Value","value":1}}]}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1.500s"}}"#,
    ] {
        assert_eq!(read(&holder, json.as_bytes(), &Ignored::default()).as_deref(), Ok(json));
    }
    let unknown = r#"{"any":{"@type":"x/google.rpc.Nobody"}}"#;
    let error = read(&holder, unknown.as_bytes(), &Ignored::default()).unwrap_err();
    assert!(error.starts_with("field \"any\": expected an @type of a known message type, got "), "{error}");
}

#[test]
fn accepted_json_is_printed_back_in_canonical_form() {
    let message = all();
    for (json, canonical) in [
        ("{}", "{}"),
        (
            r#"{"aInt":1,"a_long":"2","aUint":3,"aUlong":"18446744073709551615"}"#,
            r#"{"aInt":1,"aLong":"2","aUint":3,"aUlong":"18446744073709551615"}"#,
        ),
        (r#"{"aInt":1e3,"aLong":1.0,"aSint":"-7"}"#, r#"{"aInt":1000,"aLong":"1","aSint":-7}"#),
        (r#"{"aDouble":0.1,"aFloat":"NaN"}"#, r#"{"aFloat":"NaN","aDouble":0.1}"#),
        (r#"{"aDouble":"-Infinity"}"#, r#"{"aDouble":"-Infinity"}"#),
        (r#"{"aBool":true,"aString":"\u00e9\"","aBytes":"-_8"}"#, r#"{"aBool":true,"aString":"é\"","aBytes":"+/8="}"#),
        (r#"{"aSize":"LARGE","sizes":[1,"NONE",77]}"#, r#"{"aSize":"LARGE","sizes":["SMALL","NONE",77]}"#),
        (r#"{"aInt":0,"aString":"","aSize":"NONE"}"#, "{}"),
        (r#"{"child":null,"ints":null,"counts":null,"aInt":null}"#, "{}"),
        (
            r#"{"child":{"child":{}},"children":[{},{"aInt":1}]}"#,
            r#"{"child":{"child":{}},"children":[{},{"aInt":1}]}"#,
        ),
        (
            r#"{"counts":{"a":1},"byId":{"-1":{"aInt":2}},"flags":{"true":"x"}}"#,
            r#"{"counts":{"a":1},"byId":{"-1":{"aInt":2}},"flags":{"true":"x"}}"#,
        ),
        (r#"{"one":""}"#, r#"{"one":""}"#),
        (r#"{"two":0}"#, r#"{"two":0}"#),
        (r#"{"maybe":0}"#, r#"{"maybe":0}"#),
        (r#"{"@id":"a"}"#, r#"{"@id":"a"}"#),
        (r#"{"renamed":"a"}"#, r#"{"@id":"a"}"#),
        (
            r#"{"at":"2026-01-31T12:00:00.5+01:00","took":"1.50s","mask":"aInt,child.aLong"}"#,
            r#"{"at":"2026-01-31T11:00:00.500Z","took":"1.500s","mask":"aInt,child.aLong"}"#,
        ),
        // The forms of AIP-134, AIP-157 and AIP-161.
        (r#"{"mask":"*"}"#, r#"{"mask":"*"}"#),
        (r#"{"mask":"children.*.aInt,counts.*"}"#, r#"{"mask":"children.*.aInt,counts.*"}"#),
        (
            r#"{"wrapped":"5","wrappedString":"","wrappedBytes":"AA=="}"#,
            r#"{"wrapped":"5","wrappedString":"","wrappedBytes":"AA=="}"#,
        ),
        (r#"{"wrapped":null,"anyValue":null,"nothing":null}"#, r#"{"anyValue":null}"#),
        (r#"{"anyStruct":{"a":[1,"b",null,true,{}]}}"#, r#"{"anyStruct":{"a":[1.0,"b",null,true,{}]}}"#),
    ] {
        assert_eq!(read(&message, json.as_bytes(), &Ignored::default()).as_deref(), Ok(canonical), "{json}");
    }
}

#[test]
fn refused_json_is_reported_with_position_and_reason() {
    let message = all();
    for (json, error) in [
        ("", "the body: expected a JSON value, got an empty body (line 1, column 1)"),
        ("[]", "the body: expected an object (t.All), got an array (line 1, column 1)"),
        ("null", "the body: expected an object (t.All), got null (line 1, column 1)"),
        ("{} x", "the body: expected the end of the body, got `x` (line 1, column 4)"),
        (r#"{"aInt":"two"}"#, r#"field "aInt": expected an int32, got "two" (line 1, column 9)"#),
        (r#"{"a_int":1.5}"#, "field \"a_int\": expected an int32, got 1.5 (line 1, column 10)"),
        (r#"{"aInt":2147483648}"#, "field \"aInt\": expected an int32, got 2147483648 (line 1, column 9)"),
        (r#"{"aInt":true}"#, "field \"aInt\": expected an int32, got true (line 1, column 9)"),
        (r#"{"aInt":{}}"#, "field \"aInt\": expected an int32, got an object (line 1, column 9)"),
        (r#"{"aBool":"true"}"#, r#"field "aBool": expected true or false, got "true" (line 1, column 10)"#),
        (
            r#"{"aString":1}"#,
            "field \"aString\": expected a string, got 1; put it in quotes: \"1\" (line 1, column 12)",
        ),
        (r#"{"aBytes":"*"}"#, r#"field "aBytes": expected base64, got "*" (line 1, column 11)"#),
        (r#"{"aSize":"HUGE"}"#, r#"field "aSize": expected one of NONE, SMALL, LARGE, got "HUGE" (line 1, column 10)"#),
        (r#"{"aSize":"1"}"#, r#"field "aSize": expected one of NONE, SMALL, LARGE, got "1" (line 1, column 10)"#),
        (r#"{"aDouble":1e999}"#, "field \"aDouble\": expected a double, got 1e999 (line 1, column 12)"),
        (r#"{"ints":[1,"x"]}"#, r#"field "ints[1]": expected an int32, got "x" (line 1, column 12)"#),
        (r#"{"ints":[null]}"#, "field \"ints[0]\": expected an int32, got null (line 1, column 10)"),
        (r#"{"ints":1}"#, "field \"ints\": expected an array, each element an int32, got 1 (line 1, column 9)"),
        (
            "{\"children\":[{},\n {\"child\":{\"aInt\":[]}}]}",
            "field \"children[1].child.aInt\": expected an int32, got an array (line 2, column 19)",
        ),
        (r#"{"counts":{"a":"b"}}"#, r#"field "counts.a": expected an int32, got "b" (line 1, column 16)"#),
        (
            r#"{"counts":[]}"#,
            "field \"counts\": expected an object, each value an int32, got an array (line 1, column 11)",
        ),
        (r#"{"byId":{"x":{}}}"#, r#"field "byId.x": expected a key that is an int32, got "x" (line 1, column 14)"#),
        (
            r#"{"counts":{"a":1,"a":2}}"#,
            "field \"counts.a\": repeated, but it takes only one value (line 1, column 22)",
        ),
        (
            r#"{"byId":{"1":{},"1.0":{}}}"#,
            "field \"byId.1.0\": repeated, but it takes only one value (line 1, column 23)",
        ),
        (r#"{"aInt":1,"a_int":1}"#, "field \"a_int\": repeated, but it takes only one value (line 1, column 19)"),
        (r#"{"aInt":null,"aInt":1}"#, "field \"aInt\": repeated, but it takes only one value (line 1, column 21)"),
        (
            r#"{"one":"a","two":1}"#,
            "field \"two\": only one field of the oneof \"choice\" can be set, and \"one\" already is (line 1, column 18)",
        ),
        (r#"{"nope":1}"#, "unknown field \"nope\" (line 1, column 9)"),
        (r#"{"AINT":1}"#, "unknown field \"AINT\" (did you mean \"aInt\"?) (line 1, column 9)"),
        (r#"{"child":{"nope":1}}"#, "unknown field \"child.nope\" (line 1, column 18)"),
        (
            r#"{"at":"yesterday"}"#,
            r#"field "at": expected a timestamp such as "2026-01-31T12:00:00Z", got "yesterday" (line 1, column 7)"#,
        ),
        (r#"{"took":"1"}"#, r#"field "took": expected a duration such as "1.5s", got "1" (line 1, column 9)"#),
        (r#"{"wrapped":"x"}"#, r#"field "wrapped": expected an int64, got "x" (line 1, column 12)"#),
        (
            r#"{"anyStruct":{"a":1,"a":2}}"#,
            "field \"anyStruct\": the object has two members named \"a\" (line 1, column 25)",
        ),
        (r#"{"aString":"ab}"#, "field \"aString\": expected `\"`, got the end of the JSON (line 1, column 16)"),
        (r#"{"aInt":1,}"#, "the body: trailing comma before `}`; remove the comma (line 1, column 11)"),
        (
            r#"{"card":{"number":4111111111111111}}"#,
            "field \"card.number\": expected a string, got a number (line 1, column 19)",
        ),
        (r#"{"card":{"year":"4111x"}}"#, "field \"card.year\": expected an int32, got a string (line 1, column 17)"),
        (
            r#"{"card":{"holder":1}}"#,
            "field \"card.holder\": expected a string, got 1; put it in quotes: \"1\" (line 1, column 19)",
        ),
        (
            r#"{"cards":{"4111":7}}"#,
            "field \"cards....\": expected an object (t.Card), got a number (line 1, column 18)",
        ),
    ] {
        assert_eq!(read(&message, json.as_bytes(), &Ignored::default()), Err(error.to_owned()), "{json}");
    }
}

#[test]
fn only_the_listed_unknown_members_are_ignored() {
    let message = all();
    let ignored = Ignored::new(&["fee".to_owned(), "children.note".to_owned()]);
    let read = |json: &str| read(&message, json.as_bytes(), &ignored);
    assert_eq!(
        read(r#"{"fee":{"a":[1]},"children":[{"note":"x"},{"note":1,"aInt":2}]}"#).as_deref(),
        Ok(r#"{"children":[{},{"aInt":2}]}"#)
    );
    for (json, error) in [
        (r#"{"note":1}"#, "unknown field \"note\" (line 1, column 9)"),
        (r#"{"children":[{"fee":1}]}"#, "unknown field \"children[0].fee\" (line 1, column 21)"),
        (r#"{"fee":{"a":1,"a":2}}"#, "the body: the object has two members named \"a\" (line 1, column 19)"),
    ] {
        assert_eq!(read(json), Err(error.to_owned()), "{json}");
    }
}

#[test]
fn a_text_value_is_parsed_according_to_the_type_of_its_field() {
    let message = all();
    for (field, texts, json) in [
        ("a_int", &["-5"][..], Ok(r#"{"aInt":-5}"#)),
        ("aBool", &["true"], Ok(r#"{"aBool":true}"#)),
        ("a_size", &["2"], Ok(r#"{"aSize":"LARGE"}"#)),
        ("a_size", &["SMALL"], Ok(r#"{"aSize":"SMALL"}"#)),
        ("a_bytes", &["-_8"], Ok(r#"{"aBytes":"+/8="}"#)),
        ("child.child.aLong", &["7"], Ok(r#"{"child":{"child":{"aLong":"7"}}}"#)),
        ("ints", &["1", "2"], Ok(r#"{"ints":[1,2]}"#)),
        ("at", &["2026-01-31T12:00:00Z"], Ok(r#"{"at":"2026-01-31T12:00:00Z"}"#)),
        ("took", &["1.5s"], Ok(r#"{"took":"1.500s"}"#)),
        ("mask", &["aInt,child.aLong"], Ok(r#"{"mask":"aInt,child.aLong"}"#)),
        ("wrapped", &["5"], Ok(r#"{"wrapped":"5"}"#)),
        ("a_int", &["x"], Err(r#"expected an int32, got "x""#)),
        ("a_int", &[""], Err(r#"expected an int32, got """#)),
        ("a_bool", &["TRUE"], Err(r#"expected true or false, got "TRUE""#)),
        ("a_size", &["HUGE"], Err(r#"expected one of NONE, SMALL, LARGE, got "HUGE""#)),
        ("card.year", &["4111x"], Err("expected an int32, got another text")),
    ] {
        let path = FieldPath::resolve(&message, field).unwrap();
        let mut request = Request::new(&message);
        let set = texts.iter().try_for_each(|text| request.set(&path, text, Origin::Query));
        let made = set.map(|()| print(&message, &request.encode(None).unwrap()));
        assert_eq!(made.as_deref().map_err(ToString::to_string), json.map_err(str::to_owned), "{field} {texts:?}");
    }
}

#[test]
fn raw_bytes_can_be_set_only_on_bytes_fields() {
    let message = all();
    for (field, json) in [
        ("a_bytes", Ok(r#"{"aBytes":"/w=="}"#)),
        ("wrapped_bytes", Ok(r#"{"wrappedBytes":"/w=="}"#)),
        ("a_string", Err("expected a string, got bytes")),
        ("wrapped_string", Err("expected a string, got bytes")),
        ("child", Err("expected an object (t.All), got bytes")),
    ] {
        let path = FieldPath::resolve(&message, field).unwrap();
        let mut request = Request::new(&message);
        let set = request.set(&path, Value::Bytes(b"\xff"), Origin::Query);
        let made = set.map(|()| print(&message, &request.encode(None).unwrap()));
        assert_eq!(made.as_deref().map_err(ToString::to_string), json.map_err(str::to_owned), "{field}");
    }
    let body = Value::HttpBody(HttpBody { content_type: "", data: b"" });
    let path = FieldPath::resolve(&message, "child").unwrap();
    let problem = Request::new(&message).set(&path, body, Origin::Query).unwrap_err();
    assert_eq!(problem.to_string(), "expected an object (t.All), got bytes");
}

#[test]
fn the_body_may_repeat_a_list_bound_by_the_path_but_not_change_it() {
    let message = all();
    // A packed list, a packed list of enums, and a list with a tag for each value.
    for (field, texts, same, others) in [
        ("ints", ["1", "-2"], "[1,-2]", ["[1]", "[1,-2,3]", "[-2,1]", "[]"]),
        ("sizes", ["SMALL", "2"], "[1,\"LARGE\"]", ["[1]", "[1,2,0]", "[2,1]", "[]"]),
        ("tags", ["a", ""], "[\"a\",\"\"]", ["[\"a\"]", "[\"a\",\"\",\"\"]", "[\"\",\"a\"]", "[]"]),
    ] {
        let path = FieldPath::resolve(&message, field).unwrap();
        let mut request = Request::new(&message);
        texts.iter().for_each(|text| request.set(&path, text, Origin::Path).unwrap());
        let encode = |list: &str| {
            let text = format!("{{\"{field}\":{list}}}");
            request.encode(Some(Body { text: text.as_bytes(), field: None, ignored: &Ignored::default() }))
        };
        for says_the_same in [same, "null"] {
            assert_eq!(encode(says_the_same), request.encode(None), "{field} {says_the_same}");
        }
        for other in others {
            let conflict = RequestError::Conflict { field: field.to_owned(), origin: Origin::Path };
            assert_eq!(encode(other), Err(conflict), "{field} {other}");
        }
    }
}

#[test]
fn a_field_path_deeper_than_the_message_limit_is_refused() {
    let message = all();
    let set = |levels: usize, leaf: &str| {
        let path = FieldPath::resolve(&message, &format!("{}{leaf}", "child.".repeat(levels))).unwrap();
        let mut request = Request::new(&message);
        request.set(&path, "7", Origin::Query).map(|()| request.encode(None).unwrap())
    };
    // A wrapper is a message itself, so it is one level deeper.
    for (levels, leaf) in [(99, "a_long"), (98, "wrapped")] {
        let wire = set(levels, leaf).unwrap();
        assert!(reply(&message, &wire, &Print::default()).is_ok(), "{leaf}");
        assert!(DynamicMessage::decode(oracle(), wire.as_slice()).is_ok(), "{leaf}");
        for levels in [levels + 1, 20_000] {
            assert_eq!(set(levels, leaf), Err(FieldProblem::Depth), "{leaf} {levels}");
        }
    }
}

proptest! {
    /// Whatever our reader accepts means the same to prost-reflect's. (That one accepts more, duplicates for example.)
    #[test]
    fn json_is_read_and_printed_as_the_oracle_does(
        int in any::<i32>(), long in any::<i64>(), double in any::<f64>(), text in ".{0,8}",
        ints in proptest::collection::vec(any::<i32>(), 0..4), depth in 0usize..4,
    ) {
        let message = all();
        let double = if double.is_finite() { serde_json::json!(double) } else { serde_json::json!("NaN") };
        let mut value = serde_json::json!({
            "aInt": int, "aLong": long, "aDouble": double, "aString": text, "ints": ints, "counts": { text: int },
        });
        for _ in 0..depth {
            value = serde_json::json!({ "child": value.clone(), "children": [value, {}] });
        }
        let json = value.to_string();
        let oracle = oracle();
        let ours = encode(&message, json.as_bytes(), &Ignored::default()).unwrap();
        let theirs = DynamicMessage::deserialize(oracle.clone(), value).unwrap();
        // Compared as text, because a message that holds NaN is not equal to itself.
        let ours_read = DynamicMessage::decode(oracle.clone(), ours.as_slice()).unwrap();
        prop_assert_eq!(ours_read.to_string(), theirs.to_string());
        let printed = print(&message, &theirs.encode_to_vec());
        let printed = DynamicMessage::deserialize(oracle, &mut serde_json::Deserializer::from_str(&printed)).unwrap();
        prop_assert_eq!(printed.to_string(), theirs.to_string());
    }

    #[test]
    fn random_json_never_panics(text in r#"[{}\[\]:,"0-9a-zA-Z\\.\- ]{0,40}"#) {
        let _ = read(&all(), text.as_bytes(), &Ignored::default());
    }
}
