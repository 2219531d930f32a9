//! `towbar curl` and `towbar explain` are inverses: the line that the one prints is explained by the other as the same
//! message, for every rpc of the bank and for every kind of field; and where there is no line, the reason is true.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use proptest::prelude::*;
use prost_reflect::{DescriptorPool, DynamicMessage};
use towbar::cli::{curl_line, curl_words};
use towbar::codec::{self, Body, Ignored, Print, Request};
use towbar::config::{self, Overrides};
use towbar::gateway::explain::{Limits, Outcome, explain};
use towbar::route::{Defaults, Query, RestRequest, ReverseError, ReverseProblem, Route, Routes};
use towbar::schema::{Message, Schema};

use crate::support::random::{choices, message_from, value_of};

/// Every message of the cases in paths, queries and bodies.
const ASK: &str = r#"
syntax = "proto3";
package ask;
import "cases.proto";
import "legacy.proto";
import "google/api/annotations.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
service Ask {
  rpc Scalars(cases.Scalars) returns (cases.Scalars) { option (google.api.http) = {
    get: "/scalars"
    additional_bindings { put: "/scalars/{a_string}" body: "*" }
    additional_bindings { get: "/scalars/{an_int32}/{a_bool}/{a_size}/{some_bytes}/{a_double}/{an_int64}" }
    additional_bindings { get: "/scalars/fixed/{a_string}" }
    additional_bindings { get: "/strings/{a_string=**}" }
    additional_bindings { get: "/named/{a_string=a/*/b%20c/**}/end:verb" }
    additional_bindings { delete: "/one/*/{a_string=x/*}/**" }
    additional_bindings { get: "/keyed?n={an_int32}&s={a_string}&b={some_bytes}" }
    additional_bindings { post: "/text" body: "a_string" }
    additional_bindings { custom { kind: "*" path: "/any/{a_string}" } body: "*" }
    additional_bindings { custom { kind: "HEAD" path: "/head" } } }; }
  rpc Fixed(cases.Node) returns (cases.Node) { option (google.api.http) = { get: "/scalars/fixed/a" }; }
  rpc Optionals(cases.Optionals) returns (cases.Optionals) { option (google.api.http) = {
    get: "/optionals?text={a_string}"
    additional_bindings { patch: "/optionals/{an_int32}" body: "a_node" }
    additional_bindings { get: "/optionals/{a_node.name}/{a_double}" }
    additional_bindings { post: "/optionals/{a_node.count}" body: "*" }
    additional_bindings { post: "/optionals" body: "a_double" } }; }
  rpc Lists(cases.Lists) returns (cases.Lists) { option (google.api.http) = {
    get: "/lists?text={strings}"
    additional_bindings { post: "/lists" body: "nodes" }
    additional_bindings { put: "/lists" body: "*" } }; }
  rpc Maps(cases.Maps) returns (cases.Maps) { option (google.api.http) = {
    get: "/maps" additional_bindings { post: "/maps" body: "nodes" } additional_bindings { put: "/maps" body: "*" } }; }
  rpc Node(cases.Node) returns (cases.Node) { option (google.api.http) = {
    get: "/nodes/{name}"
    additional_bindings { get: "/nodes" }
    additional_bindings { put: "/nodes/{child.name}" body: "child" }
    additional_bindings { post: "/nodes/{child.count}" body: "*" }
    additional_bindings { patch: "/nodes/{child.child.name}" body: "child.child" } }; }
  rpc Choice(cases.Choice) returns (cases.Choice) { option (google.api.http) = {
    get: "/choices"
    additional_bindings { get: "/choices/{text}" }
    additional_bindings { post: "/choices" body: "node" }
    additional_bindings { post: "/choices/{number}" body: "*" }
    additional_bindings { post: "/values" body: "value" }
    additional_bindings { post: "/sizes" body: "size" }
    additional_bindings { post: "/nothing" body: "nothing" } }; }
  rpc Known(cases.Known) returns (cases.Known) { option (google.api.http) = {
    get: "/known"
    additional_bindings { post: "/known/{time}/{duration}" body: "*" }
    additional_bindings { post: "/known/object" body: "object" }
    additional_bindings { post: "/known/value" body: "value" }
    additional_bindings { post: "/known/any" body: "any" }
    additional_bindings { post: "/known/list" body: "list" }
    additional_bindings { get: "/known/{mask}" } }; }
  rpc Names(cases.Names) returns (cases.Names) { option (google.api.http) = {
    get: "/names" additional_bindings { put: "/names" body: "*" } }; }
  rpc Wallet(cases.Wallet) returns (cases.Wallet) { option (google.api.http) = {
    get: "/wallets" additional_bindings { put: "/wallets" body: "cards" } }; }
  rpc Order(cases.legacy.Order) returns (cases.legacy.Order) { option (google.api.http) = {
    get: "/orders/{id}"
    additional_bindings { put: "/orders/{id}" body: "*" }
    additional_bindings { post: "/orders/{parcel.weight}" body: "parcel" } }; }
  rpc Folder(cases.legacy.Folder) returns (cases.legacy.Folder) { option (google.api.http) = {
    get: "/folders" additional_bindings { put: "/folders" body: "papers" } }; }
  rpc Time(google.protobuf.Timestamp) returns (google.protobuf.Timestamp) { option (google.api.http) = {
    get: "/time" additional_bindings { put: "/time" body: "*" } }; }
  rpc Object(google.protobuf.Struct) returns (google.protobuf.Struct) { option (google.api.http) = {
    get: "/object" additional_bindings { put: "/object" body: "*" } }; }
}
"#;

