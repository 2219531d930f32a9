//! Random rules of every kind, and random messages for them.

use serde_json::{Map, Value, json};

/// A source of random choices that a seed repeats.
pub(super) struct Random(fastrand::Rng);

impl Random {
    pub(super) fn with_seed(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.0.usize(..all.len())]
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.0.usize(..many) == 0
    }
}

const HEAD: &str = r#"syntax = "proto3";
package t;
import "buf/validate/validate.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "p.proto";
enum E { E0 = 0; E1 = 1; E5 = 5; }
message L {
  string name = 1 [(buf.validate.field).string.max_len = 2];
  int32 size = 2;
}
"#;

/// A field: its type, its name, and the name of its rules.
struct Field {
    kind: &'static str,
    name: &'static str,
    rules: &'static str,
}

const fn field(kind: &'static str, name: &'static str, rules: &'static str) -> Field {
    Field { kind, name, rules }
}

const FIELDS: &[Field] = &[
    field("int32", "i32", "int32"),
    field("int64", "i64", "int64"),
    field("uint32", "u32", "uint32"),
    field("uint64", "u64", "uint64"),
    field("sint32", "s32", "sint32"),
    field("sint64", "s64", "sint64"),
    field("fixed32", "f32", "fixed32"),
    field("fixed64", "f64", "fixed64"),
    field("sfixed32", "sf32", "sfixed32"),
    field("sfixed64", "sf64", "sfixed64"),
    field("float", "fl", "float"),
    field("double", "d", "double"),
    field("bool", "b", "bool"),
    field("string", "s", "string"),
    field("string", "s2", "string"),
    field("bytes", "by", "bytes"),
    field("E", "e", "enum"),
    field("repeated string", "rs", "repeated"),
    field("repeated int32", "ri", "repeated"),
    field("repeated L", "rl", "repeated"),
    field("map<string, int32>", "ms", "map"),
    field("map<int32, L>", "ml", "map"),
    field("google.protobuf.Any", "any", "any"),
    field("google.protobuf.Duration", "du", "duration"),
    field("google.protobuf.FieldMask", "mask", "field_mask"),
    field("google.protobuf.Timestamp", "ts", "timestamp"),
    field("google.protobuf.StringValue", "ws", "string"),
    field("google.protobuf.Int32Value", "wi", "int32"),
    field("L", "l", ""),
];

/// A schema whose message `t.M` has some rules.
pub(super) fn random_schema(random: &mut Random) -> String {
    let (mut fields, mut body) = (Vec::new(), String::new());
    let chosen: Vec<usize> = (0..3).map(|_| random.0.usize(..FIELDS.len())).collect();
    for (index, field) in FIELDS.iter().enumerate() {
        let number = index + 1;
        let is_single = !field.kind.starts_with("repeated") && !field.kind.starts_with("map");
        let is_message = field.kind.contains("google") || field.kind == "L";
        let has_rules = chosen.contains(&index);
        let optional = if has_rules && is_single && !is_message && random.one_in(3) { "optional " } else { "" };
        let rules = if has_rules { field_rules(random, field) } else { String::new() };
        fields.push((has_rules, format!("  {optional}{} {} = {number}{rules};\n", field.kind, field.name)));
    }
    let message = message_rules(random);
    let required = if random.one_in(4) { " option (buf.validate.oneof).required = true;" } else { "" };
    let pick = format!(
        "  oneof pick {{{required} string p1 = 40{}; int32 p2 = 41; }}\n",
        if random.one_in(2) { field_rules(random, &field("string", "p1", "string")) } else { String::new() }
    );
    fields.iter().filter(|(has_rules, _)| !has_rules).for_each(|(_, line)| body.push_str(line));
    body.push_str("// rules\n");
    fields.iter().filter(|(has_rules, _)| *has_rules).for_each(|(_, line)| body.push_str(line));
    format!("{HEAD}message M {{\n{body}{message}{pick}}}\n")
}

/// A predefined rule. Files of proto3 cannot extend.
pub(super) const PREDEFINED: &str = r#"syntax = "proto2";
package p;
import "buf/validate/validate.proto";
extend buf.validate.StringRules {
  optional string begins = 1001 [(buf.validate.predefined).cel = {id: "string.begins", expression: "this.startsWith(rule)"}];
}
"#;

