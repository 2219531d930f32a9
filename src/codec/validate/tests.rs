//! Every rule with a value that passes and one that does not, and every kind of wrong rules.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use prost_reflect::{DynamicMessage, MapKey, MessageDescriptor, Value as Dynamic};

use super::*;
use crate::codec::tests::descriptor_of;
use crate::codec::{Body, Ignored, Request};
use crate::format::problem::Problem;
use crate::schema::{Schema, schema_of};

pub(super) const PROTO: &str = r#"
syntax = "proto3";
package t;
import "google/protobuf/duration.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
enum Color { NONE = 0; RED = 1; BLUE = 5; }
message Leaf { string name = 1; int32 size = 2; }
message All {
  string s = 1;
  optional string os = 2;
  bytes b = 3;
  int32 i32 = 4;
  sint64 s64 = 5;
  fixed64 f64 = 6;
  double d = 7;
  float f = 8;
  bool t = 9;
  Color c = 10;
  repeated string rs = 11;
  repeated int32 ri = 12;
  map<string, int32> m = 13;
  map<int32, Leaf> lm = 14;
  Leaf leaf = 15;
  repeated Leaf leaves = 16;
  google.protobuf.Timestamp at = 17;
  google.protobuf.Duration for = 18;
  google.protobuf.StringValue w = 19;
  oneof pick { string one = 20; Leaf two = 21; int32 three = 22; }
  All next = 23;
  uint32 big_number = 200;
}
"#;

/// Rules on one line as YAML's flow style has them, without quotes: only for tests.
fn tree(text: &str) -> Tree {
    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    of_json(&json, "")
}

fn of_json(json: &serde_json::Value, place: &str) -> Tree {
    use serde_json::Value;
    let value = match json {
        Value::Null => TreeValue::Nothing,
        Value::String(text) => TreeValue::Text(text.clone()),
        Value::Array(items) => TreeValue::List(items.iter().map(|item| of_json(item, place)).collect()),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let place = format!("{place}/{name}");
                Member { name: name.clone(), place: place.clone(), value: of_json(value, &place) }
            };
            TreeValue::Map(members.iter().map(member).collect())
        }
        other => TreeValue::Text(other.to_string()),
    };
    Tree { place: place.to_owned(), value }
}

fn rules(text: &str) -> Vec<MessageRules> {
    let TreeValue::Map(messages) = tree(text).value else { panic!("{text}") };
    let rules = |Member { name, place, value }| MessageRules { message: name, place, fields: value };
    messages.into_iter().map(rules).collect()
}

pub(super) fn compiled(schema: &Schema, text: &str) -> Result<Arc<Validator>, Vec<Problem>> {
    Validator::compile(schema, &Sources { rules: rules(text), ..Sources::default() }).map(Arc::new)
}

pub(super) fn wire(schema: &Schema, json: &str) -> Vec<u8> {
    let message = schema.message("t.All").unwrap();
    let body = Body { text: json.as_bytes(), field: None, ignored: &Ignored::default() };
    Request::new(&message).encode(Some(body)).unwrap_or_else(|error| panic!("{error:?}: {json}"))
}

/// `field rule: expected`, one line each.
pub(super) fn lines(violations: &Violations) -> Vec<String> {
    let line = |Violation { field, rule, expected }: &Violation| format!("{field} {rule}: {expected}");
    violations.list.iter().map(line).collect()
}

fn violations(schema: &Schema, rules: &str, wire: &[u8]) -> Vec<String> {
    let validator = compiled(schema, rules).unwrap_or_else(|problems| panic!("{problems:?}: {rules}"));
    let checks = validator.of(&schema.message("t.All").unwrap());
    lines(&checks.unwrap_or_else(|| panic!("{rules}")).violations(wire))
}

