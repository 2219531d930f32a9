//! The size of a request message: at most sixteen times the size of its input, or 16 KiB, and never more than
//! predicted.

use http::Method;
use proptest::prelude::*;

use super::super::{Defaults, EncodeError, Query, Route, Routes};
use crate::format::multipart::Boundary;
use crate::schema::schema_of;

/// What the documentation promises.
const TIMES: usize = 16;
const FREE: usize = 16 << 10;

/// Random choices from proptest; when they are used up, the answer is always 0.
struct Choices(std::vec::IntoIter<u32>);

impl Choices {
    fn below(&mut self, end: usize) -> usize {
        self.0.next().unwrap_or(0) as usize % end
    }
}

/// A field of a generated message.
struct Field {
    /// The name that callers use.
    key: String,
    kind: usize,
    shape: usize,
    /// The index of the message that the field holds, if it holds one.
    to: usize,
}

/// Field types, the shortest JSON values that take the most room in a message, and whether a text can set them.
const KINDS: [(&str, &[&str], bool); 21] = [
    // Only proto2 has this syntax; a delimited field of editions is the same in the compiled schema.
    (GROUP, &["{}", "{\"n\":[-1,1]}"], false),
    ("M", &["{}"], false),
    ("M", &["{}"], false),
    ("double", &["1", "0", "-1e9", "\"NaN\""], true),
    ("float", &["1", "-2.5"], true),
    ("int32", &["-1", "1"], true),
    ("int64", &["-1", "\"9\""], true),
    ("sint64", &["-1", "1e3"], true),
    ("fixed64", &["1", "0"], true),
    ("bool", &["true", "false"], true),
    ("string", &["\"\"", "\"a\"", "\"é\\n\""], true),
    ("bytes", &["\"\"", "\"AQ\""], true),
    ("E", &["-1", "1", "\"A\""], true),
    ("google.protobuf.Timestamp", &["\"1970-01-01T00:00:00Z\"", "\"0001-01-01T00:00:00.1Z\""], true),
    ("google.protobuf.Duration", &["\"0s\"", "\"-1.1s\""], true),
    ("google.protobuf.FieldMask", &["\"\"", "\"a,b,c,d\"", "\"ABCDEFGH\""], true),
    ("google.protobuf.DoubleValue", &["1", "0"], true),
    ("google.protobuf.Int32Value", &["-1", "0"], true),
    ("google.protobuf.Value", &["1", "null", "[1,1,[],{}]", "{\"\":1}", "[[[[[[]]]]]]", "\"\""], false),
    ("google.protobuf.Struct", &["{}", "{\"\":1,\"a\":{\"\":{}}}"], false),
    ("google.protobuf.ListValue", &["[]", "[1,1,1,1]", "[[],[[]]]"], false),
];
const GROUP: &str = "group";
const SINGLE: usize = 0;
/// A list is packed unless it has this shape.
const UNPACKED: usize = 2;
const MAP: usize = 3;
/// The key types of maps, with the number of entries to make.
const KEYS: [(&str, usize); 3] = [("string", 40), ("bool", 2), ("sint32", 40)];

/// Messages that contain one another and themselves, with fields of names and numbers of any length.
struct Schema {
    is_proto2: bool,
    proto: String,
    messages: Vec<Vec<Field>>,
}

impl Schema {
    fn of(choices: &mut Choices) -> Self {
        let (is_proto2, count) = (choices.below(2) == 1, 1 + choices.below(3));
        let mut schema = Self { is_proto2, proto: String::new(), messages: Vec::new() };
        for message in 0..count {
            schema.proto += &format!("message M{message} {{\n");
            let fields = (0..2 + choices.below(6)).map(|index| schema.field(choices, index, count)).collect();
            schema.proto += "}\n";
            schema.messages.push(fields);
        }
        schema
    }

