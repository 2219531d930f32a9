//! Backends that break the rules of gRPC: each answer is a complete refusal, never a 200 and never half of a reply.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::{BodyExt as _, Full};

use support::{Stage, assert_refused, assert_reply, unfinished};

const TARGET: &str = "/health-check?bank_id=iron";
const UNREADABLE: &str =
    r#"{"code":13,"message":"the backend's answer cannot be read; the outcome of the call is unknown"}"#;
const UNDECODABLE: &str =
    r#"{"code":13,"message":"the backend's reply cannot be read; the call itself has succeeded"}"#;

/// A message with its gRPC prefix.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

/// An answer over HTTP/2 with these headers, body and trailers.
fn answer(
    status: u16,
    head: &[(&'static str, &'static str)],
    body: Vec<u8>,
    trailers: Option<&[(&'static str, &'static str)]>,
) -> Response<Body> {
    let trailers = trailers.map(|pairs| Ok::<_, Infallible>(headers(pairs)));
    let body = Full::new(Bytes::from(body)).with_trailers(async { trailers });
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = status.try_into().unwrap();
    response.headers_mut().extend(headers(head));
    response
}

/// A gRPC answer: body and trailers.
fn grpc(body: Vec<u8>, trailers: Option<&[(&'static str, &'static str)]>) -> Response<Body> {
    answer(200, &[("content-type", "application/grpc")], body, trailers)
}

/// A backend that gives the same answer to every call.
fn backend(answer: impl Fn() -> Response<Body> + Clone + Send + Sync + 'static) -> Router {
    Router::new().fallback(move || {
        let answer = answer();
        async { answer }
    })
}

const OK: &[(&str, &str)] = &[("grpc-status", "0")];

/// `status: SERVING`.
const SERVING: &[u8] = &[8, 1];

#[test]
fn an_answer_that_is_no_unary_reply_is_a_bad_gateway() {
    type Case = (&'static str, fn() -> Response<Body>, u16, &'static str);
    let cases: [Case; 20] = [
        ("a reply", || grpc(frame(SERVING), Some(OK)), 200, r#"{"status":"SERVING"}"#),
        ("an empty message", || grpc(frame(&[]), Some(OK)), 200, "{}"),
        ("a field of a later version", || grpc(frame(&[8, 1, 0x7a, 1, 1]), Some(OK)), 200, r#"{"status":"SERVING"}"#),
        ("no trailers", || grpc(frame(SERVING), None), 502, UNREADABLE),
        ("trailers without a status", || grpc(frame(SERVING), Some(&[("x", "y")])), 502, UNREADABLE),
        ("OK without a message", || grpc(Vec::new(), Some(OK)), 502, UNREADABLE),
        (
            "OK in the head, without a message",
            || answer(200, &[("content-type", "application/grpc"), ("grpc-status", "0")], Vec::new(), None),
            502,
            UNREADABLE,
        ),
        ("two messages", || grpc([frame(SERVING), frame(SERVING)].concat(), Some(OK)), 502, UNREADABLE),
        ("a message cut short", || grpc(frame(SERVING)[..6].to_vec(), Some(OK)), 502, UNREADABLE),
        ("a prefix cut short", || grpc(vec![0, 0, 0], Some(OK)), 502, UNREADABLE),
        ("a compressed message", || grpc([&[1], &frame(SERVING)[1..]].concat(), Some(OK)), 502, UNREADABLE),
        ("a message that is no protobuf", || grpc(frame(&[0xff; 4]), Some(OK)), 502, UNDECODABLE),
        ("a message cut in a field", || grpc(frame(&[8]), Some(OK)), 502, UNDECODABLE),
        (
            "a page of HTML",
            || answer(200, &[("content-type", "text/html")], b"<h1>canary 10.1.2.3</h1>".to_vec(), None),
            502,
            UNREADABLE,
        ),
        ("no content type", || answer(200, &[], frame(SERVING), Some(OK)), 502, UNREADABLE),
        (
            "a page that says 404",
            || answer(404, &[("content-type", "text/html")], b"canary".to_vec(), None),
            502,
            UNREADABLE,
        ),
        (
            "a redirection",
            || answer(302, &[("location", "https://canary.internal/")], Vec::new(), None),
            502,
            UNREADABLE,
        ),
        (
            "a status that is none",
            || grpc(Vec::new(), Some(&[("grpc-status", "99"), ("grpc-message", "odd")])),
            500,
            r#"{"code":2,"message":"the backend answered UNKNOWN"}"#,
        ),
        (
            "a status after a message",
            || grpc(frame(SERVING), Some(&[("grpc-status", "10"), ("grpc-message", "rolled back")])),
            409,
            r#"{"code":10,"message":"rolled back"}"#,
        ),
        (
            "a status in the head",
            || {
                let head = [
                    ("content-type", "application/grpc+proto"),
                    ("grpc-status", "7"),
                    ("grpc-message", "nicht erlaubt f%C3%BCr 100%25"),
                ];
                answer(200, &head, Vec::new(), None)
            },
            403,
            r#"{"code":7,"message":"nicht erlaubt für 100%"}"#,
        ),
    ];
    for (case, response, status, body) in cases {
        let answer = Stage::of(backend(response)).get(TARGET);
        match status {
            200 => assert_reply(&answer, body, case),
            status => assert_refused(&answer, status, body, case),
        }
        assert!(!format!("{answer:?}").contains("canary"), "{case}: {answer:?}");
    }
}

#[test]
fn a_reply_is_read_up_to_its_limit() {
    let limited = |config| support::replaced(config, "  deadline: 25s\n", "  deadline: 25s\n  reply_limit: 1KiB\n");
    let refusal = r#"{"code":8,"message":"the backend's reply is larger than the limit of 1024 bytes"}"#;
    // An unknown field of 1021 bytes, with its tag and length: 1024.
    let message = |more: usize| [&[0x7a, 0xfd, 0x07][..], &[b'a'; 1021], &[8, 1].repeat(more)].concat();
    for (more, status) in [(0, 200), (1, 502), (5000, 502)] {
        let stage = Stage::altered(backend(move || grpc(frame(&message(more)), Some(OK))), limited);
        let (answer, input) = (stage.get(TARGET), format!("{} bytes", 1024 + 2 * more));
        match status {
            200 => assert_reply(&answer, "{}", &input),
            status => assert_refused(&answer, status, refusal, &input),
        }
    }
    // What the prefix announces is enough.
    let stage = Stage::altered(backend(|| grpc(vec![0, 0xff, 0xff, 0xff, 0xff], Some(OK))), limited);
    assert_refused(&stage.get(TARGET), 502, refusal, "4 GiB announced");
}

#[test]
fn an_answer_that_breaks_off_leaves_the_outcome_open() {
    let refusal =
        r#"{"code":2,"message":"the connection to the backend was lost during the call; its outcome is unknown"}"#;
    for (bytes, case) in
        [(&[][..], "at once"), (&[0, 0, 0], "in a prefix"), (&[0, 0, 0, 0, 2, 8, 1], "before its status")]
    {
        assert_refused(&Stage::of(backend(|| unfinished(bytes, true))).get(TARGET), 502, refusal, case);
    }
}