struct Api {
    routes: Routes,
    pool: DescriptorPool,
}

static KINDS: LazyLock<Api> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ask.proto"), ASK).unwrap();
    let mut compiler = protox::Compiler::new([folder.path(), Path::new("tests/cases"), Path::new("proto")]).unwrap();
    compiler.include_imports(true).open_files(["ask.proto"]).unwrap();
    let set = compiler.encode_file_descriptor_set();
    let schema = Schema::decode("ask.binpb", &set).unwrap();
    let routes = Routes::build(&schema, &[], &Defaults::default()).unwrap();
    Api { routes, pool: DescriptorPool::decode(set.as_slice()).unwrap() }
});

/// The bank with its own configuration, and with the older paths of its document.
static BANKS: LazyLock<[Api; 3]> = LazyLock::new(|| {
    [
        "",
        "rules: {files: legacy-swift.yaml, annotations: keep}",
        "rules: {files: legacy-custom.yaml, annotations: keep}",
    ]
    .map(|rules| {
        let text = format!("{}\n{rules}\n", std::fs::read_to_string("config/towbar.yaml").unwrap());
        let (config, problems) = config::load_text(&text, Path::new("config/towbar.yaml"), &Overrides::default());
        assert!(problems.is_empty());
        let schema = Schema::decode("the bank", towbar::cli::demo::generated::DESCRIPTORS).unwrap();
        let routes = Routes::build(&schema, &config.rpcs, &config.routes).unwrap();
        Api { routes, pool: DescriptorPool::decode(towbar::cli::demo::generated::DESCRIPTORS).unwrap() }
    })
});

const BASE: &str = "http://gateway.test";

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_kind_of_field_round_trips_through_a_request(route in any::<prop::sample::Index>(), choices in choices(), has_nul in any::<bool>()) {
        check(&KINDS, route.index(KINDS.routes.all().len()), choices, has_nul)?;
    }

    #[test]
    fn every_rpc_of_the_bank_round_trips_through_a_request(
        bank in 0..3_usize, route in any::<prop::sample::Index>(), choices in choices(), has_nul in any::<bool>(),
    ) {
        check(&BANKS[bank], route.index(BANKS[bank].routes.all().len()), choices, has_nul)?;
    }
}

