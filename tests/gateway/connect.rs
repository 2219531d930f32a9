//! Unary calls of Connect, beside the sentences of the protocol (connectrpc.com/docs/protocol) that each case keeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::Backend;
use crate::support::connect::{BYTES, JSON, VERSION, gateway, gunzip, gzip, is, post, send, told};
use crate::support::talk::{backend, note};

const ASK: &str = "/talk.Talk/Ask";

/// A backend that sends its message back, and its calls so far.
fn echo() -> (Backend, Arc<AtomicUsize>) {
    let calls = Arc::<AtomicUsize>::default();
    let counted = calls.clone();
    let backend = backend(move |_, mut requests, replies| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let all = requests.all().await;
            match all[0].as_slice() {
                message if message.ends_with(b"fail") => replies.end_with("9", "no funds", &[("x-ended", "yes")]).await,
                message if message.ends_with(b"wait") => replies.given_up().await,
                message => {
                    replies.send(message).await;
                    replies.end_with("0", "", &[("x-ended", "yes"), ("x-hidden", "yes")]).await;
                }
            }
        }
    });
    (backend, calls)
}

#[test]
fn a_unary_connect_message_is_json_or_protobuf_and_trailers_become_headers() {
    let (backend, _) = echo();
    let gateway = gateway(&backend, "rest, connect", "");
    let wire = note("a", 7);
    let utf8 = ("content-type", "application/json; charset=utf-8");
    for (headers, body, expected) in [
        (&[JSON, VERSION][..], &b"{\"text\":\"a\",\"number\":7}"[..], &b"{\"text\":\"a\",\"number\":7}"[..]),
        // "Servers may accept requests without Connect-Protocol-Version": as curl sends them.
        (&[JSON], b"{\"text\":\"a\",\"number\":7}", b"{\"text\":\"a\",\"number\":7}"),
        (&[utf8, VERSION], b"{\"number\":\"7\",\"text\":\"a\"}", b"{\"text\":\"a\",\"number\":7}"),
        (&[JSON, VERSION], b"{}", b"{}"),
        (&[BYTES, VERSION], &wire, &wire),
        (&[BYTES], &wire, &wire),
        (&[BYTES], b"", b""),
        // Protobuf is not decoded.
        (&[BYTES], b"\xff\xff", b"\xff\xff"),
    ] {
        for is_http2 in [false, true] {
            let input = format!("{headers:?} {body:?}, HTTP/2: {is_http2}");
            let got = send(&gateway, is_http2, ("POST", ASK), headers, Some(body));
            assert_eq!((got.status, &got.body[..]), (200, expected), "{input}");
            // "Content-Type of the response is that of the request".
            assert_eq!(got.header("content-type"), headers[0].1.split(';').next(), "{input}");
            // "Trailers are sent as headers with the prefix Trailer-". Only listed metadata passes.
            let metadata = ["x-started", "trailer-x-ended", "x-ended", "trailer-x-hidden"].map(|name| got.header(name));
            assert_eq!(metadata, [Some("yes"), Some("yes"), None, None], "{input}");
            assert_eq!(got.header("cache-control"), Some("no-store"), "{input}");
            if !is_http2 {
                assert_eq!(got.header("content-length"), Some(got.body.len().to_string().as_str()), "{input}");
            }
        }
    }
}

#[test]
fn a_google_api_http_body_is_an_ordinary_message_in_connect() {
    let (backend, _) = echo();
    let gateway = gateway(&backend, "rest, connect", "");
    let body = br#"{"contentType":"text/plain","data":"YWJj"}"#;
    let got = post(&gateway, "/talk.Talk/Echo", &[JSON], body);
    assert_eq!((got.status, got.header("content-type"), &got.body[..]), (200, Some("application/json"), &body[..]));
    // By its rule it is raw, as before.
    let got = post(&gateway, "/echo", &[("content-type", "text/plain")], b"abc");
    assert_eq!((got.status, got.header("content-type"), &got.body[..]), (200, Some("text/plain"), &b"abc"[..]));
}

