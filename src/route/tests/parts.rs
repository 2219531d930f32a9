//! Multipart forms: files and texts that set fields of the body's message.

use http::Method;

use super::{Query, Routes, routes, rpc};
use crate::codec::{self, Print};
use crate::format::multipart::Boundary;

/// Name, content type and data.
type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

fn text<'a>(name: &'a str, text: &'a str) -> Part<'a> {
    (name, None, text.as_bytes())
}

fn png<'a>(name: &'a str, data: &'a [u8]) -> Part<'a> {
    (name, Some("image/png"), data)
}

fn body(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content_type, data) in parts {
        body.extend(format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n").bytes());
        body.extend(content_type.iter().flat_map(|text| format!("Content-Type: {text}\r\n").into_bytes()));
        body.extend([b"\r\n", *data, b"\r\n"].concat());
    }
    body.extend(b"--b--\r\n");
    body
}

/// The request message as JSON, or the error.
fn outcome(routes: &Routes, target: &str, parts: &[Part<'_>]) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = Query::parse(query).unwrap();
    let found = routes.find(&Method::POST, path, &query).unwrap();
    let boundary = Boundary::of("multipart/form-data; boundary=b").unwrap();
    match found.route.encode_parts(&found.captures, &query, (&boundary, &body(parts))) {
        Ok(wire) => String::from_utf8(codec::reply(&found.route.rpc.input, &wire, &Print::default()).unwrap()).unwrap(),
        Err(error) => error.to_string(),
    }
}

fn bundles() -> Routes {
    let rpcs = [
        rpc("Whole", "Bundle", "Reply", r#"post: "/v1/{name}" body: "*""#),
        rpc("Digest", "Bundle", "Reply", r#"post: "/v1/digests/{digest}" body: "*""#),
        rpc("Inner", "Bundle", "Reply", r#"post: "/v1/inner/{inner.name}" body: "inner""#),
    ];
    routes(&rpcs.concat(), &[]).unwrap()
}

#[test]
fn a_form_part_fills_its_field_with_bytes_or_text() {
    let routes = bundles();
    for (target, parts, message) in [
        ("/v1/n", &[][..], r#"{"name":"n"}"#),
        (
            "/v1/n",
            &[png("content", b"\x89\0\r\n"), text("count", "1e1"), text("tags", "a"), text("tags", "\u{e9}\n")],
            r#"{"name":"n","content":{"contentType":"image/png","data":"iQANCg=="},"count":10,"tags":["a","é\n"]}"#,
        ),
        ("/v1/n", &[text("content", "AQ==")], r#"{"name":"n","content":{"data":"QVE9PQ=="}}"#),
        ("/v1/n", &[text("content", "")], r#"{"name":"n","content":{}}"#),
        ("/v1/n", &[text("digest", "AQ==")], r#"{"name":"n","digest":"QVE9PQ=="}"#),
        ("/v1/n", &[png("digest", b"\xff")], r#"{"name":"n","digest":"/w=="}"#),
        ("/v1/n", &[text("digest", "")], r#"{"name":"n"}"#),
        ("/v1/n", &[png("wrapped", b"\xff")], r#"{"name":"n","wrapped":"/w=="}"#),
        ("/v1/n", &[png("wrapped", b"")], r#"{"name":"n","wrapped":""}"#),
        ("/v1/n", &[png("left", b"")], r#"{"name":"n","left":""}"#),
        (
            "/v1/n",
            &[png("more", b"a"), text("chunks", "a"), text("more", ""), png("chunks", b"")],
            r#"{"name":"n","more":[{"contentType":"image/png","data":"YQ=="},{}],"chunks":["YQ==",""]}"#,
        ),
        (
            "/v1/n",
            &[png("files[a.png]", b"a"), text("sums[a]", "a"), png("sums[b]", b"")],
            r#"{"name":"n","files":{"a.png":{"contentType":"image/png","data":"YQ=="}},"sums":{"a":"YQ==","b":""}}"#,
        ),
        (
            "/v1/n",
            &[png("inner.content", b"a"), text("again.again.name", "m"), text("inner.name", "n")],
            r#"{"name":"n","inner":{"name":"n","content":{"contentType":"image/png","data":"YQ=="}},"again":{"again":{"name":"m"}}}"#,
        ),
        (
            "/v1/n",
            &[text("content.contentType", "a/b"), png("content.data", b"a")],
            r#"{"name":"n","content":{"contentType":"a/b","data":"YQ=="}}"#,
        ),
        ("/v1/n?name=n", &[text("name", "n")], r#"{"name":"n"}"#),
        ("/v1/digests/_w", &[png("digest", b"\xff")], r#"{"digest":"/w=="}"#),
        (
            "/v1/inner/a?count=1",
            &[png("content", b"a"), text("name", "a")],
            r#"{"inner":{"name":"a","content":{"contentType":"image/png","data":"YQ=="}},"count":1}"#,
        ),
    ] {
        assert_eq!(outcome(&routes, target, parts), message, "{target} {parts:?}");
    }
}

#[test]
fn a_form_part_that_cannot_fill_a_field_is_refused() {
    const MESSAGE: &str = "this is a message; set one of its fields instead";
    let routes = bundles();
    for (target, parts, message) in [
        ("/v1/n", &[text("nope", "")][..], "unknown form field \"nope\""),
        ("/v1/n", &[png("nope", b"\xff")], "unknown form field \"nope\""),
        ("/v1/n", &[text("more.data", "")], "unknown form field \"more.data\""),
        ("/v1/inner/a", &[text("count", "1")], "unknown form field \"count\""),
        (
            "/v1/n",
            &[text("digest", "a"), text("digest", "a")],
            "form field \"digest\": repeated, but it takes only one value",
        ),
        (
            "/v1/n",
            &[text("content", "a"), png("content", b"b")],
            "form field \"content\": repeated, but it takes only one value",
        ),
        (
            "/v1/n",
            &[text("content.content_type", "a"), text("content.contentType", "a")],
            "form field \"content.contentType\": repeated, but it takes only one value",
        ),
        (
            "/v1/n",
            &[png("content", b"a"), png("content.data", b"a")],
            "form field \"content.data\": repeated, but it takes only one value",
        ),
        (
            "/v1/n",
            &[png("content.data", b"a"), png("content", b"a")],
            "form field \"content\": repeated, but it takes only one value",
        ),
        (
            "/v1/n",
            &[png("files[a]", b"a"), png("files[a]", b"b")],
            "form field \"files[a]\": repeated, but it takes only one value",
        ),
        (
            "/v1/n",
            &[png("left", b"a"), png("right", b"a")],
            "form field \"right\": only one field of the oneof \"one\" can be set, and \"left\" already is",
        ),
        (
            "/v1/n",
            &[png("right", b"a"), png("left", b"a")],
            "form field \"left\": only one field of the oneof \"one\" can be set, and \"right\" already is",
        ),
        (
            "/v1/n",
            &[text("name", "m")],
            "form field \"name\": the path has a different value for it; leave it out of the query, or send the same value",
        ),
        (
            "/v1/digests/_w",
            &[text("digest", "_w")],
            "form field \"digest\": the path has a different value for it; leave it out of the query, or send the same value",
        ),
        (
            "/v1/inner/a",
            &[text("name", "b")],
            "form field \"name\": the path has a different value for it; leave it out of the query, or send the same value",
        ),
        ("/v1/n", &[text("inner", "{}")], &format!("form field \"inner\": {MESSAGE}, for example inner.name")),
        (
            "/v1/n",
            &[("inner", Some("application/json"), b"{}")],
            &format!("form field \"inner\": {MESSAGE}, for example inner.name"),
        ),
        (
            "/v1/n",
            &[text("cards[a]", "x")],
            "form field \"cards[a]\": this is a map of messages, which can only be sent in a JSON body",
        ),
        (
            "/v1/n",
            &[png("files", b"a")],
            "form field \"files\": this is a map; write one of its keys in brackets, for example files[key]",
        ),
        ("/v1/n", &[text("count", "x")], "form field \"count\": expected an int32, got \"x\""),
        ("/v1/n", &[("tags", None, b"\xe9")], "form field \"tags\": the text is not valid UTF-8"),
        ("/v1/n", &[text("tags", "a\0")], "form field \"tags\": a NUL character is not allowed"),
        (
            "/v1/n",
            &[png("tags", b"a")],
            "form field \"tags\": expected a part with Content-Type text/plain in UTF-8, or without Content-Type, got `image/png`",
        ),
        ("/v1/n?count=1", &[], "query parameter \"count\": send it in the body, not in the query"),
        (
            "/v1/n",
            &[png("", b"a")],
            "the form is malformed: part 1: expected a `name` in Content-Disposition, got none",
        ),
        (
            "/v1/n",
            &[png("a", b"\n--b")],
            "the form is malformed: part 1: expected CRLF before the boundary, got CR or LF alone",
        ),
    ] {
        assert_eq!(outcome(&routes, target, parts), message, "{target} {parts:?}");
    }
}

#[test]
fn a_form_part_is_read_as_json_for_struct_and_value_fields() {
    let routes = bundles();
    let json = |name: &'static str, text: &'static str| (name, Some("application/json"), text.as_bytes());
    for (parts, expected) in [
        (vec![json("open", r#"{"a":1}"#)], r#"{"name":"n","open":{"a":1.0}}"#),
        (vec![text("open", r#"{"a":1}"#)], r#"{"name":"n","open":{"a":1.0}}"#),
        (vec![json("frees", "1"), text("frees", "\"b\"")], r#"{"name":"n","frees":[1.0,"b"]}"#),
        (
            vec![json("open", r#"{"a":1e999}"#)],
            "form field \"open.a\": expected a double, got 1e999 (line 1, column 6 of the JSON text)",
        ),
        (
            vec![png("open", b"{}")],
            "form field \"open\": expected a part with Content-Type application/json, or text/plain in UTF-8, or without Content-Type, got `image/png`",
        ),
    ] {
        assert_eq!(outcome(&routes, "/v1/n", &parts), expected, "{parts:?}");
    }
}

#[test]
fn a_form_part_nested_deeper_than_the_message_limit_is_refused() {
    let routes = bundles();
    let deep = |levels: usize| format!("{}content", "again.".repeat(levels));
    assert!(outcome(&routes, "/v1/n", &[png(&deep(98), b"a")]).starts_with("{"));
    let message = format!("form field \"{}...\": nested deeper than the limit of 100 messages", &deep(99)[..200]);
    assert_eq!(outcome(&routes, "/v1/n", &[png(&deep(99), b"a")]), message);
}

#[test]
fn form_parts_are_limited_in_number_like_query_parameters() {
    let routes = bundles();
    let parts = |count| vec![text("tags", "a"); count];
    assert!(outcome(&routes, "/v1/n", &parts(512)).starts_with("{"));
    assert_eq!(
        outcome(&routes, "/v1/n", &parts(513)),
        "the form is malformed: too many parts: at most 512 are allowed"
    );
}