/// One message by one rule: there is a line that is explained as the message, or a reason that names what is in the way.
fn check(api: &Api, index: usize, choices: Vec<u32>, has_nul: bool) -> Result<(), TestCaseError> {
    let route = &api.routes.all()[index];
    let descriptor = api.pool.get_message_by_name(route.rpc.input.name()).unwrap();
    let json = serde_json::to_string(&message_from(&descriptor, choices)).unwrap();
    // Most strings at random have one, and what has one is refused in path and query.
    let json = if has_nul { json } else { json.replace("\\u0000", "") };
    let body = Body { text: json.as_bytes(), field: None, ignored: &Ignored::default() };
    // Without the NULs two keys of a map may be one.
    let Ok(wire) = Request::new(&route.rpc.input).encode(Some(body)) else { return Ok(()) };
    let canonical = codec::reply(&route.rpc.input, &wire, &Print::default()).unwrap();
    let direct = route.reverse(&wire, usize::MAX);
    let limit = direct.as_ref().ok().and_then(|request| request.body.as_ref()).map_or(0, Vec::len);
    if limit > 0 && route.body == towbar::route::BodyRule::Whole {
        // A body longer than may be is an error, at the first byte too many.
        prop_assert_eq!(&route.reverse(&wire, limit), &direct);
        prop_assert!(matches!(route.reverse(&wire, limit - 1), Err(ReverseError::Message(_))));
    }
    match api.routes.reverse(route, &wire) {
        Ok(inverse) => {
            // A request in its canonical form comes back as it is.
            let again = route.reverse(&read(&api.routes, route, &inverse), usize::MAX).unwrap();
            let method = if route.method == "*" { "*".to_owned() } else { inverse.method.clone() };
            prop_assert_eq!(&RestRequest { method, ..inverse.clone() }, &again);
            let line = curl_words(route, &inverse, BASE);
            let (rpc, made) =
                explained(&api.routes, &line).map_err(|error| TestCaseError::fail(format!("{error}: {line}")))?;
            prop_assert_eq!(&rpc, &route.rpc.name, "{}", line);
            let again = codec::reply(&route.rpc.input, &made, &Print::default()).unwrap();
            prop_assert_eq!(String::from_utf8(again).unwrap(), String::from_utf8(canonical).unwrap(), "{}", line);
            let oracle = |wire: &[u8]| {
                value_of(&serde_json::to_vec(&DynamicMessage::decode(descriptor.clone(), wire).unwrap()).unwrap())
            };
            prop_assert_eq!(oracle(&made), oracle(&wire), "{}", line);
            // The command takes the first rule that can, and this one can.
            let (line, refusals) = curl_line(&api.routes, &route.rpc.name, json.as_bytes(), BASE).unwrap();
            let (_, made) = explained(&api.routes, &line).unwrap();
            prop_assert_eq!(oracle(&made), oracle(&wire), "{}", line);
            prop_assert!(
                refusals.len() < api.routes.all().iter().filter(|other| other.rpc.name == route.rpc.name).count()
            );
        }
        Err(reason) => {
            // What the rule alone cannot carry, it says by itself: only other rules and the gateway's limits are found by reading again.
            let is_others = matches!(reason, ReverseError::Elsewhere { .. } | ReverseError::Refused(_));
            prop_assert_eq!(direct.is_err(), !is_others, "{} {}: {}", route.method, route.template, reason);
            let canonical = String::from_utf8(canonical).unwrap();
            prop_assert!(
                is_true(&reason, &route.rpc.input, &canonical),
                "{} {}: {}: {}",
                route.method,
                route.template,
                reason,
                canonical
            );
            // A body says everything, a path does not.
            let is_open = !route.template.contains('{') && route.body == towbar::route::BodyRule::Whole;
            prop_assert!(!is_open, "{} {}: {}: {}", route.method, route.template, reason, canonical);
        }
    }
    Ok(())
}

/// The message that the gateway makes of a request.
fn read(routes: &Routes, route: &Route, request: &RestRequest) -> Vec<u8> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let query = Query::parse(query).unwrap();
    let found = routes.find(&request.method.parse().unwrap(), path, &query).unwrap();
    assert!(std::ptr::eq(&**found.route, route));
    match request.body.as_deref() {
        body if route.rpc.streaming.client => {
            route.encode_one(&route.prepare(&found.captures, &query).unwrap(), body).unwrap()
        }
        body => route.encode(&found.captures, &query, body).unwrap(),
    }
}