#[test]
fn a_refused_unary_connect_call_has_the_http_status_of_its_code() {
    let (backend, calls) = echo();
    let gateway = gateway(&backend, "rest, connect", "requests: {body_limit: 1000}\n");
    let long = [0; 1001];
    let timeout = "header connect-timeout-ms: expected one number of 1 to 10 digits, greater than zero";
    let unary = "send one of application/json, application/proto";
    let not_found = is("unimplemented", "no rpc with this path is served", "RPC_NOT_FOUND");
    let bad_time = || is("invalid_argument", timeout, "INVALID_HEADER");
    for (line, headers, body, status, expected) in [
        (("POST", "/talk.Talk/None"), &[BYTES][..], &b""[..], 404, not_found),
        (
            ("POST", "/talk.Talk/Ask?a=b"),
            &[BYTES],
            b"",
            404,
            is("unimplemented", "no rpc with this path is served", "RPC_NOT_FOUND"),
        ),
        (
            ("PUT", ASK),
            &[BYTES],
            b"",
            405,
            is("unimplemented", "a Connect call of this rpc has the method GET or POST", "METHOD_NOT_ALLOWED"),
        ),
        (
            ("PUT", "/talk.Talk/Put"),
            &[BYTES],
            b"",
            405,
            is("unimplemented", "a Connect call of this rpc has the method POST", "METHOD_NOT_ALLOWED"),
        ),
        // "Servers must reject unknown versions with invalid_argument".
        (
            ("POST", ASK),
            &[JSON, ("connect-protocol-version", "2")],
            b"{}",
            400,
            is("invalid_argument", "header connect-protocol-version: expected 1", "INVALID_HEADER"),
        ),
        // "Timeout is a positive integer of at most 10 ASCII digits".
        (("POST", ASK), &[BYTES, ("connect-timeout-ms", "soon")], b"", 400, bad_time()),
        (("POST", ASK), &[BYTES, ("connect-timeout-ms", "0")], b"", 400, bad_time()),
        (("POST", ASK), &[BYTES, ("connect-timeout-ms", "-1")], b"", 400, bad_time()),
        (("POST", ASK), &[BYTES, ("connect-timeout-ms", "")], b"", 400, bad_time()),
        (("POST", ASK), &[BYTES, ("connect-timeout-ms", "12345678901")], b"", 400, bad_time()),
        // "Servers must answer 415 Unsupported Media Type to a codec that they do not know".
        (
            ("POST", ASK),
            &[("content-type", "application/xml"), VERSION],
            b"",
            415,
            is("invalid_argument", &format!("header content-type: unknown codec; {unary}"), "UNSUPPORTED_MEDIA_TYPE"),
        ),
        (
            ("POST", "/talk.Talk/Watch"),
            &[BYTES],
            b"",
            415,
            is(
                "invalid_argument",
                "header content-type: this rpc streams; send one of application/connect+json, application/connect+proto",
                "UNSUPPORTED_MEDIA_TYPE",
            ),
        ),
        (
            ("POST", ASK),
            &[("content-type", "application/json; charset=utf-16"), VERSION],
            b"{}",
            415,
            is(
                "invalid_argument",
                "Content-Type: expected charset=utf-8, or no charset, got `utf-16`",
                "UNSUPPORTED_MEDIA_TYPE",
            ),
        ),
        // "Servers must answer unimplemented to a compression that they do not know, and list those that they do".
        (
            ("POST", ASK),
            &[BYTES, ("content-encoding", "br")],
            b"a",
            501,
            is(
                "unimplemented",
                "header content-encoding: this compression is not supported; supported: identity",
                "MESSAGE_ENCODING_NOT_SUPPORTED",
            ),
        ),
        (
            ("POST", ASK),
            &[BYTES],
            &long,
            429,
            is("resource_exhausted", "the body is larger than the limit of 1000 bytes", "BODY_TOO_LARGE"),
        ),
        (
            ("POST", ASK),
            &[JSON],
            b"",
            400,
            is("invalid_argument", "the request needs a JSON body; send {} to leave every field unset", "BODY_MISSING"),
        ),
        (
            ("POST", ASK),
            &[JSON],
            b"{\"txt\":\"a\"}",
            400,
            is(
                "invalid_argument",
                "unknown field \"txt\" (did you mean \"text\"?) (line 1, column 8)",
                "UNKNOWN_FIELD",
            ),
        ),
    ] {
        let got = send(&gateway, false, line, headers, Some(body));
        let input = format!("{line:?} {headers:?}");
        assert_eq!((got.status, got.header("content-type")), (status, Some("application/json")), "{input}");
        assert_eq!(told(&got.json()), expected, "{input}");
        assert_eq!(got.header("allow").is_some(), status == 405, "{input}");
        let types = got.header("accept-post");
        assert!(types.is_none() || status == 415, "{input}");
        // Over HTTP/2 it is the same.
        let again = send(&gateway, true, line, headers, Some(body));
        assert_eq!((again.status, again.body), (status, got.body), "{input}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[test]
fn an_error_of_the_backend_passes_with_its_code_message_and_metadata() {
    let (backend, _) = echo();
    // The table of HTTP statuses is for REST.
    let gateway = gateway(&backend, "rest, connect", "errors: {statuses: {FAILED_PRECONDITION: 422}}\n");
    for (headers, body) in [(&[JSON][..], &b"{\"text\":\"fail\"}"[..]), (&[BYTES], b"\x12\x04fail")] {
        let got = post(&gateway, ASK, headers, body);
        assert_eq!((got.status, got.header("content-type")), (400, Some("application/json")), "{headers:?}");
        assert_eq!(got.body, b"{\"code\":\"failed_precondition\",\"message\":\"no funds\"}", "{headers:?}");
        assert_eq!(got.header("x-ended"), Some("yes"), "{headers:?}");
    }
    assert_eq!(post(&gateway, "/ask", &[JSON], b"{\"text\":\"fail\"}").status, 422);
}

#[test]
fn connect_timeout_ms_ends_the_call_in_time() {
    let (backend, _) = echo();
    let gateway = gateway(&backend, "connect", "");
    let begun = Instant::now();
    let got = post(&gateway, ASK, &[JSON, ("connect-timeout-ms", "150")], b"{\"text\":\"wait\"}");
    let message = "the backend did not answer within the caller's timeout of 150ms (connect-timeout-ms); the outcome of the call is \
                   unknown";
    assert_eq!((got.status, told(&got.json())), (504, is("deadline_exceeded", message, "DEADLINE_EXCEEDED")));
    assert!(begun.elapsed() < Duration::from_secs(3));
    // Ten digits are as good as no limit.
    let got = post(&gateway, ASK, &[JSON, ("connect-timeout-ms", "9999999999")], b"{\"text\":\"a\"}");
    assert_eq!(got.status, 200);
}

#[test]
fn unary_connect_bodies_are_compressed_only_where_gzip_is_allowed() {
    let (backend, calls) = echo();
    let gateway =
        gateway(&backend, "connect", "requests: {gzip: true, body_limit: 100000}\nreplies: {compression: true}\n");
    let long = format!("{{\"text\":\"{}\"}}", "abc".repeat(2_000));
    let bomb = gzip(&[b' '; 100_001]);
    let packed = ("content-encoding", "gzip");
    for (content_type, body) in [(JSON, long.into_bytes()), (BYTES, vec![7; 5_000])] {
        let got = post(&gateway, ASK, &[content_type, packed, ("accept-encoding", "gzip")], &gzip(&body));
        assert_eq!((got.status, got.header("content-encoding")), (200, Some("gzip")), "{content_type:?}");
        assert_eq!(gunzip(&got.body), body, "{content_type:?}");
        assert_eq!(got.header("vary"), Some("accept-encoding"), "{content_type:?}");
        let got = post(&gateway, ASK, &[content_type], &body);
        assert_eq!((got.status, got.header("content-encoding"), &got.body), (200, None, &body), "{content_type:?}");
        let called = calls.load(Ordering::SeqCst);
        for (body, status, reason) in [(&bomb[..], 429, "BODY_TOO_LARGE"), (b"abc", 400, "MALFORMED_GZIP")] {
            let got = post(&gateway, ASK, &[content_type, packed], body);
            assert_eq!((got.status, told(&got.json()).reason.as_deref()), (status, Some(reason)), "{content_type:?}");
        }
        assert_eq!(calls.load(Ordering::SeqCst), called, "{content_type:?}");
    }
    let got = post(&gateway, ASK, &[BYTES, ("content-encoding", "br")], b"a");
    assert_eq!((got.status, got.header("accept-encoding")), (501, Some("identity,gzip")));
}

#[test]
fn rest_routes_keep_their_meaning_where_connect_is_served() {
    let (backend, _) = echo();
    let both = gateway(&backend, "rest, connect", "");
    let version = [JSON, VERSION];
    for (line, headers, body, content_type, expected) in [
        // Whatever a request of REST says of Connect, its route answers it.
        (("POST", "/ask"), &version[..], &b"{\"text\":\"a\"}"[..], "application/json", "{\"text\":\"a\"}"),
        (("POST", "/echo"), &[BYTES], b"abc", "application/proto", "abc"),
    ] {
        let got = send(&both, false, line, headers, Some(body));
        assert_eq!((got.status, got.header("content-type")), (200, Some(content_type)), "{line:?}");
        assert_eq!(String::from_utf8(got.body).unwrap(), expected, "{line:?}");
    }
    // Of what is neither, a request without a mark of Connect gets the error of REST.
    let got = post(&both, "/talk.Talk/None", &[JSON], b"{}");
    assert_eq!((got.status, got.json()["code"].as_i64()), (404, Some(5)));
    let got = post(&both, "/talk.Talk/None", &version, b"{}");
    assert_eq!((got.status, told(&got.json()).code.as_str()), (404, "unimplemented"));
    // Without Connect in the list, these paths are not served.
    let rest = gateway(&backend, "rest", "");
    for headers in [&[JSON][..], &version, &[BYTES]] {
        assert_eq!(post(&rest, ASK, headers, b"{}").status, 404, "{headers:?}");
    }
    // Without REST, its routes are not.
    let connect = gateway(&backend, "connect", "");
    assert_eq!(post(&connect, ASK, &[JSON], b"{}").status, 200);
    assert_eq!(post(&connect, "/ask", &[JSON], b"{}").status, 415);
}

#[test]
fn idempotency_keys_and_rate_limits_hold_for_connect() {
    let (backend, calls) = echo();
    let gateway = gateway(
        &backend,
        "rest, connect",
        "limits: {all: {rate: 1/h, burst: 5}}\nrpcs: {talk.Talk.Ask: {idempotency: required}}\n",
    );
    let key = ("idempotency-key", "key-1");
    let got = post(&gateway, ASK, &[JSON], b"{\"text\":\"a\"}");
    assert_eq!((got.status, told(&got.json()).reason.as_deref()), (400, Some("IDEMPOTENCY_KEY_MISSING")));
    for replayed in [None, Some("true")] {
        let got = post(&gateway, ASK, &[JSON, key], b"{\"text\":\"a\"}");
        assert_eq!((got.status, got.header("idempotency-replayed")), (200, replayed));
        assert_eq!((&got.body[..], got.header("trailer-x-ended")), (&b"{\"text\":\"a\"}"[..], Some("yes")));
    }
    let got = post(&gateway, ASK, &[JSON, key], b"{\"text\":\"b\"}");
    assert_eq!((got.status, told(&got.json()).reason.as_deref()), (400, Some("IDEMPOTENCY_KEY_REUSED")));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(post(&gateway, "/ask", &[JSON, ("idempotency-key", "key-2")], b"{}").status, 200);
    // The sixth of an hour, whichever way the others came.
    let got = post(&gateway, ASK, &[BYTES, ("idempotency-key", "key-3")], b"");
    assert_eq!((got.status, told(&got.json()).reason.as_deref()), (429, Some("RATE_LIMITED")));
    assert!(got.header("retry-after").is_some());
}
