//! Unary calls of Connect with GET, which caches and browsers may repeat: only for rpcs without side effects.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::support::connect::{VERSION, gateway, gzip, is, send, told};
use crate::support::talk::{backend, note};
use crate::support::{Backend, Gateway};

fn echo() -> Backend {
    backend(|_, mut requests, replies| async move {
        let all = requests.all().await;
        replies.send(&all[0]).await;
        replies.end_with("0", "", &[("x-ended", "yes")]).await;
    })
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn an_rpc_without_side_effects_can_be_called_with_get() {
    let backend = echo();
    let gateway = gateway(&backend, "rest, connect", "requests: {gzip: true}\n");
    let wire = note("a b", 7);
    let json = &b"{\"text\":\"a b\",\"number\":7}"[..];
    for (query, content_type, expected) in [
        ("encoding=json&message=%7B%22text%22%3A%22a+b%22%2C%22number%22%3A7%7D".to_owned(), "application/json", json),
        (format!("base64=1&encoding=json&message={}", base64(json)), "application/json", json),
        (format!("encoding=proto&base64=1&message={}", base64(&wire)), "application/proto", &wire),
        (
            format!("encoding=proto&base64=1&compression=gzip&message={}", base64(&gzip(&wire))),
            "application/proto",
            &wire,
        ),
        ("encoding=proto&message=".to_owned(), "application/proto", b""),
    ] {
        for is_http2 in [false, true] {
            let target = format!("/talk.Talk/Ask?connect=v1&{query}");
            let got = send(&gateway, is_http2, ("GET", &target), &[VERSION], None);
            assert_eq!((got.status, got.header("content-type")), (200, Some(content_type)), "{query}");
            assert_eq!((&got.body[..], got.header("trailer-x-ended")), (expected, Some("yes")), "{query}");
        }
    }
}

#[test]
fn a_wrong_get_is_refused_before_a_call() {
    let backend = backend(|_, _, _| async { panic!("nothing may reach the backend") });
    let gateway = gateway(&backend, "rest, connect", "");
    let only_post = || is("unimplemented", "a Connect call of this rpc has the method POST", "METHOD_NOT_ALLOWED");
    for (target, status, expected) in [
        // "Servers must only accept GET for methods with no side effects".
        ("/talk.Talk/Form?connect=v1&encoding=json&message={}", 405, only_post()),
        ("/talk.Talk/Watch?connect=v1&encoding=json&message={}", 405, only_post()),
        (
            "/talk.Talk/None?connect=v1&encoding=json&message={}",
            404,
            is("unimplemented", "no rpc with this path is served", "RPC_NOT_FOUND"),
        ),
        (
            "/talk.Talk/Ask?connect=v1&encoding=json",
            400,
            is("invalid_argument", "query parameter \"message\": missing", "INVALID_QUERY_PARAMETER"),
        ),
        (
            "/talk.Talk/Ask?connect=v1&encoding=xml&message=",
            415,
            is("invalid_argument", "query parameter \"encoding\": expected json or proto", "UNSUPPORTED_MEDIA_TYPE"),
        ),
        (
            "/talk.Talk/Ask?connect=v1&encoding=json&message={}&x=1",
            400,
            is("invalid_argument", "query parameter \"x\": Connect has no such parameter", "UNKNOWN_QUERY_PARAMETER"),
        ),
        (
            "/talk.Talk/Ask?connect=v1&encoding=json&message={}&compression=gzip",
            501,
            is(
                "unimplemented",
                "query parameter \"compression\": this compression is not supported; supported: identity",
                "MESSAGE_ENCODING_NOT_SUPPORTED",
            ),
        ),
        (
            "/talk.Talk/Ask?connect=v1&encoding=json&message={%22txt%22:1}",
            400,
            is(
                "invalid_argument",
                "unknown field \"txt\" (did you mean \"text\"?) (line 1, column 8)",
                "UNKNOWN_FIELD",
            ),
        ),
    ] {
        let got = send(&gateway, false, ("GET", target), &[], None);
        assert_eq!((got.status, told(&got.json())), (status, expected), "{target}");
        assert_eq!(got.header("allow"), Some("POST").filter(|_| status == 405), "{target}");
    }
    let target = "/talk.Talk/Ask?connect=v1&encoding=json&message={}";
    let got = send(&gateway, false, ("GET", target), &[], Some(b"{}"));
    let expected = is("invalid_argument", "a Connect call with GET takes no body", "BODY_NOT_ALLOWED");
    assert_eq!((got.status, told(&got.json())), (400, expected));
    // Without the mark of Connect it is a GET of REST.
    assert_rest(&gateway, "/talk.Talk/Ask?encoding=json&message={}");
}

fn assert_rest(gateway: &Gateway, target: &str) {
    let got = send(gateway, false, ("GET", target), &[], None);
    assert_eq!((got.status, got.json()["code"].as_i64()), (404, Some(5)), "{target}");
}
