//! Which field or message a request body or response body is the value of.

use super::sizes::{routes_of, with_route};
use super::{check, routes, rpc};
use crate::codec;
use crate::route::{Query, System};

#[test]
fn a_body_can_be_the_value_of_any_field() {
    let rpcs = [
        rpc("Message", "One", "Reply", r#"post: "/v1/message" body: "account""#),
        rpc("Nested", "One", "Reply", r#"post: "/v1/nested/{id}" body: "account.card""#),
        rpc("Scalar", "One", "Reply", r#"post: "/v1/scalar/{id}" body: "name""#),
        rpc("Number", "One", "Reply", r#"post: "/v1/number" body: "limit""#),
        rpc("List", "One", "Reply", r#"post: "/v1/list" body: "tags""#),
        rpc("Map", "One", "Reply", r#"post: "/v1/map" body: "account.labels""#),
        rpc("Inside", "One", "Reply", r#"post: "/v1/inside/{account.card.number}" body: "account""#),
    ];
    check(
        &routes(&rpcs.concat(), &[]).unwrap(),
        &[
            (r#"POST /v1/message <- {"iban":"x"}"#, r#"Message {"account":{"iban":"x"}}"#),
            ("POST /v1/message <- {}", r#"Message {"account":{}}"#),
            ("POST /v1/message?name=n <- null", r#"Message {"name":"n"}"#),
            (r#"POST /v1/nested/a <- {"number":"1"}"#, r#"Nested {"id":"a","account":{"card":{"number":"1"}}}"#),
            ("POST /v1/nested/a <- null", r#"Nested {"id":"a"}"#),
            (
                "POST /v1/nested/a?account.iban=x <- {}",
                "query parameter \"account.iban\": only one field of the oneof \"kind\" can be set, and \"card\" already is",
            ),
            ("POST /v1/nested/a?account.iban=x <- null", r#"Nested {"id":"a","account":{"iban":"x"}}"#),
            (r#"POST /v1/scalar/a <- "n""#, r#"Scalar {"id":"a","name":"n"}"#),
            (r#"POST /v1/scalar/a?limit=1 <- null"#, r#"Scalar {"id":"a","limit":1}"#),
            ("POST /v1/scalar/a <- {}", "the body: expected a string, got an object (line 1, column 1)"),
            (
                "POST /v1/scalar/a <- 1",
                "the body: expected a string, got 1; put it in quotes: \"1\" (line 1, column 1)",
            ),
            ("POST /v1/number <- 7", r#"Number {"limit":7}"#),
            (r#"POST /v1/number <- "7""#, r#"Number {"limit":7}"#),
            ("POST /v1/number <- 7 8", "the body: expected the end of the body, got `8` (line 1, column 3)"),
            (r#"POST /v1/list <- ["a","b"]"#, r#"List {"tags":["a","b"]}"#),
            ("POST /v1/list <- []", "List {}"),
            (
                r#"POST /v1/list <- "a""#,
                "the body: expected an array, each element a string, got \"a\" (line 1, column 1)",
            ),
            ("POST /v1/list?tags=x <- []", "query parameter \"tags\": send it in the body, not in the query"),
            (r#"POST /v1/map <- {"a":"b"}"#, r#"Map {"account":{"labels":{"a":"b"}}}"#),
            (
                r#"POST /v1/map <- {"a":"b","a":"c"}"#,
                "field \"a\": repeated, but it takes only one value (line 1, column 14)",
            ),
            (
                r#"POST /v1/inside/1 <- {"card":{"holder":"h"}}"#,
                r#"Inside {"account":{"card":{"number":"1","holder":"h"}}}"#,
            ),
            ("POST /v1/inside/1 <- null", r#"Inside {"account":{"card":{"number":"1"}}}"#),
            (
                r#"POST /v1/inside/1 <- {"iban":"x"}"#,
                "path variable \"account.card.number\": only one field of the oneof \"kind\" can be set, and \"iban\" already is",
            ),
        ],
    );
}

#[test]
fn a_required_field_of_proto2_must_be_set() {
    let routes = routes_of("proto2", "message M0 { required string name = 1; }");
    with_route(&routes, "POST", |route| {
        let encode = |body: &str| route.encode(&[], &Query::default(), Some(body.as_bytes()));
        assert_eq!(encode(r#"{"name":""}"#), Ok(vec![10, 0]));
        assert_eq!(encode("{}").unwrap_err().to_string(), r#"field "name": required, but not set (line 1, column 3)"#);
    });
}

/// A message whose JSON is not an object of its fields, and one of whose fields the path binds.
#[test]
fn path_and_body_must_agree_on_the_fields_of_a_well_known_type() {
    let rpcs = [
        rpc("Time", "Kinds", "Reply", r#"post: "/v1/time/{when.seconds}" body: "*""#),
        rpc("Value", "Kinds", "Reply", r#"post: "/v1/value/{free.number_value}" body: "free""#),
        rpc("Typed", "Kinds", "Reply", r#"post: "/v1/typed/{any.type_url=**}" body: "*""#),
        rpc("Whole", "google.protobuf.Duration", "Reply", r#"post: "/v1/whole/{seconds}" body: "*""#),
    ];
    let differ = |field: &str| {
        format!(
            "field \"{field}\": the path and the body have different values for it; leave it out of the body, or send the same value"
        )
    };
    let card = r#"{"any":{"@type":"x/t.Card","number":"7"}}"#;
    check(
        &routes(&rpcs.concat(), &[]).unwrap(),
        &[
            (r#"POST /v1/time/1 <- {}"#, r#"Time {"when":"1970-01-01T00:00:01Z"}"#),
            (r#"POST /v1/time/1 <- {"when":null}"#, r#"Time {"when":"1970-01-01T00:00:01Z"}"#),
            (r#"POST /v1/time/1 <- {"when":"1970-01-01T00:00:01.5Z"}"#, r#"Time {"when":"1970-01-01T00:00:01.500Z"}"#),
            (r#"POST /v1/time/0 <- {"when":"1970-01-01T00:00:00Z"}"#, r#"Time {"when":"1970-01-01T00:00:00Z"}"#),
            (r#"POST /v1/time/1 <- {"when":"1970-01-01T00:00:02Z"}"#, &differ("when.seconds")),
            (r#"POST /v1/time/1 <- {"when":"1970-01-01T00:00:00Z"}"#, &differ("when.seconds")),
            ("POST /v1/value/7 <- 7", r#"Value {"free":7.0}"#),
            ("POST /v1/value/7 <- 8", &differ("free.number_value")),
            ("POST /v1/value/7 <- {}", &differ("free.number_value")),
            (&format!("POST /v1/typed/x/t.Card <- {card}"), &format!("Typed {card}")),
            (&format!("POST /v1/typed/x/t.Account <- {card}"), &differ("any.type_url")),
            (r#"POST /v1/whole/1 <- "1.5s""#, "Whole \"1.500s\""),
            (r#"POST /v1/whole/1 <- "2s""#, &differ("seconds")),
        ],
    );
}

#[test]
fn a_response_body_can_be_the_value_of_one_field() {
    let all = r#"{"all":[{"id":"a","account":{"card":{"number":"1"}},"tags":["x"],"limit":3}],"offset":"o"}"#;
    let reply = r#"{"one":{"account":{"card":{"number":"1"},"labels":{"a":"b"}},"tags":["x","y"],"limit":3}}"#;
    let kinds = r#"{"when":"2026-01-31T12:00:00Z","size":"LARGE","maybe":0,"long":"7","blob":"AQ==","nothing":null}"#;
    for (output, field, json, expected) in [
        ("List", "all", all, r#"[{"id":"a","account":{"card":{"number":"1"}},"tags":["x"],"limit":3}]"#),
        ("List", "offset", all, r#""o""#),
        ("List", "all", "{}", "[]"),
        ("List", "offset", "{}", "\"\""),
        ("Reply", "one", "{}", "null"),
        ("Reply", "one", r#"{"one":{}}"#, "{}"),
        ("Reply", "one.account", reply, r#"{"card":{"number":"1"},"labels":{"a":"b"}}"#),
        ("Reply", "one.account", "{}", "null"),
        ("Reply", "one.account.labels", reply, r#"{"a":"b"}"#),
        ("Reply", "one.account.labels", "{}", "{}"),
        ("Reply", "one.account.card.number", reply, r#""1""#),
        ("Reply", "one.account.iban", reply, "null"),
        ("Reply", "one.tags", reply, r#"["x","y"]"#),
        ("Reply", "one.limit", reply, "3"),
        ("Reply", "one.limit", "{}", "0"),
        ("Kinds", "when", kinds, r#""2026-01-31T12:00:00Z""#),
        ("Kinds", "when", "{}", "null"),
        ("Kinds", "size", kinds, r#""LARGE""#),
        ("Kinds", "size", "{}", r#""NONE""#),
        ("Kinds", "maybe", kinds, "0"),
        ("Kinds", "maybe", "{}", "null"),
        ("Kinds", "long", kinds, r#""7""#),
        ("Kinds", "long", "{}", r#""0""#),
        ("Kinds", "blob", kinds, r#""AQ==""#),
        ("Kinds", "blob", "{}", "\"\""),
        ("Kinds", "flag", "{}", "false"),
        ("Kinds", "nothing", "{}", "null"),
    ] {
        let rule = format!(r#"get: "/v1" response_body: "{field}""#);
        let routes = routes(&rpc("A", "One", output, &rule), &[]).unwrap();
        let route = &routes.all()[0];
        let body = codec::Body { text: json.as_bytes(), field: None, ignored: &codec::Ignored::default() };
        let wire = codec::Request::new(&route.rpc.output).encode(Some(body)).unwrap();
        assert_eq!(
            String::from_utf8(route.decode(&wire, System::default()).unwrap()).unwrap(),
            expected,
            "{field} of {json}"
        );
    }
}

#[test]
fn the_pieces_of_a_response_body_field_are_merged() {
    // Two pieces of `one`: id "a", then limit 1, and between them an unknown field.
    let wire = [&[10, 3, 10, 1, b'a'][..], &[120, 1], &[10, 2, 40, 1]].concat();
    // `card`, then `iban` of the same oneof: the last member stands.
    let oneof = [10, 9, 18, 7, 10, 2, 10, 0, 18, 1, b'i'];
    for (field, wire, expected) in [
        ("one", wire.as_slice(), Some(r#"{"id":"a","limit":1}"#)),
        ("one.limit", &wire, Some("1")),
        ("one.account.iban", &oneof, Some(r#""i""#)),
        ("one.account.card", &oneof, Some("null")),
        ("one.id", &[10, 3, 10, 1], None),
        ("one.id", &[10, 3, 10, 1, 0xff], None),
    ] {
        let rule = format!(r#"get: "/v1" response_body: "{field}""#);
        let routes = routes(&rpc("A", "One", "Reply", &rule), &[]).unwrap();
        let decoded = routes.all()[0].decode(wire, System::default()).ok().map(|json| String::from_utf8(json).unwrap());
        assert_eq!(decoded.as_deref(), expected, "{field}");
    }
}

#[test]
fn system_parameters_choose_the_format_of_a_reply() {
    let routes = routes(&rpc("A", "Kinds", "Kinds", r#"get: "/v1""#), &[]).unwrap();
    let route = &routes.all()[0];
    // `size: LARGE, flag: true`
    let wire = [16, 1, 48, 1];
    for (query, expected) in [
        ("", r#"{"size":"LARGE","flag":true}"#),
        ("$alt=json", r#"{"size":"LARGE","flag":true}"#),
        ("$alt=json;enum-encoding=int", r#"{"size":1,"flag":true}"#),
        ("%24alt=json%3Benum-encoding%3Dint", r#"{"size":1,"flag":true}"#),
        ("$prettyPrint=true", "{\n  \"size\": \"LARGE\",\n  \"flag\": true\n}"),
        ("$prettyPrint=false&%24alt=json;enum-encoding=int", r#"{"size":1,"flag":true}"#),
    ] {
        let query = Query::parse(query).unwrap();
        assert_eq!(query.pairs().count(), 0);
        let json = route.decode(&wire, query.system()).unwrap();
        assert_eq!(String::from_utf8(json).unwrap(), expected, "{query:?}");
    }
}

#[test]
fn unknown_system_parameters_and_values_are_refused() {
    const ALT: &str = "expected json or json;enum-encoding=int, got";
    for (query, problem) in [
        ("$alt=xml", format!("query parameter \"$alt\": {ALT} \"xml\"")),
        ("$alt=", format!("query parameter \"$alt\": {ALT} \"\"")),
        ("$alt", format!("query parameter \"$alt\": {ALT} \"\"")),
        ("%24alt=sse", format!("query parameter \"$alt\": {ALT} \"sse\"")),
        ("$alt=json;enum-encoding=string", format!("query parameter \"$alt\": {ALT} \"json;enum-encoding=string\"")),
        ("$alt=JSON", format!("query parameter \"$alt\": {ALT} \"JSON\"")),
        ("$prettyPrint=1", "query parameter \"$prettyPrint\": expected true or false, got \"1\"".to_owned()),
        ("$alt=json&%24alt=json", "query parameter \"$alt\": repeated, but it takes only one value".to_owned()),
        (
            "$fields=a",
            "query parameter \"$fields\": unknown system parameter; only $alt and $prettyPrint are supported"
                .to_owned(),
        ),
        ("$=a", "query parameter \"$\": unknown system parameter; only $alt and $prettyPrint are supported".to_owned()),
        (
            "$prettyprint=true",
            "query parameter \"$prettyprint\": unknown system parameter; only $alt and $prettyPrint are supported"
                .to_owned(),
        ),
    ] {
        assert_eq!(Query::parse(query).unwrap_err().to_string(), problem, "{query}");
    }
}