fn message_rules(random: &mut Random) -> String {
    match random.0.usize(..8) {
        0 => "  option (buf.validate.message).oneof = {fields: [\"i32\", \"s\", \"rs\"]};\n".to_owned(),
        1 => "  option (buf.validate.message).oneof = {fields: [\"l\", \"ms\", \"b\"], required: true};\n".to_owned(),
        2 => {
            let expression = random.of(EXPRESSIONS);
            format!("  option (buf.validate.message).cel = {{id: \"m.rule\", expression: \"{expression}\"}};\n")
        }
        3 => format!("  option (buf.validate.message).cel_expression = \"{}\";\n", random.of(EXPRESSIONS)),
        _ => String::new(),
    }
}

/// Expressions that have a result for every message.
const EXPRESSIONS: &[&str] = &[
    "this.s == this.s2 || this.i32 > 0",
    "this.rs.all(s, s != '') && this.ri.exists(i, i > 1)",
    "has(this.l) && this.l.name == this.s",
    "!has(this.du) || this.du < duration('1.5s')",
    "!has(this.ts) || this.ts > timestamp('2000-01-01T00:00:00Z')",
    "this.s.size() + size(this.rs) < 4",
    "this.ms.all(k, this.ms[k] != 2) ? '' : 'two'",
    "this.rs.unique() && this.ri.unique()",
    "this.rl.map(l, l.size).all(n, n < 3)",
    "this.rl.filter(l, l.name == 'a').size() < 2",
    "this.s.contains('a') == this.s.matches('a')",
    "this.u32 > 1u && this.fl < 1.0",
    "this.e == 5 || this.b",
    "has(this.ws) == (this.ws != null)",
    "has(this.wi) && this.wi > 1",
    "this.mask.paths.all(p, p != 'a')",
    "has(this.p1) || has(this.p2)",
    "this.s.isEmail() || this.s.isHostname() || this.s.isIp() || this.s.isUri()",
    "this.s.isIpPrefix() || this.s.isIpPrefix(4, true) || this.s.isHostAndPort(false)",
    "this.d.isNan() || this.d.isInf(1) || this.d.isInf(-1)",
    "this.by.startsWith(b'a') || this.by.contains(b'b') || this.by.size() == 0",
    "string(this.i32) + this.s != '1a'",
    "this.i64 % 2 == 0 || -this.i64 > 3",
    "this.ml.exists(k, this.ml[k].size > k)",
    "this.s.lowerAscii() == this.s",
];

fn field_rules(random: &mut Random, field: &Field) -> String {
    let mut parts = Vec::new();
    let type_rules = type_rules(random, field.rules, field.kind);
    if !type_rules.is_empty() && !random.one_in(8) {
        parts.push(format!("(buf.validate.field).{} = {{{type_rules}}}", field.rules));
    }
    if random.one_in(5) {
        parts.push("(buf.validate.field).required = true".to_owned());
    }
    if random.one_in(5) {
        let ignore =
            random.of(&["IGNORE_IF_ZERO_VALUE", "IGNORE_IF_ZERO_VALUE", "IGNORE_ALWAYS", "IGNORE_UNSPECIFIED"]);
        parts.push(format!("(buf.validate.field).ignore = {ignore}"));
    }
    if random.one_in(6) {
        let expression = match field.rules {
            "string" => "this != 'a'",
            "repeated" | "map" => "size(this) < 2",
            "double" | "float" => "this < 1.5",
            "bool" => "!this",
            "uint32" | "uint64" | "fixed32" | "fixed64" => "this < 3u",
            "bytes" => "this != b'a'",
            "duration" => "this > duration('0s')",
            "timestamp" => "this < now",
            "" => "this.size != 1",
            "any" | "field_mask" => "this == this",
            _ => "this % 2 == 0",
        };
        parts.push(format!("(buf.validate.field).cel = {{id: \"own\", expression: \"{expression}\"}}"));
    }
    if parts.is_empty() { String::new() } else { format!(" [{}]", parts.join(", ")) }
}