#[test]
fn messages_are_checked_wherever_they_stand_and_every_violation_is_listed() {
    let schema = schema_of(PROTO).unwrap();
    let rules = r#"{"t.Leaf":{"name":{"required":true},"size":{"int32":{"lt":10}}}}"#;
    let json = r#"{"leaf":{"size":10},"leaves":[{"name":"a"},{}],"lm":{"7":{"size":11}},"two":{},"next":{"leaf":{}}}"#;
    let missing = |field: &str| format!("{field}.name required: this field is required");
    let large = |field: &str| format!("{field}.size int32.lt: expected a number less than 10");
    let mut expected = vec![missing("leaf"), large("leaf"), missing("leaves[1]"), missing("lm[7]"), large("lm[7]")];
    expected.extend([missing("two"), missing("next.leaf")]);
    let mut found = violations(&schema, rules, &wire(&schema, json));
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let ignored = r#"{"t.Leaf":{"name":{"required":true}},"t.All":{"leaf":{"ignore":"IGNORE_ALWAYS"}}}"#;
    assert_eq!(violations(&schema, ignored, &wire(&schema, r#"{"leaf":{}}"#)), [""; 0]);
}

#[test]
fn violations_are_limited_and_malformed_messages_are_one() {
    let schema = schema_of(PROTO).unwrap();
    let validator = compiled(&schema, r#"{"t.All":{"rs":{"repeated":{"items":{"string":{"min_len":1}}}}}}"#).unwrap();
    let checks = validator.of(&schema.message("t.All").unwrap()).unwrap();
    let found = checks.violations(&b"\x5a\0".repeat(1000));
    assert_eq!((found.list.len(), found.is_cut), (MOST_VIOLATIONS, true));
    assert_eq!(found.list[31].field, "rs[31]");
    let rules = r#"{"t.All":{"s":{"string":{"min_len":1}},"next":{"required":false}}}"#;
    for (wire, line) in [
        (&b"\x0a\x02a"[..], "s message.malformed: not a message of its type: the message ends inside a value"),
        (b"\x0a\x01\xff", "s string.utf8: expected text in UTF-8"),
        (
            b"\x0a\x01a\xba\x01\x02\x0a\x05",
            "next.s message.malformed: not a message of its type: the message ends inside a value",
        ),
    ] {
        assert_eq!(violations(&schema, rules, wire), [line], "{wire:?}");
    }
    let deep = (0..200).fold(Vec::new(), |inner, _| {
        let mut outer = b"\x0a\x01a".to_vec();
        crate::format::wire::put_tag(&mut outer, 23, 2);
        crate::format::wire::put_bytes(&mut outer, &inner);
        outer
    });
    let found = violations(&schema, rules, &deep);
    assert!(found.len() == 1 && found[0].ends_with("groups are nested too deep"), "{found:?}");
}

#[test]
fn keys_of_maps_are_shown_short_and_without_control_characters() {
    let schema = schema_of(PROTO).unwrap();
    let rules = r#"{"t.All":{"m":{"map":{"values":{"int32":{"gt":0}}}}}}"#;
    let key = format!("a\\n\\\"]{}", "b".repeat(100));
    let found = violations(&schema, rules, &wire(&schema, &format!(r#"{{"m":{{"{key}":0}}}}"#)));
    assert_eq!(found, [format!("m[\"a???{}\"] int32.gt: expected a number greater than 0", "b".repeat(60))]);
    let violation = |field: &str| Violation { field: field.into(), rule: "int32.gt".into(), expected: String::new() };
    assert_eq!(violation(r#"a["b"].c[1].d["e"]"#).field_without_keys(), "a[...].c[1].d[...]");
    assert_eq!(violation("a").reason(), "INT32_GT");
}

#[test]
fn wrong_rules_are_all_reported_with_their_places() {
    let schema = schema_of(PROTO).unwrap();
    for (rules, problem) in [
        (r#"{"t.Al":{}}"#, "/t.Al: the schema has no message `t.Al`; did you mean `t.All`?"),
        (r#"{"t.All":{"nmae":{}}}"#, "/t.All/nmae: message t.All has no field `nmae`"),
        (r#"{"t.Leaf":{"nmae":{}}}"#, "/t.Leaf/nmae: message t.Leaf has no field `nmae`; did you mean `name`?"),
        (r#"{"t.All":[]}"#, "/t.All: t.All: expected a map of fields, found a list"),
        (r#"{"t.All":{"s":"required"}}"#, "/t.All/s: s: expected a map of rules, found `required`"),
        (
            r#"{"t.All":{"s":{"int32":{"gt":1}}}}"#,
            "/t.All/s/int32: int32: these rules are for another type of field; for s, expected `string`",
        ),
        (
            r#"{"t.All":{"leaf":{"string":{}}}}"#,
            "/t.All/leaf/string: string: these rules are for another type of field; for leaf, expected no rules of a type",
        ),
        (r#"{"t.All":{"s":{"requierd":true}}}"#, "/t.All/s/requierd: requierd: unknown rule; did you mean `required`?"),
        (
            r#"{"t.All":{"s":{"string":{"minlen":1}}}}"#,
            "/t.All/s/string/minlen: minlen: unknown rule; did you mean `min_len`?",
        ),
        (r#"{"t.All":{"s":{"required":1}}}"#, "/t.All/s/required: required: expected `true` or `false`, found `1`"),
        (
            r#"{"t.All":{"s":{"ignore":"never"}}}"#,
            "/t.All/s/ignore: ignore: expected `IGNORE_UNSPECIFIED`, `IGNORE_IF_ZERO_VALUE` or `IGNORE_ALWAYS`, found `never`",
        ),
        (
            r#"{"t.All":{"s":{"string":{"pattern":"a("}}}}"#,
            "/t.All/s/string/pattern: pattern: `a(` is not a regular expression: unclosed group",
        ),
        (r#"{"t.All":{"s":{"string":{"in":[]}}}}"#, "/t.All/s/string/in: in: expected a list of values, found a list"),
        (
            r#"{"t.All":{"s":{"string":{"min_len":3,"max_len":2}}}}"#,
            "/t.All/s/string: string: these rules contradict each other: no value passes all of them",
        ),
        (
            r#"{"t.All":{"s":{"string":{"const":"abc","max_len":2}}}}"#,
            "/t.All/s/string: string: these rules contradict each other: no value passes all of them",
        ),
        (
            r#"{"t.All":{"s":{"string":{"in":["abc"],"email":true}}}}"#,
            "/t.All/s/string: string: these rules contradict each other: no value passes all of them",
        ),
        (
            r#"{"t.All":{"i32":{"int32":{"gt":1,"lt":2}}}}"#,
            "/t.All/i32/int32: int32: these rules contradict each other: no value passes all of them",
        ),
        (
            r#"{"t.All":{"i32":{"int32":{"gt":2147483647}}}}"#,
            "/t.All/i32/int32: int32: these rules contradict each other: no value passes all of them",
        ),
        (
            r#"{"t.All":{"i32":{"int32":{"gt":1,"gte":2}}}}"#,
            "/t.All/i32/int32: int32: expected only one of `gt` and `gte`, and one of `lt` and `lte`",
        ),
        (
            r#"{"t.All":{"i32":{"int32":{"gt":2147483648}}}}"#,
            "/t.All/i32/int32/gt: gt: expected an int32, found `2147483648`",
        ),
        (
            r#"{"t.All":{"d":{"double":{"gt":1,"lt":1}}}}"#,
            "/t.All/d/double: double: these rules contradict each other: no value passes all of them",
        ),
        (
            r#"{"t.All":{"c":{"enum":{"in":["GREEN"]}}}}"#,
            "/t.All/c/enum/in: in: expected a value of t.Color, found `GREEN`",
        ),
        (
            r#"{"t.All":{"leaves":{"repeated":{"unique":true}}}}"#,
            "/t.All/leaves/repeated: unique: messages cannot be compared; this rule is for lists of single values",
        ),
        (
            r#"{"t.All":{"rs":{"repeated":{"min_items":2,"max_items":1}}}}"#,
            "/t.All/rs/repeated: repeated: these rules contradict each other: no value passes all of them",
        ),
        (
            r#"{"t.All":{"at":{"timestamp":{"gt":"today"}}}}"#,
            "/t.All/at/timestamp/gt: gt: expected a time such as `2026-01-31T11:00:00Z`, found `today`",
        ),
        (r#"{"t.All":{"pick":{"optional":true}}}"#, "/t.All/pick/optional: optional: unknown rule"),
    ] {
        let problems = compiled(&schema, rules).unwrap_err();
        assert_eq!(problems.iter().map(Problem::to_string).collect::<Vec<_>>(), [problem], "{rules}");
    }
    let several = r#"{"t.All":{"s":{"string":{"minlen":1,"pattern":"("}},"x":{}},"t.No":{}}"#;
    assert_eq!(compiled(&schema, several).unwrap_err().len(), 4);
    let again: Vec<MessageRules> = [rules(r#"{"t.All":{}}"#), rules(r#"{"t.All":{}}"#)].concat();
    let problems = Validator::compile(&schema, &Sources { rules: again, ..Sources::default() }).unwrap_err();
    assert_eq!(problems[0].to_string(), "/t.All: `t.All` already has rules, at /t.All");
}

/// Rules of every shape, for the comparison with what they mean to a reader of whole messages.
const ORACLE_RULES: &str = r#"{
  "t.Leaf": {"name": {"required": true}, "size": {"int32": {"lt": 100}}},
  "t.All": {
    "s": {"string": {"min_len": 2, "max_len": 4}},
    "os": {"string": {"min_len": 1}},
    "i32": {"int32": {"gte": -5, "lte": 5}},
    "rs": {"repeated": {"max_items": 2, "unique": true, "items": {"string": {"min_len": 1}}}},
    "ri": {"repeated": {"min_items": 1, "items": {"int32": {"not_in": [7]}}}},
    "m": {"map": {"min_pairs": 1, "max_pairs": 1}},
    "leaf": {"required": true},
    "leaves": {"repeated": {"max_items": 1}},
    "pick": {"required": true}
  }
}"#;

/// What the rules mean, field by field, for a message that was read as a whole.
fn expected_of(message: &DynamicMessage) -> Vec<String> {
    let mut all = Vec::new();
    let mut unless = |passes: bool, line: &str| all.extend((!passes).then(|| line.to_owned()));
    let text = |name: &str| message.get_field_by_name(name).unwrap().as_str().unwrap().chars().count();
    unless(text("s") >= 2, "s string.min_len");
    unless(text("s") <= 4, "s string.max_len");
    unless(!message.has_field_by_name("os") || text("os") >= 1, "os string.min_len");
    let number = message.get_field_by_name("i32").unwrap().as_i32().unwrap();
    unless((-5..=5).contains(&number), "i32 int32.gte_lte");
    let rs = message.get_field_by_name("rs").unwrap().into_owned();
    let rs: Vec<&str> = rs.as_list().unwrap().iter().map(|item| item.as_str().unwrap()).collect();
    unless(rs.len() <= 2, "rs repeated.max_items");
    unless((1..rs.len()).all(|at| !rs[..at].contains(&rs[at])), "rs repeated.unique");
    for (at, item) in rs.iter().enumerate() {
        unless(!item.is_empty(), &format!("rs[{at}] string.min_len"));
    }
    let ri = message.get_field_by_name("ri").unwrap().into_owned();
    unless(!ri.as_list().unwrap().is_empty(), "ri repeated.min_items");
    for (at, item) in ri.as_list().unwrap().iter().enumerate() {
        unless(item.as_i32() != Some(7), &format!("ri[{at}] int32.not_in"));
    }
    let pairs = message.get_field_by_name("m").unwrap().as_map().unwrap().len();
    unless(pairs >= 1, "m map.min_pairs");
    unless(pairs <= 1, "m map.max_pairs");
    let leaves = message.get_field_by_name("leaves").unwrap().into_owned();
    unless(leaves.as_list().unwrap().len() <= 1, "leaves repeated.max_items");
    unless(message.has_field_by_name("leaf"), "leaf required");
    unless(["one", "two", "three"].iter().any(|name| message.has_field_by_name(name)), "pick required");
    let mut leaf = |leaf: &Dynamic, place: &str| {
        let leaf = leaf.as_message().unwrap();
        unless(leaf.has_field_by_name("name"), &format!("{place}.name required"));
        unless(leaf.get_field_by_name("size").unwrap().as_i32().unwrap() < 100, &format!("{place}.size int32.lt"));
    };
    for name in ["leaf", "two"] {
        if message.has_field_by_name(name) {
            leaf(&message.get_field_by_name(name).unwrap(), name);
        }
    }
    leaves.as_list().unwrap().iter().enumerate().for_each(|(at, item)| leaf(item, &format!("leaves[{at}]")));
    for (key, item) in message.get_field_by_name("lm").unwrap().as_map().unwrap() {
        let MapKey::I32(key) = key else { panic!("{key:?}") };
        leaf(item, &format!("lm[{key}]"));
    }
    all.sort();
    all
}

static CHECKS: LazyLock<Checks> = LazyLock::new(|| {
    let schema = schema_of(PROTO).unwrap();
    compiled(&schema, ORACLE_RULES).unwrap().of(&schema.message("t.All").unwrap()).unwrap()
});
static DESCRIPTOR: LazyLock<MessageDescriptor> = LazyLock::new(|| descriptor_of(PROTO));

/// Fields in wire format, from which messages are put together in any order: repeated, in pieces, packed or not.
const FRAGMENTS: &[&[u8]] = &[
    b"\x0a\x00",
    b"\x0a\x01a",
    b"\x0a\x03abc",
    b"\x0a\x05abcde",
    b"\x12\x00",
    b"\x12\x01b",
    b"\x20\x06",
    b"\x20\x03",
    b"\x20\xf0\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x5a\x01a",
    b"\x5a\x01b",
    b"\x5a\x00",
    b"\x60\x07",
    b"\x60\x01",
    b"\x62\x03\x01\x07\x02",
    b"\x6a\x05\x0a\x01k\x10\x01",
    b"\x6a\x05\x0a\x01k\x10\x02",
    b"\x6a\x05\x0a\x01l\x10\x01",
    b"\x7a\x03\x0a\x01n",
    b"\x7a\x02\x10\x05",
    b"\x7a\x03\x10\xc8\x01",
    b"\x82\x01\x00",
    b"\x82\x01\x03\x0a\x01n",
    b"\xa2\x01\x01o",
    b"\xaa\x01\x03\x0a\x01n",
    b"\xaa\x01\x02\x10\x01",
    b"\xaa\x01\x03\x10\xc8\x01",
    b"\xb0\x01\x00",
    b"\xc0\x0c\x01",
];

proptest! {
    #[test]
    fn violations_are_those_of_the_message_that_other_readers_see(
        parts in proptest::collection::vec(0..FRAGMENTS.len(), 0..16), entries in proptest::collection::btree_map(0..3_u8, any::<bool>(), 0..3),
    ) {
        let mut wire: Vec<u8> = parts.iter().flat_map(|at| FRAGMENTS[*at]).copied().collect();
        for (key, is_named) in entries {
            let leaf: &[u8] = if is_named { b"\x12\x03\x0a\x01n" } else { b"\x12\x00" };
            wire.extend([0x72, 2 + leaf.len() as u8, 0x08, key]);
            wire.extend(leaf);
        }
        let message = DynamicMessage::decode(DESCRIPTOR.clone(), wire.as_slice()).unwrap();
        let rule_only = |line: String| line.split(':').next().unwrap_or_default().to_owned();
        let mut found: Vec<String> = lines(&CHECKS.violations(&wire)).into_iter().map(rule_only).collect();
        found.sort();
        prop_assert_eq!(found, expected_of(&message));
    }

    #[test]
    fn any_bytes_are_checked_without_a_panic(wire in proptest::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(CHECKS.violations(&wire).list.len() <= MOST_VIOLATIONS);
    }
}
