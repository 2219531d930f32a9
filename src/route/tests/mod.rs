//! Which rpc a request reaches, what its message is, and what is rejected, at the start and for requests.

mod any_case;
mod bodies;
mod forms;
mod masks;
mod parts;
mod queries;
mod refused;
mod sizes;

use http::Method;
use proptest::prelude::*;

use super::policy::{OwnPolicy, Policy, UnknownKeys};
use super::{Defaults, Miss, Query, Routes, RpcOptions};
use crate::codec::{self, Print};
use crate::schema::schema_of;

const MESSAGES: &str = r#"
syntax = "proto3";
package t;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/any.proto";
message Card { string number = 1; string holder = 2; }
message Account { oneof kind { Card card = 1; string iban = 2; } map<string, string> labels = 3; }
message One { string id = 1; Account account = 2; string name = 3; repeated string tags = 4; int32 limit = 5;
  string from = 6; Account other = 7; string data = 8; string long_name = 9; int64 big = 10; }
message Many { Account account = 3; int32 limit = 2; string offset = 1; string from = 4; }
message Reply { One one = 1; }
enum Size { NONE = 0; LARGE = 1; }
message Kinds { google.protobuf.Timestamp when = 1; Size size = 2; optional int32 maybe = 3; int64 long = 4;
  bytes blob = 5; bool flag = 6; google.protobuf.NullValue nothing = 7; map<string, string> texts = 8;
  map<int32, double> numbers = 9; map<bool, Size> flags = 10; map<string, google.protobuf.Timestamp> times = 11;
  map<string, Card> cards = 12; uint64 ulong = 13; double real = 14; google.protobuf.Duration took = 15;
  google.protobuf.FieldMask mask = 16; google.protobuf.Int64Value wrapped = 17; repeated Size sizes = 18;
  google.protobuf.Any any = 19; map<string, int32> secrets = 20 [debug_redact = true];
  google.protobuf.Value free = 21; google.protobuf.Struct open = 22; google.protobuf.ListValue row = 23;
  repeated Card hand = 24; repeated google.protobuf.Struct opens = 25; repeated google.protobuf.Value frees = 26;
  repeated google.protobuf.ListValue rows = 27; google.protobuf.Struct secret = 28 [debug_redact = true];
  map<string, google.protobuf.Value> loose = 29; oneof one { google.protobuf.Value left = 30; string right = 31; }
  Kinds again = 32; }
message List { repeated One all = 1; string offset = 2; }
message Upload { string name = 1; google.api.HttpBody content = 2; }
message Bundle { string name = 1; google.api.HttpBody content = 2; bytes digest = 3; repeated google.api.HttpBody more = 4;
  repeated bytes chunks = 5; map<string, google.api.HttpBody> files = 6; map<string, bytes> sums = 7;
  google.protobuf.BytesValue wrapped = 8; oneof one { bytes left = 9; google.api.HttpBody right = 10; } Upload inner = 11;
  Bundle again = 12; int32 count = 13; repeated string tags = 14; map<string, Card> cards = 15;
  google.protobuf.Struct open = 16; repeated google.protobuf.Value frees = 17; }
"#;

fn routes(rpcs: &str, options: &[RpcOptions]) -> Result<Routes, String> {
    let schema = schema_of(&format!("{MESSAGES} service S {{ {rpcs} }}")).unwrap();
    let lines = |problems: Vec<crate::format::problem::Problem>| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    Routes::build(&schema, options, &Defaults::default()).map_err(lines)
}

fn rpc(name: &str, input: &str, output: &str, rule: &str) -> String {
    format!("rpc {name}({input}) returns ({output}) {{ option (google.api.http) = {{ {rule} }}; }}\n")
}

