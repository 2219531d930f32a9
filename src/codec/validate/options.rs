//! Rules in descriptors: the options of `buf.validate` as trees, and `google.api.field_behavior`.
//!
//! The numbers are those of buf/validate/validate.proto. A number that is not known here, such as that of a predefined
//! rule of somebody's own, is a problem: nothing is left out silently.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::option_tables::{FIELD, MESSAGE, NUMBERS, ONEOF, PREDEFINED_RULES, Rule, Value, message_of};
use super::raw::all_texts;
use super::tree::{Extended, Member, Tree, TreeValue};
use crate::codec::time::{Span, put_duration, put_timestamp};
use crate::format::wire::{self, LENGTH, Reader, WireError};

/// Why rules in descriptors cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum OptionError {
    #[error("the rules are not in wire format: {0}")]
    Wire(#[from] WireError),
    #[error("rule number {0} is not known")]
    Unknown(u32),
    #[error("rule `{0}` has a value that it cannot have")]
    Value(&'static str),
}

/// The rules of a field.
pub(super) fn of_field(rules: &[u8], place: &str) -> Result<Tree, OptionError> {
    Reading { place }.map(rules, FIELD)
}

/// The expressions of a predefined rule.
pub(super) fn of_predefined(rules: &[u8], place: &str) -> Result<Tree, OptionError> {
    Reading { place }.map(rules, PREDEFINED_RULES)
}

/// The rules of a message as a whole.
pub(super) fn of_message(rules: &[u8], place: &str) -> Result<Tree, OptionError> {
    Reading { place }.map(rules, MESSAGE)
}

/// The rules of a oneof.
pub(super) fn of_oneof(rules: &[u8], place: &str) -> Result<Tree, OptionError> {
    Reading { place }.map(rules, ONEOF)
}

/// The first number that an extension may have in the messages of rules.
const FIRST_EXTENSION: u32 = 1000;

/// The name of predefined rules in a tree.
pub(super) const PREDEFINED: &str = "(predefined)";

/// What is done with extensions of a message of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extensions {
    /// They are read elsewhere.
    Skip,
    Refuse,
}

/// The numbers of the extensions in rules of a type.
fn extensions_in(rules: &[u8]) -> Result<Vec<u32>, WireError> {
    let mut numbers = Vec::new();
    let mut reader = Reader::new(rules);
    while !reader.is_empty() {
        let (number, wire_type) = reader.tag()?;
        reader.skip(number, wire_type)?;
        if number >= FIRST_EXTENSION && !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    Ok(numbers)
}

struct Reading<'p> {
    place: &'p str,
}