    fn field(&mut self, choices: &mut Choices, index: usize, count: usize) -> Field {
        let (mut kind, mut shape, to) = (choices.below(KINDS.len()), choices.below(4), choices.below(count));
        let name = format!("f{index}{}", "x".repeat([0, 3, 40, 200][choices.below(4)]));
        let number = [1 + index, 2_000 + index, 536_870_900 + index][choices.below(3)];
        if KINDS[kind].0 == GROUP {
            kind += usize::from(!self.is_proto2);
            shape = if shape == MAP { SINGLE } else { shape };
        }
        let kind_name = if KINDS[kind].0 == "M" { format!("M{to}") } else { KINDS[kind].0.to_owned() };
        let key = if choices.below(2) == 1 { format!("k{index}") } else { name.clone() };
        let mut options = vec![format!("json_name = \"{key}\"")];
        let before = match shape {
            SINGLE => {
                let has_label = choices.below(2) == 1 || self.is_proto2;
                format!("{}{kind_name}", if has_label { "optional " } else { "" })
            }
            MAP => format!("map<{}, {kind_name}>", KEYS[index % 3].0),
            _ => {
                if ["double", "float", "bool", "E"].contains(&&*kind_name)
                    || kind_name.contains("int")
                    || kind_name.contains("fixed")
                {
                    options.push(format!("packed = {}", shape != UNPACKED));
                }
                format!("repeated {kind_name}")
            }
        };
        // A file may not have two groups of the same name, and the field of a group has its name in lower case.
        let (name, body) = if kind_name == GROUP {
            let within = format!(" {{ optional M{to} m = 1; repeated int32 n = 2; }}");
            (name.replacen('f', &format!("F{}_", self.messages.len()), 1), within)
        } else {
            (name, ";".to_owned())
        };
        self.proto += &format!("  {before} {name} = {number} [{}]{body}\n", options.join(", "));
        Field { key, kind, shape, to }
    }
}

/// How often a value stands in a list or map: a long value stands there once, to keep the message small.
fn times(value: &str) -> usize {
    1 + 1_000 / (value.len() + 1)
}

/// A message as JSON, as long as choices are left.
fn object(choices: &mut Choices, messages: &[Vec<Field>], message: usize, depth: usize) -> String {
    let mut members = Vec::new();
    for (index, field) in messages[message].iter().enumerate() {
        // With more choices, more members are set and nest deeper.
        if choices.below(3) == 0 {
            continue;
        }
        let mut value = || match KINDS[field.kind] {
            ("M", ..) if depth < 12 => object(choices, messages, field.to, depth + 1),
            (GROUP, ..) if depth < 12 && choices.below(2) == 0 => {
                format!("{{\"m\":{}}}", object(choices, messages, field.to, depth + 1))
            }
            (_, values, _) => values[choices.below(values.len())].to_owned(),
        };
        let value = match field.shape {
            SINGLE => value(),
            MAP => {
                let (kind, most) = KEYS[index % 3];
                let key = |entry: usize| {
                    if kind == "bool" { ["true", "false"][entry].to_owned() } else { entry.to_string() }
                };
                let value = value();
                let entry = |entry: usize| format!("\"{}\":{value}", key(entry));
                format!("{{{}}}", (0..most.min(times(&value))).map(entry).collect::<Vec<_>>().join(","))
            }
            _ => {
                let value = value();
                format!("[{}]", vec![&*value; times(&value)].join(","))
            }
        };
        members.push(format!("\"{}\":{value}", field.key));
    }
    format!("{{{}}}", members.join(","))
}

/// Dotted keys of a form, with their values.
fn pairs(choices: &mut Choices, messages: &[Vec<Field>]) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for _ in 0..choices.below(60) {
        let (mut message, mut key) = (0, String::new());
        for _ in 0..30 {
            let field = &messages[message][choices.below(messages[message].len())];
            key += &field.key;
            if KINDS[field.kind].2 && field.shape != MAP {
                let values = KINDS[field.kind].1;
                let text = values[choices.below(values.len())].trim_matches('"').replace("\\n", "-");
                // A field that takes one value is set once.
                if field.shape != SINGLE || pairs.iter().all(|(known, _)| *known != key) {
                    pairs.push((key, text));
                }
                break;
            }
            if KINDS[field.kind].0 != "M" || field.shape != SINGLE {
                break;
            }
            (message, key) = (field.to, key + ".");
        }
    }
    pairs
}