/// `RPC {message}` for a request, or its error.
fn outcome(routes: &Routes, method: &str, target: &str, body: Option<&str>) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = match Query::parse(query) {
        Ok(query) => query,
        Err(error) => return error.to_string(),
    };
    let found = match routes.find(&Method::from_bytes(method.as_bytes()).unwrap(), path, &query) {
        Ok(found) => found,
        Err(Miss::Method { allowed }) => return format!("allow {}", allowed.join(", ")),
        Err(miss) => return miss.to_string(),
    };
    // A body with the prefix `form:` is sent as a form.
    let encoded = match body.and_then(|body| body.strip_prefix("form:")) {
        Some(form) => found.route.encode_form(&found.captures, &query, form.as_bytes()),
        None => found.route.encode(&found.captures, &query, body.map(str::as_bytes)),
    };
    match encoded {
        Ok(wire) => {
            let json = codec::reply(&found.route.rpc.input, &wire, &Print::default()).unwrap();
            let rpc = found.route.rpc.name.rsplit('.').next().unwrap();
            format!("{rpc} {}", String::from_utf8(json).unwrap())
        }
        Err(error) => error.to_string(),
    }
}

const DOTS: &str =
    "the path contains \".\" or \"..\" as a segment; send the normalized path (RFC 3986, section 6.2.2.3)";

fn check(routes: &Routes, cases: &[(&str, &str)]) {
    for (request, expected) in cases {
        let (head, body) = request.split_once(" <- ").map_or((*request, None), |(head, body)| (head, Some(body)));
        let (method, target) = head.split_once(' ').unwrap();
        assert_eq!(outcome(routes, method, target, body), *expected, "{request}");
    }
}