/// Rules inside of the message of rules of a type.
fn type_rules(random: &mut Random, rules: &str, kind: &str) -> String {
    match rules {
        "string" => string_rules(random),
        "bytes" => bytes_rules(random),
        "bool" => format!("const: {}", random.0.bool()),
        "enum" => random.of(&["defined_only: true", "const: 1", "in: [1, 5]", "not_in: [0, 9]"]).to_owned(),
        "repeated" => repeated_rules(random, kind),
        "map" => {
            let mut parts = Vec::new();
            if random.0.bool() {
                parts.push(format!("min_pairs: {}", random.0.u8(..2)));
            }
            if random.0.bool() {
                parts.push(format!("max_pairs: {}", random.0.u8(1..3)));
            }
            if kind.contains("string") && random.0.bool() {
                parts.push(format!("keys: {{string: {{{}}}}}", string_rules(random)));
                parts.push(format!("values: {{int32: {{{}}}}}", number_rules(random, "int32")));
            }
            parts.join(", ")
        }
        "any" => random.of(&["in: [\"type.googleapis.com/t.L\"]", "not_in: [\"type.googleapis.com/t.L\"]"]).to_owned(),
        "field_mask" => random
            .of(&[
                "const: {paths: [\"a\"]}",
                "in: [\"a\", \"b.c\"]",
                "not_in: [\"a\", \"b\"]",
                "in: [\"b\"], not_in: [\"b.c\"]",
            ])
            .to_owned(),
        "duration" => bounds(random, &["{}", "{seconds: 1}", "{seconds: 1, nanos: 500000000}", "{seconds: -2}"]),
        "timestamp" => match random.0.usize(..5) {
            0 => "lt_now: true".to_owned(),
            1 => "gt_now: true".to_owned(),
            2 => "within: {seconds: 3600}".to_owned(),
            _ => {
                let rules = bounds(random, &["{}", "{seconds: 1000000000}", "{seconds: 2000000000, nanos: 1}"]);
                // These rules have no lists.
                if rules.contains("in:") { "lt_now: true".to_owned() } else { rules }
            }
        },
        "" => String::new(),
        _ => number_rules(random, rules),
    }
}

fn repeated_rules(random: &mut Random, kind: &str) -> String {
    let mut parts = Vec::new();
    if random.0.bool() {
        parts.push(format!("min_items: {}", random.0.u8(..3)));
    }
    if random.0.bool() {
        parts.push(format!("max_items: {}", random.0.u8(2..4)));
    }
    let (items, is_message) = match kind {
        "repeated string" => (format!("string: {{{}}}", string_rules(random)), false),
        "repeated int32" => (format!("int32: {{{}}}", number_rules(random, "int32")), false),
        _ => ("cel: {id: \"item\", expression: \"this.size < 2\"}".to_owned(), true),
    };
    if !is_message && random.0.bool() {
        parts.push("unique: true".to_owned());
    }
    if random.0.bool() {
        let ignore = if random.one_in(3) { ", ignore: IGNORE_IF_ZERO_VALUE" } else { "" };
        parts.push(format!("items: {{{items}{ignore}}}"));
    }
    parts.join(", ")
}

fn number_rules(random: &mut Random, kind: &str) -> String {
    match kind {
        "float" | "double" if random.one_in(5) => "finite: true".to_owned(),
        "float" | "double" => bounds(random, &["-1", "0", "0.5", "1", "2.5", "inf", "nan"]),
        "uint32" | "uint64" | "fixed32" | "fixed64" => bounds(random, &["0", "1", "2", "3", "4294967295"]),
        _ => bounds(random, &["-3", "-1", "0", "1", "2", "3", "2147483647"]),
    }
}