/// Whether the message is so. Other reasons than these there are none, but for a request too long for a request line or
/// with too many keys, which messages at random do not come to.
fn is_true(reason: &ReverseError, input: &Message, json: &str) -> bool {
    use ReverseProblem as Field;
    match reason {
        ReverseError::Field { field, problem } => {
            let value = value_at(input, json, field);
            let text = value.as_ref().map(ToString::to_string).unwrap_or_default();
            match problem {
                Field::Unset | Field::Added => value.is_none(),
                Field::Nul => text.contains("\\u0000"),
                Field::Empty => {
                    ["", "\"\""].contains(&&*text)
                        || text.contains("//")
                        || text.contains("\"/")
                        || text.contains("/\"")
                }
                Field::Dots => ["\".", "/.", "./", ".\""].iter().any(|dots| text.contains(dots)),
                Field::EmptyKey { .. } => text.contains("\"\""),
                Field::Pattern { .. } => text.starts_with('"'),
                Field::EmptyMessage => text.contains("{}"),
                Field::Form { .. } => field.is_empty(),
                Field::Listed | Field::Extension => value.is_some(),
                // No rule of these has a body that passes as it is.
                Field::Lost | Field::Header => false,
            }
        }
        // `fixed/a` is another rpc's; and the bank tells rpcs of one path apart by what is in the query.
        ReverseError::Elsewhere { rpc, .. } => rpc.ends_with(".Fixed") || rpc.starts_with("io.token."),
        // A body of `null` sets a Value, and a NullValue, beside which its oneof has nothing else.
        ReverseError::Refused(error) => {
            let error = error.to_string();
            error.contains("`value` is given too") || error.contains("`nothing` is given too")
        }
        ReverseError::Nobody(_) | ReverseError::Query(_) | ReverseError::TooLong | ReverseError::Message(_) => false,
    }
}

/// What the JSON has for a field that a reason names, as far as the first list or map.
fn value_at(input: &Message, json: &str, field: &str) -> Option<serde_json::Value> {
    let mut value = value_of(json.as_bytes());
    let mut message = Some(input.clone());
    for name in field.split('[').next()?.split('.').filter(|name| !name.is_empty()) {
        let field = message?.field(name)?;
        value = value.get(&*field.table().json_name)?.clone();
        message = field.message();
    }
    Some(value)
}

/// What `explain` says of a line that `curl` printed: the rpc and the message.
fn explained(routes: &Routes, line: &str) -> Result<(String, Vec<u8>), String> {
    let words = words(line);
    let (mut method, mut body, mut url) = (None, None, None);
    let mut words = words.iter().map(String::as_str);
    assert_eq!(words.next(), Some("curl"));
    while let Some(word) = words.next() {
        match word {
            "-X" => method = words.next(),
            "--head" => method = Some("HEAD"),
            "-H" => assert_eq!(words.next(), Some("Content-Type: application/json")),
            "-d" => body = words.next(),
            word => assert_eq!(url.replace(word), None),
        }
    }
    let method = method.unwrap_or(if body.is_some() { "POST" } else { "GET" });
    let target = url.unwrap().strip_prefix(BASE).unwrap();
    // curl would take these for patterns, or for what no request line has.
    assert!(!target.contains(['{', '}', '[', ']', '#', ' ', '\\']) && target.is_ascii(), "{target}");
    let types = towbar::gateway::media::Types { json: &[], forms: true, untyped: false };
    let limits =
        Limits { body: &|_| usize::MAX, types, query: towbar::route::policy::Policy::default().query_limits() };
    let request =
        towbar::gateway::explain::Request { method, target, body: body.map(str::as_bytes), content_type: None };
    let explained = explain(routes, limits, request);
    match explained.outcome {
        Outcome::Sent { message, sources, .. } => {
            assert!(
                sources.iter().all(|sourced| !sourced.field.is_empty()) || target == "/time" || target == "/object"
            );
            Ok((explained.route.unwrap().rpc.name.clone(), message))
        }
        Outcome::Streamed { messages } => Ok((explained.route.unwrap().rpc.name.clone(), messages.concat())),
        Outcome::Options(allowed) => Err(format!("{allowed:?}")),
        Outcome::Refused(refusal) => Err(refusal.into_text(towbar::route::policy::Form::Status, None).body().clone()),
    }
}

/// The words of a line as a POSIX shell takes them, of what `curl` writes: single quotes and `\'`.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if quoted => word.get_or_insert_default().push(c),
            ' ' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(characters.next().unwrap()),
            c => word.get_or_insert_default().push(c),
        }
    }
    assert!(!quoted, "{line}");
    words.extend(word);
    words
}