#[test]
fn a_path_is_routed_to_its_template_and_literals_take_precedence() {
    let rpcs = [
        rpc("Literal", "One", "Reply", r#"get: "/v1/cards/list""#),
        rpc("Single", "One", "Reply", r#"get: "/v1/cards/{id}""#),
        rpc("Put", "One", "Reply", r#"put: "/v1/cards/list" body: "*""#),
        rpc("Verb", "One", "Reply", r#"post: "/v1/cards/{id}:cancel" body: "*""#),
        rpc("Named", "One", "Reply", r#"get: "/v1/{name=shelves/*/books/*}""#),
        rpc("Rest", "One", "Reply", r#"get: "/v1/files/{name=**}""#),
        rpc("Wild", "One", "Reply", r#"get: "/v1/*/last""#),
        rpc("Any", "One", "Reply", r#"custom: { kind: "*" path: "/v1/any" }"#),
        rpc("Two", "One", "Reply", r#"get: "/v1/two" additional_bindings { get: "/v2/two/{id}" }"#),
    ];
    check(
        &routes(&rpcs.concat(), &[]).unwrap(),
        &[
            ("GET /v1/cards/list", "Literal {}"),
            ("GET /v1/cards/other", r#"Single {"id":"other"}"#),
            ("GET /v1/cards/LIST", r#"Single {"id":"LIST"}"#),
            ("GET /v1/cards/a:b", r#"Single {"id":"a:b"}"#),
            ("GET /v1/cards/a%2Fb%3Ac", r#"Single {"id":"a/b:c"}"#),
            ("GET /v1/cards/a+b", r#"Single {"id":"a+b"}"#),
            ("GET /v1/cards/a%252Fb", r#"Single {"id":"a%2Fb"}"#),
            ("POST /v1/cards/a:cancel <- {}", r#"Verb {"id":"a"}"#),
            ("POST /v1/cards/a:b:cancel <- {}", r#"Verb {"id":"a:b"}"#),
            ("GET /v1/shelves/1/books/2%2F3", r#"Named {"name":"shelves/1/books/2%2F3"}"#),
            ("GET /v1/files/a/b/c%20d", r#"Rest {"name":"a/b/c d"}"#),
            ("GET /v1/files/a", r#"Rest {"name":"a"}"#),
            ("GET /v1/x/last", "Wild {}"),
            ("GET /v1/cards/last", r#"Single {"id":"last"}"#),
            ("PURGE /v1/any", "Any {}"),
            ("GET /v1/two", "Two {}"),
            ("GET /v2/two/7", r#"Two {"id":"7"}"#),
            ("DELETE /v1/cards/list", "allow GET, HEAD, OPTIONS, PUT"),
            ("POST /v1/cards/list", "allow GET, HEAD, OPTIONS, PUT"),
            ("GET /v1/cards/a:cancel", r#"Single {"id":"a:cancel"}"#),
            ("PUT /v1/cards/a:cancel", "allow GET, HEAD, OPTIONS, POST"),
            ("get /v1/cards/list", "allow GET, HEAD, OPTIONS, PUT"),
            ("HEAD /v1/cards/list", "Literal {}"),
            ("HEAD /v1/cards/a:b", r#"Single {"id":"a:b"}"#),
            ("HEAD /v1/any", "Any {}"),
            ("OPTIONS /v1/any", "Any {}"),
            ("OPTIONS /v1/cards/list", "allow GET, HEAD, OPTIONS, PUT"),
            ("OPTIONS *", "allow GET, HEAD, OPTIONS, POST, PUT"),
            ("OPTIONS /nope", "no route matches this path"),
            ("GET /v1/cards", "no route matches this path"),
            ("GET /v1/cards/", "no route matches this path"),
            ("GET /v1/cards/list/", "no route matches this path (did you mean \"/v1/cards/list\"?)"),
            ("GET /v1//last", "no route matches this path"),
            ("GET /v1/files", "Rest {}"),
            ("GET /v1/files/", "no route matches this path"),
            ("GET /v1/files/a//b", "no route matches this path"),
            ("GET /v1/files/./a", DOTS),
            ("GET /v1/files/a/..", DOTS),
            ("GET /v1/x/../cards/list", DOTS),
            ("GET /v1/cards/%2e%2E", DOTS),
            ("GET /v1/cards/...", r#"Single {"id":"..."}"#),
            ("GET /v1/cards/..%2Fa", r#"Single {"id":"../a"}"#),
            ("POST /v1/cards/..:cancel <- {}", DOTS),
            ("GET /v1%2Fcards%2Flist", "no route matches this path"),
            ("GET /v1/%63ards/list", "no route matches this path (did you mean \"/v1/%63ards/last\"?)"),
            ("GET /", "no route matches this path"),
            ("GET *", "no route matches this path"),
            (
                "GET /v1/cards/%zz",
                "path variable \"id\": invalid percent-encoding: expected two hexadecimal digits after \"%\"; write %25 for a literal \"%\"",
            ),
            ("GET /v1/cards/%ff", "path variable \"id\": the percent-encoded bytes are not valid UTF-8"),
            ("GET /v1/cards/a%00", "path variable \"id\": a NUL character (%00) is not allowed"),
        ],
    );
}

#[test]
fn the_root_path_is_routed_like_any_other() {
    let rpcs = [
        rpc("Root", "One", "Reply", r#"get: "/" additional_bindings { delete: "/?name={name}" }"#),
        rpc("Below", "One", "Reply", r#"get: "/{id}""#),
    ];
    let routes = routes(&rpcs.concat(), &[]).unwrap();
    check(
        &routes,
        &[
            ("GET /", "Root {}"),
            ("HEAD /", "Root {}"),
            ("GET /?id=a", r#"Root {"id":"a"}"#),
            ("DELETE /?name=b", r#"Root {"name":"b"}"#),
            ("GET /a", r#"Below {"id":"a"}"#),
        ],
    );
    let root = &routes.all()[0];
    assert_eq!((root.path(), root.method.as_str()), ("/", "GET"));
}

#[test]
fn template_segments_after_a_double_wildcard_are_matched() {
    let rpcs = [
        rpc("All", "One", "Reply", r#"get: "/v1/{name=**}""#),
        rpc("Items", "One", "Reply", r#"get: "/v1/{name=**}/items""#),
        rpc("Item", "One", "Reply", r#"get: "/v1/{name=**}/items/{id}""#),
        rpc("Part", "One", "Reply", r#"get: "/v1/{name=a/**/b/*}:part""#),
        rpc("Read", "One", "Reply", r#"get: "/{name=**}/{id=x/*}:read""#),
        rpc("One", "One", "Reply", r#"get: "/v1/{id}/items""#),
        rpc("Type", "One", "Reply", r#"get: "/{name=types/*}""#),
        rpc("Purge", "One", "Reply", r#"custom: { kind: "PURGE" path: "/v1/**" }"#),
    ];
    check(
        &routes(&rpcs.concat(), &[]).unwrap(),
        &[
            ("GET /v1/a/b", r#"All {"name":"a/b"}"#),
            ("GET /v1", "All {}"),
            ("GET /v1/a/items", r#"One {"id":"a"}"#),
            ("GET /v1/a/b/items", r#"Items {"name":"a/b"}"#),
            ("GET /v1/items", "Items {}"),
            ("GET /v1/items/items", r#"One {"id":"items"}"#),
            ("GET /v1/a/b/items/7", r#"Item {"id":"7","name":"a/b"}"#),
            ("GET /v1/items/7", r#"Item {"id":"7"}"#),
            ("GET /v1/a/items/b/items/c", r#"Item {"id":"c","name":"a/items/b"}"#),
            ("GET /v1/a/b/c:part", r#"Part {"name":"a/b/c"}"#),
            ("GET /v1/a/x/y%2Fz/b/c:part", r#"Part {"name":"a/x/y%2Fz/b/c"}"#),
            ("GET /v1/a/b:part", r#"All {"name":"a/b:part"}"#),
            ("GET /p/q/x/y:read", r#"Read {"id":"x/y","name":"p/q"}"#),
            ("GET /x/y:read", r#"Read {"id":"x/y"}"#),
            ("GET /types/a", r#"Type {"name":"types/a"}"#),
            ("PURGE /v1/a/items", "Purge {}"),
            ("GET /v1//items", "no route matches this path"),
            ("GET /v1/a//items", "no route matches this path"),
            ("POST /v1/a/items", "allow GET, HEAD, OPTIONS, PURGE"),
        ],
    );
}

#[test]
fn a_verb_may_follow_any_kind_of_segment() {
    let rpcs = [
        rpc("Literal", "One", "Reply", r#"get: "/v1/cards:batchGet""#),
        rpc("Variable", "One", "Reply", r#"get: "/v1/{id}:read""#),
        rpc("Star", "One", "Reply", r#"get: "/v1/*/*:read""#),
        rpc("Stars", "One", "Reply", r#"get: "/v2/**:read""#),
        rpc("Named", "One", "Reply", r#"get: "/v3/{name=a/*/b/*}:read""#),
        rpc("Plain", "One", "Reply", r#"get: "/v1/{id}""#),
    ];
    check(
        &routes(&rpcs.concat(), &[]).unwrap(),
        &[
            ("GET /v1/cards:batchGet", "Literal {}"),
            ("GET /v1/x:read", r#"Variable {"id":"x"}"#),
            ("GET /v1/a/b:read", "Star {}"),
            ("GET /v2/a/b/c:read", "Stars {}"),
            ("GET /v3/a/1/b/2:read", r#"Named {"name":"a/1/b/2"}"#),
            ("GET /v1/x:write", r#"Plain {"id":"x:write"}"#),
            ("GET /v1/x%3Aread", r#"Plain {"id":"x:read"}"#),
            ("GET /v1/:read", r#"Plain {"id":":read"}"#),
            ("GET /v1/x:", r#"Plain {"id":"x:"}"#),
            ("GET /v2/a/b", "no route matches this path"),
            ("GET /v3/a/1/b/2", "no route matches this path"),
        ],
    );
}

// Other gateways let the query or the body replace a value from the path, by the other spelling of the field or above
// 32 bits.
#[test]
fn query_and_body_cannot_override_a_path_variable_in_any_spelling_or_size() {
    let rpcs = [
        rpc("Get", "One", "Reply", r#"get: "/v1/{long_name}""#),
        rpc("Put", "One", "Reply", r#"put: "/v1/{longName}/{big}" body: "*""#),
    ];
    const QUERY: &str = "the path has a different value for it; leave it out of the query, or send the same value";
    check(
        &routes(&rpcs.concat(), &[]).unwrap(),
        &[
            ("GET /v1/a?long_name=a", r#"Get {"longName":"a"}"#),
            ("GET /v1/a?longName=a", r#"Get {"longName":"a"}"#),
            ("GET /v1/a?long_name=b", &format!("query parameter \"long_name\": {QUERY}")),
            ("GET /v1/a?longName=b", &format!("query parameter \"longName\": {QUERY}")),
            (
                "GET /v1/a?longName=a&long_name=a",
                "query parameter \"long_name\": repeated, but it takes only one value",
            ),
            (r#"PUT /v1/a/4294967297 <- {"big":"4294967297"}"#, r#"Put {"longName":"a","big":"4294967297"}"#),
            (
                r#"PUT /v1/a/4294967297 <- {"big":1}"#,
                "field \"big\": the path and the body have different values for it; leave it out of the body, or send the same value",
            ),
            (
                r#"PUT /v1/a/1 <- {"longName":"b"}"#,
                "field \"long_name\": the path and the body have different values for it; leave it out of the body, or send the same value",
            ),
            (
                r#"PUT /v1/a/1 <- {"long_name":"b"}"#,
                "field \"long_name\": the path and the body have different values for it; leave it out of the body, or send the same value",
            ),
            (
                r#"PUT /v1/a/1 <- {"long_name":"a","longName":"a"}"#,
                "field \"longName\": repeated, but it takes only one value (line 1, column 29)",
            ),
        ],
    );
}

#[test]
fn query_parameters_fill_the_fields_that_path_and_body_do_not() {
    let rpcs = [
        rpc("Get", "One", "Reply", r#"get: "/v1/{id}""#),
        rpc("Post", "One", "Reply", r#"post: "/v1/{id}" body: "account""#),
        rpc("Put", "One", "Reply", r#"put: "/v1/{account.card.number}" body: "*""#),
    ];
    check(
        &routes(&rpcs.concat(), &[]).unwrap(),
        &[
            ("GET /v1/a?name=n&limit=3&tags=x&tags=y", r#"Get {"id":"a","name":"n","tags":["x","y"],"limit":3}"#),
            (
                "GET /v1/a?account.card.number=1&account.card.holder=h+b%2B",
                r#"Get {"id":"a","account":{"card":{"number":"1","holder":"h b+"}}}"#,
            ),
            ("GET /v1/a?id=a", r#"Get {"id":"a"}"#),
            ("GET /v1/a?&&name=n&", r#"Get {"id":"a","name":"n"}"#),
            (
                "GET /v1/a?id=b",
                "query parameter \"id\": the path has a different value for it; leave it out of the query, or send the same value",
            ),
            (
                "GET /v1/a?id=",
                "query parameter \"id\": the path has a different value for it; leave it out of the query, or send the same value",
            ),
            ("GET /v1/a?name=x&name=x", "query parameter \"name\": repeated, but it takes only one value"),
            ("GET /v1/a?nope=1", "unknown query parameter \"nope\""),
            ("GET /v1/a?Name=1", "unknown query parameter \"Name\" (did you mean \"name\"?)"),
            ("GET /v1/a?tags.x=1", "unknown query parameter \"tags.x\""),
            ("GET /v1/a?limit=many", "query parameter \"limit\": expected an int32, got \"many\""),
            ("GET /v1/a?limit=", "query parameter \"limit\": expected an int32, got \"\""),
            (
                "GET /v1/a?account=x",
                "query parameter \"account\": this is a message; set one of its fields instead, for example account.iban",
            ),
            (
                "GET /v1/a?account.labels=x",
                "query parameter \"account.labels\": this is a map; write one of its keys in brackets, for example account.labels[key]",
            ),
            (
                "GET /v1/a?account.iban=1&account.card.number=2",
                "query parameter \"account.card.number\": only one field of the oneof \"kind\" can be set, and \"iban\" already is",
            ),
            (
                "GET /v1/a?name=%zz",
                "query parameter number 1: invalid percent-encoding: expected two hexadecimal digits after \"%\"; write %25 for a literal \"%\"",
            ),
            ("GET /v1/a?name=n&=x", "query parameter number 2: expected a name before \"=\", got none"),
            (
                "GET /v1/a <- {}",
                "GET /v1/{id} takes no body, but the request has one; send the values as query parameters instead",
            ),
            ("POST /v1/a?limit=1 <- {\"iban\":\"x\"}", r#"Post {"id":"a","account":{"iban":"x"},"limit":1}"#),
            (
                "POST /v1/a?account.labels=x <- {}",
                "query parameter \"account.labels\": this is a map; write one of its keys in brackets, for example account.labels[key]",
            ),
            (
                "POST /v1/a?account.iban=x <- {}",
                "query parameter \"account.iban\": send it in the body, not in the query",
            ),
            ("POST /v1/a", "the request needs a JSON body; send {} to leave every field unset"),
            ("PUT /v1/1 <- {\"name\":\"n\"}", r#"Put {"account":{"card":{"number":"1"}},"name":"n"}"#),
            (
                "PUT /v1/1 <- {\"account\":{\"card\":{\"number\":\"1\",\"holder\":\"h\"}}}",
                r#"Put {"account":{"card":{"number":"1","holder":"h"}}}"#,
            ),
            (
                "PUT /v1/1 <- {\"account\":{\"card\":{\"holder\":\"h\"}}}",
                r#"Put {"account":{"card":{"number":"1","holder":"h"}}}"#,
            ),
            (
                "PUT /v1/1 <- {\"account\":{\"card\":{\"number\":\"2\"}}}",
                "field \"account.card.number\": the path and the body have different values for it; leave it out of the body, or send the same value",
            ),
            (
                "PUT /v1/1 <- {\"account\":{\"card\":{\"number\":\"\"}}}",
                "field \"account.card.number\": the path and the body have different values for it; leave it out of the body, or send the same value",
            ),
            ("PUT /v1/1 <- {\"account\":{\"card\":{\"number\":null}}}", r#"Put {"account":{"card":{"number":"1"}}}"#),
            (
                "PUT /v1/1 <- {\"account\":{\"iban\":\"x\"}}",
                "path variable \"account.card.number\": only one field of the oneof \"kind\" can be set, and \"iban\" already is",
            ),
            ("PUT /v1/1?name=x <- {}", "query parameter \"name\": send it in the body, not in the query"),
            ("PUT /v1/1?account.card.number=1 <- {}", r#"Put {"account":{"card":{"number":"1"}}}"#),
        ],
    );
}

const PAIR: [(&str, &str, &str, &str); 2] = [
    ("GetOne", "One", "Reply", r#"get: "/v1/all?id={id}&account.iban={account.iban}""#),
    ("GetMany", "Many", "List", r#"get: "/v1/all?offset={offset}&limit={limit}&account.iban={account.iban}""#),
];

#[test]
fn query_parameters_select_the_rpc_of_a_shared_path() {
    let rpcs = PAIR.map(|(name, input, output, rule)| rpc(name, input, output, rule)).concat();
    check(
        &routes(&rpcs, &[]).unwrap(),
        &[
            ("GET /v1/all?id=1&account.iban=x", r#"GetOne {"id":"1","account":{"iban":"x"}}"#),
            ("GET /v1/all?limit=5&account.iban=x", r#"GetMany {"limit":5,"account":{"iban":"x"}}"#),
            ("GET /v1/all?account.iban=x", r#"GetMany {"account":{"iban":"x"}}"#),
            ("GET /v1/all", "GetMany {}"),
            ("GET /v1/all?from=y", r#"GetMany {"from":"y"}"#),
            ("GET /v1/all?account.card.number=1", r#"GetMany {"account":{"card":{"number":"1"}}}"#),
            ("GET /v1/all?id=&limit=&offset=&account.iban=x", r#"GetMany {"account":{"iban":"x"}}"#),
            ("GET /v1/all?id=1&limit=&offset=&account.iban=", r#"GetOne {"id":"1"}"#),
            (
                "GET /v1/all?id=1&offset=2",
                "the query parameters \"id\", \"offset\" cannot be combined: they belong to different operations of this path",
            ),
            ("GET /v1/all?id=1&nope=", "unknown query parameter \"nope\""),
            (
                "GET /v1/all?id=1&limit=2",
                "the query parameters \"id\", \"limit\" cannot be combined: they belong to different operations of this path",
            ),
            (
                "GET /v1/all?offset=a&account.iban=x&id=1",
                "the query parameters \"offset\", \"id\" cannot be combined: they belong to different operations of this path",
            ),
            ("GET /v1/all?limit=1&limit=2", "query parameter \"limit\": repeated, but it takes only one value"),
            (
                "GET /v1/all?account.iban=&account.iban=x",
                "query parameter \"account.iban\": repeated, but it takes only one value",
            ),
            (
                "GET /v1/all?account.iban=x&account.card.number=",
                "query parameter \"account.card.number\": only one field of the oneof \"kind\" can be set, and \"iban\" already is",
            ),
            ("POST /v1/all", "allow GET, HEAD, OPTIONS"),
        ],
    );
}