/// Bounds, `const`, `in` or `not_in` of these values.
fn bounds(random: &mut Random, values: &[&'static str]) -> String {
    let mut value = || random.of(values);
    let (one, other, third) = (value(), value(), value());
    // NaN is no bound.
    let is_plain = ![one, other, third].contains(&"nan");
    let low = random.of(&["gt", "gte"]);
    let high = random.of(&["lt", "lte"]);
    match random.0.usize(..7) {
        0 => format!("const: {one}"),
        1 => format!("in: [{one}, {other}]"),
        2 => format!("not_in: [{one}, {other}]"),
        3 if is_plain => format!("{low}: {one}"),
        4 if is_plain => format!("{high}: {one}"),
        _ if is_plain => format!("{low}: {one}, {high}: {other}"),
        _ => format!("not_in: [{third}]"),
    }
}

const FORMATS: &[&str] = &[
    "email",
    "hostname",
    "ip",
    "ipv4",
    "ipv6",
    "uri",
    "uri_ref",
    "address",
    "uuid",
    "tuuid",
    "ulid",
    "host_and_port",
    "ip_with_prefixlen",
    "ipv4_with_prefixlen",
    "ipv6_with_prefixlen",
    "ip_prefix",
    "ipv4_prefix",
    "ipv6_prefix",
    "protobuf_fqn",
    "protobuf_dot_fqn",
];

fn string_rules(random: &mut Random) -> String {
    let length = random.0.u8(..5);
    match random.0.usize(..22) {
        0 => "const: \"a\"".to_owned(),
        1 => format!("len: {length}"),
        2 => format!("min_len: {length}"),
        3 => format!("max_len: {length}"),
        4 => format!("min_len: {length}, max_len: 9"),
        5 => format!("len_bytes: {length}"),
        6 => format!("min_bytes: {length}, max_bytes: {}", length + 4),
        7 => format!("pattern: \"{}\"", random.of(&["^[a-z]+$", "a", "^.{2,4}$", "\\\\d", "^$|b"])),
        8 => "prefix: \"a\", suffix: \"b\"".to_owned(),
        9 => "contains: \"a\", not_contains: \"b\"".to_owned(),
        10 => "in: [\"a\", \"ab\", \"\"]".to_owned(),
        11 => "not_in: [\"a\", \"\"]".to_owned(),
        12 => {
            let which = random.of(&["KNOWN_REGEX_HTTP_HEADER_NAME", "KNOWN_REGEX_HTTP_HEADER_VALUE"]);
            let strict = random.of(&["", ", strict: false", ", strict: true"]);
            format!("well_known_regex: {which}{strict}")
        }
        13 => "[p.begins]: \"a\"".to_owned(),
        _ => format!("{}: true", random.of(FORMATS)),
    }
}

fn bytes_rules(random: &mut Random) -> String {
    let length = random.0.u8(..5);
    match random.0.usize(..9) {
        0 => "const: \"a\"".to_owned(),
        1 => format!("len: {length}"),
        2 => format!("min_len: {length}, max_len: {}", length + 2),
        3 => "prefix: \"a\"".to_owned(),
        4 => "suffix: \"b\", contains: \"a\"".to_owned(),
        5 => "in: [\"a\", \"ab\"]".to_owned(),
        6 => "not_in: [\"a\"]".to_owned(),
        7 => "pattern: \"^[a-z]*$\"".to_owned(),
        _ => format!("{}: true", random.of(&["ip", "ipv4", "ipv6", "uuid"])),
    }
}

const STRINGS: &[&str] = &[
    "",
    "",
    "a",
    "ab",
    "abc",
    "aXb",
    "é",
    "b",
    "1",
    "a@b.example",
    "\"a\"@b",
    "example.com",
    "a.b.",
    "-a",
    "1.2.3.4",
    "10.0.0.0/8",
    "10.0.0.1/8",
    "10.0.0.0/33",
    "::1",
    "::",
    "fe80::1%eth0",
    "2001:db8::/32",
    "2001:db8::1/32",
    "::ffff:1.2.3.4",
    "1:2:3:4:5:6:7:8",
    "http://a.example/b?c#d",
    "http://u:p@[::1]:80/",
    "http://[v1.a]/",
    "urn:x",
    "a b",
    "/rel",
    "../a?b",
    "//host",
    "#f",
    "http://a/%zz",
    "mailto:a@b",
    "8e03978e-40d5-43dd-bc93-6894a57f9324",
    "8e03978e40d543ddbc936894a57f9324",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "host:80",
    "host:080",
    "[::1]:443",
    "1.2.3.4:65536",
    "host",
    "a.b.C",
    ".a.b",
    "a..b",
    "x-header",
    ":path",
    "a\nb",
    "a\u{0}",
    "a\tb",
    "A",
    "1a",
];

fn string(random: &mut Random) -> String {
    const ALPHABET: &[&str] =
        &["a", "b", "1", "0", ".", ":", "/", "@", "[", "]", "%", "-", "_", "?", "#", "é", "A", "25", "::"];
    if random.one_in(3) {
        return (0..random.0.usize(1..7)).map(|_| random.of(ALPHABET)).collect();
    }
    random.of(STRINGS).to_owned()
}

/// A schema whose message `t.M` has a field for each format.
pub(super) fn formats_schema() -> String {
    let headers = ["KNOWN_REGEX_HTTP_HEADER_NAME", "KNOWN_REGEX_HTTP_HEADER_VALUE"]
        .iter()
        .flat_map(|which| [format!("well_known_regex: {which}"), format!("well_known_regex: {which}, strict: false")]);
    let rules = FORMATS.iter().map(|format| format!("{format}: true")).chain(headers);
    let field =
        |(number, rules)| format!("  string f{number} = {number} [(buf.validate.field).string = {{{rules}}}];\n");
    let fields: String = (1..).zip(rules).map(field).collect();
    let functions = ["isHostAndPort(false)", "isIpPrefix(6)", "isIp(4)", "isIpPrefix(true)"];
    let functions = functions.map(|function| {
        format!("  option (buf.validate.message).cel = {{id: \"{function}\", expression: \"this.f1.{function}\"}};\n")
    });
    format!("{HEAD}message M {{\n// rules\n{}{fields}}}\n", functions.concat())
}

/// A message of that schema with one text in every field.
pub(super) fn one_text_everywhere(random: &mut Random) -> Value {
    let text = if random.0.bool() { string(random) } else { mutated(random) };
    Value::Object((1..=FORMATS.len() + 4).map(|number| (format!("f{number}"), json!(text))).collect())
}

/// A text that is nearly one of the known ones.
fn mutated(random: &mut Random) -> String {
    let mut text: Vec<char> = random.of(STRINGS).chars().collect();
    for _ in 0..random.0.usize(1..3) {
        let at = random.0.usize(..=text.len());
        let new = random
            .of(&[".", ":", "/", "@", "[", "]", "%", "%25", "-", "_", "0", "1", "255", "a", "f", "z", " ", "é", "v1."]);
        match random.0.usize(..3) {
            0 if at < text.len() => drop(text.remove(at)),
            1 if at < text.len() => drop(text.splice(at..=at, new.chars())),
            _ => drop(text.splice(at..at, new.chars())),
        }
    }
    text.into_iter().collect()
}

fn leaf(random: &mut Random) -> Value {
    json!({ "name": random.of(&["", "a", "ab", "abc"]), "size": random.0.i32(..4).max(0) })
}

/// A message of the type `t.M` as JSON.
pub(super) fn random_message(random: &mut Random) -> Value {
    let mut message = Map::new();
    for field in FIELDS {
        if random.one_in(3) {
            continue;
        }
        let value = match field.kind {
            "bool" => json!(random.0.bool()),
            "string" | "google.protobuf.StringValue" => json!(string(random)),
            "bytes" => json!(random.of(&["", "YQ==", "YWI=", "YmE=", "AAECAw==", "AAECAwQFBgcICQoLDA0ODw==", "YUI="])),
            "E" => random.of(&[&json!(0), &json!(1), &json!(5), &json!(9)]).clone(),
            "float" | "double" => random
                .of(&[
                    &json!(0),
                    &json!(0.5),
                    &json!(-1),
                    &json!(2.5),
                    &json!("NaN"),
                    &json!("Infinity"),
                    &json!("-Infinity"),
                ])
                .clone(),
            "repeated string" => (0..random.0.usize(..4)).map(|_| json!(string(random))).collect(),
            "repeated int32" => (0..random.0.usize(..4)).map(|_| json!(random.0.i32(-2..4))).collect(),
            "repeated L" => (0..random.0.usize(..3)).map(|_| leaf(random)).collect(),
            "map<string, int32>" => {
                let pairs = (0..random.0.usize(..3))
                    .map(|_| (random.of(&["", "a", "ab", "k"]).to_owned(), json!(random.0.i32(-2..4))));
                Value::Object(pairs.collect())
            }
            "map<int32, L>" => {
                let pairs: Vec<i32> = (0..random.0.usize(..3)).map(|_| random.0.i32(-1..3)).collect();
                Value::Object(pairs.iter().map(|key| (key.to_string(), leaf(random))).collect())
            }
            "google.protobuf.Any" => random
                .of(&[&json!({ "@type": "type.googleapis.com/t.L" }), &json!({ "@type": "type.googleapis.com/t.M" })])
                .clone(),
            "google.protobuf.Duration" => json!(random.of(&["0s", "1s", "1.5s", "-2s", "100s"])),
            "google.protobuf.FieldMask" => json!(random.of(&["", "a", "b", "b.c", "a.x,b.c", "bc"])),
            "google.protobuf.Timestamp" => {
                json!(random.of(&[
                    "1970-01-01T00:00:00Z",
                    "2001-09-09T01:46:40Z",
                    "2033-05-18T03:33:20.000000001Z",
                    "9999-01-01T00:00:00Z"
                ]))
            }
            "L" => leaf(random),
            "uint32" | "uint64" | "fixed32" | "fixed64" => json!(random.of(&["0", "1", "2", "3", "4294967295"])),
            _ => json!(random.of(&["-3", "-1", "0", "1", "2", "3", "2147483647"])),
        };
        message.insert(field.name.to_owned(), value);
    }
    match random.0.usize(..3) {
        0 => drop(message.insert("p1".to_owned(), json!(string(random)))),
        1 => drop(message.insert("p2".to_owned(), json!(random.0.i32(..2).max(0)))),
        _ => {}
    }
    Value::Object(message)
}