/// The line for each rule, or why there is none.
#[test]
fn a_message_becomes_a_curl_line_or_is_refused_with_the_reason() {
    let url = |rest: &str| format!("curl 'http://gateway.test{rest}'");
    let json = |words: &str, body: &str, path: &str| {
        format!("curl {words}-H 'Content-Type: application/json' -d '{body}' 'http://gateway.test{path}'")
    };
    for (rule, message, expected) in [
        ("GET /scalars", "{}", url("/scalars")),
        (
            "GET /scalars",
            r#"{"anInt64":"-5","aFloat":"NaN","aDouble":1e300,"aBool":true,"aString":"a b&c=d+é","someBytes":"+/8=","aSize":7}"#,
            url("/scalars?an_int64=-5&a_float=NaN&a_double=1e%2B300&a_bool=true&a_string=a%20b%26c%3Dd%2B%C3%A9&some_bytes=%2B/8%3D&a_size=7"),
        ),
        ("GET /scalars", r#"{"aString":"a\u0000"}"#, "field \"a_string\" contains a NUL character, which neither path nor query can carry".to_owned()),
        ("PUT /scalars/{a_string}", r#"{"anInt32":1,"aString":"it's/50%"}"#, json("-X PUT ", r#"{"anInt32":1}"#, "/scalars/it%27s%2F50%25")),
        ("PUT /scalars/{a_string}", r#"{"anInt32":1}"#, "field \"a_string\" is empty, but a path segment cannot be empty".to_owned()),
        ("PUT /scalars/{a_string}", r#"{"aString":".."}"#, "field \"a_string\" would be a dot segment of the path, which proxies on the way remove".to_owned()),
        // Defaults that are as good as none, all but the bytes.
        (
            "GET /scalars/{an_int32}/{a_bool}/{a_size}/{some_bytes}/{a_double}/{an_int64}",
            r#"{"someBytes":"AA=="}"#,
            url("/scalars/0/false/0/AA%3D%3D/0/0"),
        ),
        ("GET /scalars/fixed/{a_string}", r#"{"aString":"b"}"#, url("/scalars/fixed/b")),
        ("GET /scalars/fixed/{a_string}", r#"{"aString":"a"}"#, "the request would reach ask.Ask.Fixed (GET /scalars/fixed/a)".to_owned()),
        ("GET /strings/{a_string=**}", "{}", url("/strings")),
        ("GET /strings/{a_string=**}", r#"{"aString":"a/b%2Fc%2fd%2/e:f"}"#, url("/strings/a/b%2Fc%2fd%252/e%3Af")),
        ("GET /strings/{a_string=**}", r#"{"aString":"a//b"}"#, "field \"a_string\" is empty, but a path segment cannot be empty".to_owned()),
        ("GET /strings/{a_string=**}", r#"{"aString":"a/../b"}"#, "field \"a_string\" would be a dot segment of the path, which proxies on the way remove".to_owned()),
        ("GET /named/{a_string=a/*/b%20c/**}/end:verb", r#"{"aString":"a/x/b c/d/e%2Ff g"}"#, url("/named/a/x/b%20c/d/e%2Ff%20g/end:verb")),
        ("GET /named/{a_string=a/*/b%20c/**}/end:verb", r#"{"aString":"a/x/b c"}"#, url("/named/a/x/b%20c/end:verb")),
        (
            "GET /named/{a_string=a/*/b%20c/**}/end:verb",
            r#"{"aString":"a/x/bc/d"}"#,
            "field \"a_string\" does not match \"a/*/b%20c/**\" in the path template".to_owned(),
        ),
        ("DELETE /one/*/{a_string=x/*}/**", r#"{"aString":"x/y"}"#, "curl -X DELETE 'http://gateway.test/one/-/x/y'".to_owned()),
        ("DELETE /one/*/{a_string=x/*}/**", r#"{"aString":"x/y/z"}"#, "field \"a_string\" does not match \"x/*\" in the path template".to_owned()),
        ("GET /keyed", r#"{"anInt32":1,"aString":"a","aBool":true}"#, url("/keyed?n=1&a_bool=true&s=a")),
        ("POST /text", r#"{"aString":"it's","aBool":true}"#, json("", r#""it'\''s""#, "/text?a_bool=true")),
        ("POST /text", "{}", json("", "\"\"", "/text")),
        ("* /any/{a_string}", r#"{"aString":"a"}"#, json("", "{}", "/any/a")),
        ("HEAD /head", r#"{"aBool":true}"#, "curl --head 'http://gateway.test/head?a_bool=true'".to_owned()),
        ("GET /optionals", r#"{"anInt32":0,"aBool":false,"someBytes":""}"#, url("/optionals?an_int32=0&a_bool=false&some_bytes=")),
        ("GET /optionals", r#"{"aString":""}"#, "field \"a_string\" is set and empty, but the query parameter \"text\" counts as absent when its value is empty".to_owned()),
        ("GET /optionals", r#"{"aNode":{}}"#, "field \"a_node\" is a message with no field set, which a query parameter cannot carry".to_owned()),
        ("PATCH /optionals/{an_int32}", r#"{"anInt32":0,"aNode":{},"aBool":true}"#, json("-X PATCH ", "{}", "/optionals/0?a_bool=true")),
        ("PATCH /optionals/{an_int32}", r#"{"anInt32":0}"#, json("-X PATCH ", "null", "/optionals/0")),
        ("PATCH /optionals/{an_int32}", "{}", "field \"an_int32\" is not set, but the path needs it".to_owned()),
        ("POST /optionals/{a_node.count}", "{}", "field \"a_node\" is not set, but the request would set it".to_owned()),
        ("POST /optionals/{a_node.count}", r#"{"aNode":{"count":7,"name":"a"}}"#, json("", r#"{"aNode":{"name":"a"}}"#, "/optionals/7")),
        (
            "GET /lists",
            r#"{"int32s":[1,-2],"strings":["a","b"],"sizes":["LARGE"],"times":["2026-01-31T12:00:00Z"]}"#,
            url("/lists?int32s=1&int32s=-2&text=a&text=b&sizes=LARGE&times=2026-01-31T12:00:00Z"),
        ),
        ("GET /lists", r#"{"strings":["a",""]}"#, "field \"strings[1]\" is set and empty, but the query parameter \"text\" counts as absent when its value is empty".to_owned()),
        ("GET /lists", r#"{"nodes":[{"name":"a"}]}"#, "field \"nodes[0].name\" is in a list or map of messages, which a query parameter cannot carry".to_owned()),
        ("POST /lists", r#"{"nodes":[{"name":"a"}],"int32s":[1]}"#, json("", r#"[{"name":"a"}]"#, "/lists?int32s=1")),
        (
            "GET /maps",
            r#"{"int32s":{"-1":"a"},"bools":{"true":""},"strings":{"a.b]&":"c","":"d"},"sizes":{"x":"TINY"}}"#,
            url("/maps?int32s%5B-1%5D=a&bools%5Btrue%5D=&strings%5Ba.b%5D%26%5D=c&strings%5B%5D=d&sizes%5Bx%5D=TINY"),
        ),
        ("GET /maps", r#"{"values":{"a":1}}"#, "field \"values[a]\" is in a list or map of messages, which a query parameter cannot carry".to_owned()),
        ("GET /maps", r#"{"nodes":{"a":{"count":1}}}"#, "field \"nodes[a].count\" is in a list or map of messages, which a query parameter cannot carry".to_owned()),
        ("PUT /nodes/{child.name}", r#"{"child":{"name":"a","child":{"child":{}}},"name":"b"}"#, json("-X PUT ", r#"{"child":{"child":{}}}"#, "/nodes/a?name=b")),
        ("GET /choices", r#"{"nothing":null}"#, url("/choices?nothing=NULL_VALUE")),
        ("GET /choices/{text}", r#"{"number":1}"#, "field \"text\" is not set, but the path needs it".to_owned()),
        (
            "POST /values",
            r#"{"number":1}"#,
            "field \"value\" is not set, but the request would set it".to_owned(),
        ),
        ("GET /known", r#"{"object":{}}"#, url("/known?object=%7B%7D")),
        (
            "GET /known",
            r#"{"object":{"a":["b c",{"d":null}]},"value":"e","list":[1,true],"any":{"@type":"type.googleapis.com/cases.Node","name":"f"}}"#,
            url("/known?object=%7B%22a%22:%5B%22b%20c%22,%7B%22d%22:null%7D%5D%7D&value=%22e%22&list=%5B1.0,true%5D\
                 &any=%7B%22@type%22:%22type.googleapis.com/cases.Node%22,%22name%22:%22f%22%7D"),
        ),
        (
            "GET /known",
            r#"{"value":null,"values":[1,"a",null,{}],"anys":[{},{"@type":"type.googleapis.com/cases.Node"}]}"#,
            url("/known?value=null&values=1.0&values=%22a%22&values=null&values=%7B%7D\
                 &anys=%7B%7D&anys=%7B%22@type%22:%22type.googleapis.com/cases.Node%22%7D"),
        ),
        ("GET /known", r#"{"value":"a\u0000"}"#, url("/known?value=%22a%5Cu0000%22")),
        ("GET /object", r#"{"a":1}"#, "the message is a google.protobuf.Struct, which a query parameter cannot carry".to_owned()),
        ("GET /known", r#"{"mask":"name,child.someTags","duration":"-1.500s"}"#, url("/known?duration=-1.500s&mask=name,child.someTags")),
        ("PUT /names", r#"{"@id":"a"}"#, json("-X PUT ", r#"{"@id":"a"}"#, "/names")),
        ("GET /names", r#"{"@id":"a"}"#, url("/names?renamed=a")),
        ("GET /wallets", r#"{"cards":{"4711":{"year":1}}}"#, "field \"cards[...].year\" is in a list or map of messages, which a query parameter cannot carry".to_owned()),
        (
            "GET /orders/{id}",
            r#"{"id":"a","[cases.legacy.comment]":"b"}"#,
            "field \"[cases.legacy.comment]\" is an extension or in one, which a query parameter cannot carry".to_owned(),
        ),
        ("GET /orders/{id}", r#"{"id":"a","note":{"text":"b"},"grade":"GOOD"}"#, url("/orders/a?grade=GOOD&note.text=b")),
        ("GET /time", "\"1970-01-01T00:00:00Z\"", url("/time")),
    ] {
        let route = KINDS.routes.all().iter().find(|route| format!("{} {}", route.method, route.path()) == rule).unwrap();
        let body = Body { text: message.as_bytes(), field: None, ignored: &Ignored::default() };
        let wire = Request::new(&route.rpc.input).encode(Some(body)).unwrap();
        let made = KINDS.routes.reverse(route, &wire).map(|inverse| curl_words(route, &inverse, BASE));
        assert_eq!(made.unwrap_or_else(|reason| reason.to_string()), expected, "{rule} {message}");
    }
}

#[test]
fn a_message_that_exceeds_the_limits_of_a_request_line_is_refused() {
    let route = &KINDS.routes.all()[0];
    let text = |length: usize| format!(r#"{{"aString":"{}"}}"#, "a".repeat(length));
    let list = KINDS.routes.all().iter().find(|route| route.rpc.name == "ask.Ask.Lists").unwrap();
    for (route, message, expected) in [
        (route, text(16_375), None),
        (
            route,
            text(16_377),
            Some("the gateway would reject the request: the query string is longer than the limit of 16384 bytes"),
        ),
        (route, text(65_517), Some("path and query would be longer than 65534 bytes")),
        (list, format!(r#"{{"int32s":{:?}}}"#, [1; 512]), None),
        (
            list,
            format!(r#"{{"int32s":{:?}}}"#, [1; 513]),
            Some("the gateway would reject the request: too many query parameters: at most 512 are allowed"),
        ),
    ] {
        let body = Body { text: message.as_bytes(), field: None, ignored: &Ignored::default() };
        let wire = Request::new(&route.rpc.input).encode(Some(body)).unwrap();
        let refused = KINDS.routes.reverse(route, &wire).err().map(|reason| reason.to_string());
        assert_eq!(refused.as_deref(), expected);
    }
}

/// The shell itself reads the words so.
#[test]
fn a_shell_passes_the_quoted_arguments_to_curl_unchanged() {
    for text in [
        "it's",
        "a\"b\\c$(touch x)`y`!",
        "'",
        "''\\'",
        "line\nline",
        "é 漢 😀",
        "-d @file",
        "~ * ? [a] {b,c} # ; & | < >",
    ] {
        let json = serde_json::json!({ "aString": text }).to_string();
        for rule in [1, 8, 9] {
            let route = &KINDS.routes.all()[rule];
            let body = Body { text: json.as_bytes(), field: None, ignored: &Ignored::default() };
            let wire = Request::new(&route.rpc.input).encode(Some(body)).unwrap();
            let line = curl_words(route, &KINDS.routes.reverse(route, &wire).unwrap(), BASE);
            let script = format!("curl() {{ for word; do printf '%s\\0' \"$word\"; done; }}\n{line}");
            let shell = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert!(shell.status.success(), "{line}");
            let given = String::from_utf8(shell.stdout).unwrap();
            let given: Vec<&str> = given.split_terminator('\0').collect();
            assert_eq!(given, words(&line)[1..], "{line}");
        }
    }
}