impl Reading<'_> {
    fn tree(&self, value: TreeValue) -> Tree {
        Tree { place: self.place.to_owned(), value }
    }

    fn text(&self, text: impl ToString) -> Tree {
        self.tree(TreeValue::Text(text.to_string()))
    }

    fn map(&self, rules: &[u8], known: &[Rule]) -> Result<Tree, OptionError> {
        let known = |number| known.iter().find(|rule| rule.number == number).map(|rule| (rule.name, rule.value));
        self.fields(rules, known, Extensions::Refuse)
    }

    /// The rules of a type, without their extensions.
    fn of_type(&self, rules: &[u8], known: &[Rule]) -> Result<Tree, OptionError> {
        let known = |number| known.iter().find(|rule| rule.number == number).map(|rule| (rule.name, rule.value));
        self.fields(rules, known, Extensions::Skip)
    }

    fn numbers(&self, rules: &[u8], of: Value) -> Result<Tree, OptionError> {
        let known = |number| match number {
            1..=7 => Some((NUMBERS[number as usize - 1], of)),
            8 if matches!(of, Value::Float | Value::Double) => Some(("finite", Value::Truth)),
            8 | 9 => Some(("example", Value::Other)),
            _ => None,
        };
        self.fields(rules, known, Extensions::Skip)
    }

    /// A message of rules. A rule that occurs again is joined with the first: lists grow, messages are merged, and
    /// otherwise the last counts.
    fn fields(
        &self,
        rules: &[u8],
        known: impl Fn(u32) -> Option<(&'static str, Value)>,
        extensions: Extensions,
    ) -> Result<Tree, OptionError> {
        let mut members: Vec<Member> = Vec::new();
        let mut nested: Vec<(&'static str, Vec<u8>)> = Vec::new();
        let mut reader = Reader::new(rules);
        while !reader.is_empty() {
            let (number, wire_type) = reader.tag()?;
            let Some((name, value)) = known(number) else {
                if extensions == Extensions::Skip && number >= FIRST_EXTENSION {
                    reader.skip(number, wire_type)?;
                    continue;
                }
                return Err(OptionError::Unknown(number));
            };
            if matches!(value, Value::Rules(_) | Value::Numbers(_) | Value::Field) && wire_type == LENGTH {
                let piece = reader.bytes()?;
                match nested.iter_mut().find(|(other, _)| *other == name) {
                    Some((_, before)) => before.extend_from_slice(piece),
                    None => nested.push((name, piece.to_vec())),
                }
                continue;
            }
            let is_list = matches!(name, "in" | "not_in") || matches!(value, Value::Each(_) | Value::Texts);
            let values = self.values(&mut reader, Field { number, wire_type, name, value, is_list })?;
            match members.iter_mut().find(|member| member.name == name) {
                Some(Member { value: Tree { value: TreeValue::List(items), .. }, .. }) => items.extend(values),
                Some(member) => member.value = values.into_iter().next_back().unwrap_or(self.tree(TreeValue::Nothing)),
                None => {
                    let value = if is_list {
                        self.tree(TreeValue::List(values))
                    } else {
                        values.into_iter().next_back().unwrap_or(self.tree(TreeValue::Nothing))
                    };
                    members.push(self.member(name, value));
                }
            }
        }
        for (name, bytes) in nested {
            // The name was found by its number before.
            let value = (1..=u32::from(u8::MAX)).filter_map(&known).find(|(other, _)| *other == name);
            let tree = match value {
                Some((_, Value::Rules(known))) => self.of_type(&bytes, known)?,
                Some((_, Value::Numbers(of))) => self.numbers(&bytes, *of)?,
                _ => self.map(&bytes, FIELD)?,
            };
            members.push(self.member(name, tree));
            let numbers = extensions_in(&bytes)?;
            if let (false, Some(of)) = (numbers.is_empty(), message_of(name)) {
                let extended = Extended { of, numbers, rules: bytes };
                members.push(self.member(PREDEFINED, self.tree(TreeValue::Predefined(extended))));
            }
        }
        Ok(self.tree(TreeValue::Map(members)))
    }

    fn member(&self, name: &str, value: Tree) -> Member {
        Member { name: name.to_owned(), place: self.place.to_owned(), value }
    }

    /// The values of one occurrence of a rule: one, or those of a packed list.
    fn values(&self, reader: &mut Reader<'_>, field: Field) -> Result<Vec<Tree>, OptionError> {
        let Field { number, wire_type, value, is_list, .. } = field;
        if matches!(value, Value::Other) {
            reader.skip(number, wire_type)?;
            return Ok(vec![self.text("...")]);
        }
        let own = value.wire_type();
        if is_list && wire_type == LENGTH && own != LENGTH {
            let mut packed = Reader::new(reader.bytes()?);
            let mut values = Vec::new();
            while !packed.is_empty() {
                values.push(self.value(&mut packed, field)?);
            }
            return Ok(values);
        }
        if wire_type != own {
            return Err(OptionError::Value(field.name));
        }
        Ok(vec![self.value(reader, field)?])
    }

    fn value(&self, reader: &mut Reader<'_>, Field { name, value, .. }: Field) -> Result<Tree, OptionError> {
        Ok(match value {
            Value::Number => self.text(reader.varint()?),
            Value::Int32 => self.text(reader.varint()? as i32),
            Value::Int64 => self.text(reader.varint()? as i64),
            Value::Sint => self.text(wire::unzigzag(reader.varint()?)),
            Value::Truth => self.text(reader.varint()? != 0),
            Value::Fixed32 => self.text(reader.fixed32()?),
            Value::Fixed64 => self.text(reader.fixed64()?),
            Value::Sfixed32 => self.text(reader.fixed32()? as i32),
            Value::Sfixed64 => self.text(reader.fixed64()? as i64),
            Value::Float => self.text(as_in_json(f32::from_bits(reader.fixed32()?).to_string())),
            Value::Double => self.text(as_in_json(f64::from_bits(reader.fixed64()?).to_string())),
            Value::Text | Value::Texts => {
                self.text(std::str::from_utf8(reader.bytes()?).map_err(|_| OptionError::Value(name))?)
            }
            Value::Bytes => self.text(STANDARD.encode(reader.bytes()?)),
            Value::Regex => self.text(match reader.varint()? {
                0 => "KNOWN_REGEX_UNSPECIFIED",
                1 => "KNOWN_REGEX_HTTP_HEADER_NAME",
                2 => "KNOWN_REGEX_HTTP_HEADER_VALUE",
                _ => return Err(OptionError::Value(name)),
            }),
            Value::Each(known) => self.map(reader.bytes()?, known)?,
            Value::Mask => {
                let paths = all_texts(reader.bytes()?)?;
                self.tree(TreeValue::List(paths.into_iter().map(|path| self.text(path)).collect()))
            }
            Value::Ignore => self.text(match reader.varint()? {
                0 => "IGNORE_UNSPECIFIED",
                1 => "IGNORE_IF_ZERO_VALUE",
                3 => "IGNORE_ALWAYS",
                _ => return Err(OptionError::Value(name)),
            }),
            Value::Duration | Value::Timestamp => {
                let span = Span::read(reader.bytes()?)?;
                let mut text = Vec::new();
                let is_written = match value {
                    Value::Duration => put_duration(&mut text, span),
                    _ => put_timestamp(&mut text, span),
                };
                let text = String::from_utf8(text).ok().filter(|_| is_written).ok_or(OptionError::Value(name))?;
                self.text(text.trim_matches('"'))
            }
            Value::Rules(_) | Value::Numbers(_) | Value::Field | Value::Other => return Err(OptionError::Value(name)),
        })
    }
}

/// A floating-point number as ProtoJSON writes it.
fn as_in_json(number: String) -> String {
    match number.as_str() {
        "inf" => "Infinity".to_owned(),
        "-inf" => "-Infinity".to_owned(),
        _ => number,
    }
}

/// A rule that is being read.
#[derive(Clone, Copy)]
struct Field {
    number: u32,
    wire_type: u8,
    name: &'static str,
    value: Value,
    is_list: bool,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::codec::validate::{Sources, Validator};
    use crate::codec::{Body, Ignored, Request};
    use crate::format::problem::Problem;
    use crate::schema::Schema;

    /// The part of buf/validate/validate.proto that the test needs.
    const RULES: &str = r#"
syntax = "proto2";
package buf.validate;
import "google/protobuf/descriptor.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/timestamp.proto";
extend google.protobuf.FieldOptions { optional FieldRules field = 1159; }
extend google.protobuf.OneofOptions { optional OneofRules oneof = 1159; }
extend google.protobuf.MessageOptions { optional MessageRules message = 1159; }
enum Ignore { IGNORE_UNSPECIFIED = 0; IGNORE_IF_ZERO_VALUE = 1; IGNORE_ALWAYS = 3; }
extend google.protobuf.FieldOptions { optional PredefinedRules predefined = 1160; }
enum KnownRegex { KNOWN_REGEX_UNSPECIFIED = 0; KNOWN_REGEX_HTTP_HEADER_NAME = 1; KNOWN_REGEX_HTTP_HEADER_VALUE = 2; }
message Rule { optional string id = 1; optional string message = 2; optional string expression = 3; }
message MessageRules { repeated string cel_expression = 5; repeated Rule cel = 3; repeated MessageOneofRule oneof = 4; }
message MessageOneofRule { repeated string fields = 1; optional bool required = 2; }
message PredefinedRules { repeated Rule cel = 1; }
message OneofRules { optional bool required = 1; }
message FieldRules {
  repeated Rule cel = 23;
  repeated string cel_expression = 29;
  optional AnyRules any = 20;
  optional FieldMaskRules field_mask = 28;
  optional bool required = 25;
  optional Ignore ignore = 27;
  optional DoubleRules double = 2;
  optional Int32Rules int32 = 3;
  optional SInt64Rules sint64 = 8;
  optional Fixed32Rules fixed32 = 9;
  optional StringRules string = 14;
  optional BytesRules bytes = 15;
  optional EnumRules enum = 16;
  optional RepeatedRules repeated = 18;
  optional MapRules map = 19;
  optional DurationRules duration = 21;
  optional TimestampRules timestamp = 22;
}
message DoubleRules { optional double gte = 5; optional bool finite = 8; }
message Int32Rules { optional int32 lt = 2; optional int32 gte = 5; repeated int32 not_in = 7; optional int32 own = 1000; extensions 1001 to max; }
message SInt64Rules { optional sint64 gt = 4; repeated sint64 in = 6 [packed = true]; }
message Fixed32Rules { optional fixed32 lte = 3; }
message StringRules { optional uint64 min_len = 2; optional uint64 max_len = 3; optional string pattern = 6; repeated string in = 10; optional bool uuid = 22; optional KnownRegex well_known_regex = 24; optional bool strict = 25; optional bool ipv4_prefix = 30; extensions 1000 to max; }
message AnyRules { repeated string in = 2; repeated string not_in = 3; }
message FieldMaskRules { optional google.protobuf.FieldMask const = 1; repeated string in = 2; repeated string not_in = 3; }
message BytesRules { optional bytes prefix = 5; }
message EnumRules { optional bool defined_only = 2; repeated int32 in = 3; }
message RepeatedRules { optional uint64 max_items = 2; optional bool unique = 3; optional FieldRules items = 4; }
message MapRules { optional uint64 min_pairs = 1; optional FieldRules keys = 4; }
message DurationRules { optional google.protobuf.Duration lte = 4; }
message TimestampRules { optional google.protobuf.Timestamp gt = 5; }
"#;

    const BEHAVIOR: &str = r#"
syntax = "proto3";
package google.api;
import "google/protobuf/descriptor.proto";
enum FieldBehavior { FIELD_BEHAVIOR_UNSPECIFIED = 0; OPTIONAL = 1; REQUIRED = 2; }
extend google.protobuf.FieldOptions { repeated FieldBehavior field_behavior = 1052; }
"#;

    /// Predefined rules.
    const OWN: &str = r#"
syntax = "proto2";
package own;
import "buf/validate/validate.proto";
extend buf.validate.StringRules {
  optional string starts = 1001 [(buf.validate.predefined).cel = {id: "string.starts", expression: "this.startsWith(rule)"}];
  optional string shape = 1002 [(buf.validate.predefined).cel = {id: "string.shape", message: "bad shape", expression: "this.matches(rule)"}];
}
extend buf.validate.Int32Rules {
  optional int32 step = 1001 [(buf.validate.predefined).cel = {
    id: "int32.step", expression: "this % rule == 0 ? '' : 'not a multiple of %d from %d'.format([rule, rules.gte])"
  }];
}
"#;

    const HEAD: &str = r#"
syntax = "proto3";
package t;
import "buf/validate/validate.proto";
import "google/api/field_behavior.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/timestamp.proto";
import "own.proto";
enum Color { NONE = 0; RED = 1; }
"#;

    fn schema(messages: &str) -> Schema {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("buf/validate/validate.proto", RULES);
        write("google/api/field_behavior.proto", BEHAVIOR);
        write("own.proto", OWN);
        write("test.proto", &format!("{HEAD}{messages}"));
        Schema::load(&[folder.path().to_owned()]).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    fn sources(protovalidate: bool, field_behavior: bool) -> Sources {
        Sources { protovalidate, field_behavior, ..Sources::default() }
    }

    /// `field rule`, one line each.
    fn found(schema: &Schema, sources: &Sources, json: &str) -> Vec<String> {
        let message = schema.message("t.A").unwrap();
        let body = Body { text: json.as_bytes(), field: None, ignored: &Ignored::default() };
        let wire = Request::new(&message).encode(Some(body)).unwrap_or_else(|error| panic!("{error:?}: {json}"));
        let validator = Validator::compile(schema, sources).unwrap_or_else(|problems| panic!("{problems:?}"));
        let checks = Arc::new(validator).of(&message).unwrap();
        checks.violations(&wire).list.iter().map(|found| format!("{} {}", found.field, found.rule)).collect()
    }

    #[test]
    fn the_options_of_descriptors_are_rules() {
        let schema = schema(
            r#"
message A {
  string s = 1 [(buf.validate.field).string = {min_len: 1, max_len: 3}, (buf.validate.field).required = true];
  int32 i = 2 [(buf.validate.field).int32 = {gte: -5, lt: 5, not_in: [1, 2]}];
  sint64 si = 3 [(buf.validate.field).sint64 = {gt: -9, in: [-3, 0]}];
  fixed32 fi = 4 [(buf.validate.field).fixed32.lte = 7];
  double d = 5 [(buf.validate.field).double = {gte: 0.5, finite: true}, (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];
  bytes b = 6 [(buf.validate.field).bytes.prefix = "\001", (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];
  Color c = 7 [(buf.validate.field).enum.defined_only = true];
  repeated string r = 8 [(buf.validate.field).repeated = {max_items: 2, unique: true, items: {string: {pattern: "^a"}}}];
  map<string, string> m = 9 [(buf.validate.field).map = {keys: {string: {in: ["k"]}}}];
  google.protobuf.Duration du = 10 [(buf.validate.field).duration.lte = {seconds: 1, nanos: 500000000}];
  google.protobuf.Timestamp ts = 11 [(buf.validate.field).timestamp.gt = {seconds: 0}];
  oneof pick { option (buf.validate.oneof).required = true; string one = 12; string two = 13; }
  B inner = 14 [(buf.validate.field).ignore = IGNORE_ALWAYS];
  B other = 15;
}
message B { string id = 1 [(buf.validate.field).string.uuid = true]; }
"#,
        );
        let only = sources(true, false);
        let good = r#"{"s":"abc","si":"-3","fi":7,"r":["a","ab"],"m":{"k":""},"du":"1.5s","ts":"2020-01-01T00:00:00Z","one":"","inner":{}}"#;
        assert_eq!(found(&schema, &only, good), [""; 0]);
        let bad = r#"{"s":"abcd","i":2,"si":"-9","fi":8,"d":0.25,"b":"Ag==","c":9,"r":["b","b"],"m":{"x":""},"du":"2s","ts":"1970-01-01T00:00:00Z","other":{}}"#;
        let expected = [
            "r[0] string.pattern",
            "r[1] string.pattern",
            r#"m["x"] string.in"#,
            "s string.max_len",
            "i int32.not_in",
            "si sint64.gt",
            "si sint64.in",
            "fi fixed32.lte",
            "d double.gte",
            "b bytes.prefix",
            "c enum.defined_only",
            "r repeated.unique",
            "du duration.lte",
            "ts timestamp.gt",
            "other.id string.uuid_empty",
            "pick required",
        ];
        assert_eq!(found(&schema, &only, bad), expected);
    }

    #[test]
    fn expressions_and_predefined_rules_in_descriptors_are_rules() {
        let schema = schema(
            r#"
message A {
  option (buf.validate.message).cel = {id: "a.one", message: "s or i", expression: "this.s != '' || this.i != 0"};
  option (buf.validate.message).cel_expression = "this.i < 100";
  option (buf.validate.message).oneof = {fields: ["h", "p"]};
  string s = 1 [(buf.validate.field).cel = {id: "s.no", expression: "this != 'no'"}, (buf.validate.field).cel_expression = "this != 'never'"];
  int32 i = 2 [(buf.validate.field).int32 = {gte: 0, [own.step]: 5}];
  string w = 3 [(buf.validate.field).string = {[own.starts]: "w", [own.shape]: "^.{0,3}$"}, (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];
  repeated string r = 4 [(buf.validate.field).repeated.items.string = {[own.starts]: "r"}, (buf.validate.field).cel_expression = "size(this) < 3"];
  google.protobuf.Any any = 5 [(buf.validate.field).any = {in: ["type.googleapis.com/t.B"]}];
  google.protobuf.FieldMask mask = 6 [(buf.validate.field).field_mask = {in: ["a", "b.c"], not_in: ["a.x"]}];
  google.protobuf.FieldMask only = 9 [(buf.validate.field).field_mask.const = {paths: ["a"]}];
  string h = 7 [(buf.validate.field).string = {well_known_regex: KNOWN_REGEX_HTTP_HEADER_NAME, strict: false}];
  string p = 8 [(buf.validate.field).string.ipv4_prefix = true];
}
message B {}
"#,
        );
        let only = sources(true, false);
        let good = r#"{"s":"a","i":10,"w":"wx","r":["r"],"any":{"@type":"type.googleapis.com/t.B"},"mask":"a.b,b.c","only":"a","p":"10.0.0.0/8"}"#;
        assert_eq!(found(&schema, &only, good), [""; 0]);
        let bad = r#"{"i":101,"w":"xxxx","r":["r","r","x"],"any":{"@type":"type.googleapis.com/t.A"},"mask":"a.x,b","only":"b","h":"a\n","p":"10.0.0.1/8"}"#;
        let expected = [
            "r[2] string.starts",
            " this.i < 100",
            " message.oneof",
            "i int32.step",
            "w string.starts",
            "w string.shape",
            "r size(this) < 3",
            "any any.in",
            "mask field_mask.in",
            "mask field_mask.not_in",
            "h string.well_known_regex.header_name",
            "p string.ipv4_prefix",
            "only field_mask.const",
        ];
        assert_eq!(found(&schema, &only, bad), expected);
        assert_eq!(found(&schema, &only, r#"{"s":"no"}"#), ["s s.no"]);
        assert_eq!(found(&schema, &only, "{}"), [" a.one"]);
    }

    #[test]
    fn a_field_that_google_api_field_behavior_requires_must_be_set() {
        let schema = schema(
            r#"
message A {
  string s = 1 [(google.api.field_behavior) = REQUIRED];
  repeated string r = 2 [(google.api.field_behavior) = REQUIRED];
  B b = 3 [(google.api.field_behavior) = REQUIRED];
  optional int32 oi = 4 [(google.api.field_behavior) = REQUIRED];
  int32 i = 5 [(google.api.field_behavior) = REQUIRED];
  Color c = 6 [(google.api.field_behavior) = OPTIONAL];
}
message B { Color c = 1 [(google.api.field_behavior) = REQUIRED]; }
"#,
        );
        let only = sources(false, true);
        // A number without presence may be 0: nobody can tell whether it is set.
        assert_eq!(found(&schema, &only, "{}"), ["s required", "r required", "b required", "oi required"]);
        assert_eq!(found(&schema, &only, r#"{"s":"a","r":[""],"b":{},"oi":0}"#), ["b.c required"]);
    }

    #[test]
    fn options_that_are_not_supported_stop_the_start() {
        let cel = r#"message A { string s = 1 [(buf.validate.field).cel = {id: "a"}]; }"#;
        let whole = r#"message A { option (buf.validate.message).cel = {id: "a"}; string s = 1; }"#;
        let own = "message A { int32 i = 1 [(buf.validate.field).int32.own = 1]; }";
        let other = "message A { int32 i = 1 [(buf.validate.field).string.min_len = 1]; }";
        for (messages, sources, problem) in [
            (cel, sources(true, false), "t.A.s: cel: expected an `expression`"),
            (whole, sources(true, false), "t.A: cel: expected an `expression`"),
            (own, sources(true, false), "t.A.i: buf.validate.Int32Rules: rule number 1000 is not known"),
            (
                other,
                sources(true, false),
                "t.A.i: string: these rules are for another type of field; for i, expected `int32`",
            ),
            (
                "message A { string s = 1; }",
                sources(true, false),
                "validation.protovalidate: the descriptors have no `buf.validate` options; remove this key",
            ),
            (
                other,
                sources(false, true),
                "validation.field_behavior: the descriptors have no `google.api.field_behavior` options; remove this key",
            ),
        ] {
            let problems = Validator::compile(&schema(messages), &sources).unwrap_err();
            assert_eq!(problems.iter().map(Problem::to_string).collect::<Vec<_>>(), [problem], "{messages}");
        }
    }
}