pub(super) fn routes_of(syntax: &str, messages: &str) -> Routes {
    let proto = format!(
        "syntax = \"{syntax}\"; package t;
        import \"google/api/annotations.proto\"; import \"google/protobuf/field_mask.proto\";
        import \"google/protobuf/timestamp.proto\"; import \"google/protobuf/duration.proto\";
        import \"google/protobuf/struct.proto\"; import \"google/protobuf/wrappers.proto\";
        enum E {{ NONE = 0; A = 1; BELOW = -1; }}
        message Update {{ optional M0 m = 1; optional google.protobuf.FieldMask update_mask = 2; }}
        service S {{
          rpc Patch(Update) returns (E0) {{ option (google.api.http) = {{ patch: \"/m\" body: \"m\" }}; }}
          rpc Post(M0) returns (E0) {{ option (google.api.http) = {{ post: \"/m\" body: \"*\" }}; }}
          rpc Get(M0) returns (E0) {{ option (google.api.http) = {{ get: \"/m\" }}; }}
        }}
        message E0 {{}}
        {messages}"
    );
    Routes::build(
        &schema_of(&proto).unwrap_or_else(|problems| panic!("{problems:?}\n{proto}")),
        &[],
        &Defaults::default(),
    )
    .unwrap()
}

pub(super) fn with_route<T>(routes: &Routes, method: &str, then: impl FnOnce(&Route) -> T) -> T {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    then(routes.find(&method, "/m", &Query::default()).unwrap().route)
}

/// The message is within its bounds, or it is rejected because its mask is too long.
fn check(made: Result<Vec<u8>, EncodeError>, sent: usize, most: usize, input: &str) -> Result<(), TestCaseError> {
    match made {
        Ok(wire) => {
            prop_assert!(wire.len() <= FREE.max(TIMES * sent), "{} bytes of {sent}: {input}", wire.len());
            prop_assert!(wire.len() <= most, "{} bytes, and {most} were said: {input}", wire.len());
        }
        Err(EncodeError::MaskTooLong { limit, .. }) => {
            prop_assert!(limit >= FREE && limit >= 4 * sent, "{limit} {sent}")
        }
        Err(error) => prop_assert!(false, "{error}: {input}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_message_is_at_most_sixteen_times_as_large_as_its_request(
        schema in proptest::collection::vec(any::<u32>(), 0..120), values in proptest::collection::vec(any::<u32>(), 0..1000),
    ) {
        let Schema { is_proto2, proto, messages } = Schema::of(&mut Choices(schema.into_iter()));
        let routes = routes_of(if is_proto2 { "proto2" } else { "proto3" }, &proto);
        let mut choices = Choices(values.into_iter());
        let pairs = pairs(&mut choices, &messages);
        let json = object(&mut choices, &messages, 0, 0);
        let (none, text) = (Query::default(), json.as_bytes());
        let joined: Vec<_> = pairs.iter().map(|(key, text)| format!("{key}={}", text.replace('é', "%C3%A9"))).collect();
        let form = joined.join("&");
        let part = |(key, text): &(String, String)| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{key}\"\r\n\r\n{text}\r\n")
        };
        let parts = pairs.iter().map(part).collect::<String>() + "--b--";
        let boundary = Boundary::of("multipart/form-data; boundary=b").unwrap();
        for method in ["PATCH", "POST"] {
            with_route(&routes, method, |route| {
                check(route.encode(&[], &none, Some(text)), text.len(), route.longest_of_json(text), &json)?;
                // A message of a WebSocket or of a stream.
                let texts = route.prepare(&[], &none).unwrap();
                check(route.encode_one(&texts, Some(text)), text.len(), route.longest_of_json(text), &json)?;
                let made = route.encode_form(&[], &none, form.as_bytes());
                check(made, form.len(), route.longest_of_form(form.as_bytes()), &form)?;
                let made = route.encode_parts(&[], &none, (&boundary, parts.as_bytes()));
                check(made, parts.len(), route.longest_of_form(parts.as_bytes()), &parts)
            })?;
        }
        with_route(&routes, "GET", |route| {
            let query = Query::form(&form, route.rpc.policy.query_limits()).unwrap();
            check(route.encode(&[], &query, None), form.len(), usize::MAX, &form)
        })?;
    }
}

/// Messages that contain themselves, with a long name in the file and a short one in JSON.
const TREE: &str =
    "message M0 { M0 left_hand_side_of_the_tree_that_holds_itself = 1 [json_name = \"l\"]; M0 r = 2; int32 n = 3;
    google.protobuf.FieldMask mask = 4; repeated google.protobuf.Value values = 5; google.protobuf.Value value = 6; }";

/// `stem` levels with one member each, then `levels` levels with two members each.
fn bush(stem: usize, levels: usize) -> String {
    let bush = (0..levels).fold("{\"n\":1}".to_owned(), |inner, _| format!("{{\"l\":{inner},\"r\":{inner}}}"));
    format!("{}{bush}{}", "{\"l\":".repeat(stem), "}".repeat(stem))
}

#[test]
fn an_update_mask_is_refused_as_soon_as_it_becomes_too_long() {
    let routes = routes_of("proto3", TREE);
    with_route(&routes, "PATCH", |route| {
        let body = bush(45, 14);
        let mut refused = None;
        let encode = || refused = Some(route.encode(&[], &Query::default(), Some(body.as_bytes())));
        let most = allocation_counter::measure(encode).bytes_max;
        let limit = 4 * body.len();
        let error = refused.unwrap().unwrap_err();
        assert_eq!(error, EncodeError::MaskTooLong { mask: "update_mask".to_owned(), limit });
        let text = "the update mask made from the fields of the body would be longer than 64 bytes; send a shorter one in the query, for \
                    example ?update_mask=title,author (the name of a message includes all of its fields)";
        assert_eq!(error.to_string().replace(&limit.to_string(), "64"), text);
        assert!(most <= (TIMES * body.len()) as u64, "{most} bytes for {}", body.len());
        // The caller's mask is kept, and none is made.
        let query = Query::parse("update_mask=l").unwrap();
        let wire = route.encode(&[], &query, Some(body.as_bytes())).unwrap();
        assert!(wire.len() < body.len(), "{} {}", wire.len(), body.len());
    });
    // A few fields are accepted, whatever the length of their names.
    with_route(&routes, "PATCH", |route| {
        let body = bush(50, 2);
        let wire = route.encode(&[], &Query::default(), Some(body.as_bytes())).unwrap();
        assert!(wire.len() > TIMES * body.len() && wire.len() < FREE, "{} {}", wire.len(), body.len());
    });
}

#[test]
fn the_memory_for_encoding_a_message_has_a_bound_known_in_advance() {
    let routes = routes_of("proto3", TREE);
    let ways: Vec<String> =
        (0..512_u32).map(|way| (0..9).map(|bit| ["l.", "r."][(way >> bit & 1) as usize]).collect()).collect();
    let form: Vec<String> = ways.iter().map(|way| format!("{way}{}n=1", "l.".repeat(80))).collect();
    let form = form.join("&");
    let masks = format!("{{\"mask\":\"{}a\"}}", "a,".repeat(100_000));
    let values = format!("{{\"values\":[{}1]}}", "1,".repeat(100_000));
    let members: Vec<_> = (0..50_000).map(|member| format!("\"{member}\":1")).collect();
    let members = format!("{{\"value\":{{{}}}}}", members.join(","));
    for method in ["PATCH", "POST"] {
        with_route(&routes, method, |route| {
            for json in [&masks, &values, &members] {
                let encode = || drop(route.encode(&[], &Query::default(), Some(json.as_bytes())).unwrap());
                let (most, said) =
                    (allocation_counter::measure(encode).bytes_max, route.longest_of_json(json.as_bytes()));
                let start = &json[..20];
                assert!(most <= (TIMES * json.len()) as u64, "{method} {start}: {most} bytes for {}", json.len());
                assert!(
                    said >= most as usize / 3 && said <= 20 * json.len() + FREE,
                    "{method} {start}: {said} bytes said for {}",
                    json.len()
                );
            }
            let encode = || drop(route.encode_form(&[], &Query::default(), form.as_bytes()));
            let (most, said) = (allocation_counter::measure(encode).bytes_max, route.longest_of_form(form.as_bytes()));
            assert!(most <= said as u64, "{method}: {most} bytes for a form of {}, and {said} were said", form.len());
        });
    }
}
