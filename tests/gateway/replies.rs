//! Backends that break the rules of gRPC: each answer is a complete refusal, never a 200 and never half of a reply.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::{BodyExt as _, Full};

use crate::support;
use crate::support::process;
use crate::support::{Stage, assert_refused, assert_reply, unfinished};

const TARGET: &str = "/health-check?bank_id=iron";
const UNREADABLE: &str =
    r#"{"code":13,"message":"the backend's answer cannot be read; the outcome of the call is unknown"}"#;
const WITHOUT_STATUS: &str =
    r#"{"code":2,"message":"the backend's answer cannot be read; the outcome of the call is unknown"}"#;
const UNDECODABLE: &str = r#"{"code":13,"message":"the backend's reply cannot be read; the call itself succeeded"}"#;

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
fn a_backend_answer_that_is_not_one_valid_reply_becomes_an_error() {
    type Case = (&'static str, fn() -> Response<Body>, u16, &'static str);
    let cases: [Case; 20] = [
        ("a reply", || grpc(frame(SERVING), Some(OK)), 200, r#"{"status":"SERVING"}"#),
        ("an empty message", || grpc(frame(&[]), Some(OK)), 200, "{}"),
        ("a field of a later version", || grpc(frame(&[8, 1, 0x7a, 1, 1]), Some(OK)), 200, r#"{"status":"SERVING"}"#),
        ("no trailers", || grpc(frame(SERVING), None), 502, WITHOUT_STATUS),
        ("trailers without a status", || grpc(frame(SERVING), Some(&[("x", "y")])), 502, WITHOUT_STATUS),
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
            WITHOUT_STATUS,
        ),
        ("no content type", || answer(200, &[], frame(SERVING), Some(OK)), 502, UNREADABLE),
        (
            "a page that says 404",
            || answer(404, &[("content-type", "text/html")], b"canary".to_vec(), None),
            501,
            r#"{"code":12,"message":"the backend, or a proxy before it, answered HTTP 404 without a gRPC status; the outcome of the call is unknown"}"#,
        ),
        (
            "a redirection",
            || answer(302, &[("location", "https://canary.internal/")], Vec::new(), None),
            502,
            r#"{"code":2,"message":"the backend, or a proxy before it, answered HTTP 302 without a gRPC status; the outcome of the call is unknown"}"#,
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
fn a_reply_larger_than_the_limit_is_answered_502() {
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
fn a_reply_that_breaks_off_is_reported_as_outcome_unknown() {
    let refusal =
        r#"{"code":2,"message":"the connection to the backend was lost during the call; its outcome is unknown"}"#;
    for (bytes, case) in
        [(&[][..], "at once"), (&[0, 0, 0], "in a prefix"), (&[0, 0, 0, 0, 2, 8, 1], "before its status")]
    {
        assert_refused(&Stage::of(backend(|| unfinished(bytes, true))).get(TARGET), 502, refusal, case);
    }
}

const HTML: (&str, &str) = ("content-type", "text/html");
const NOT_FOUND: [(&str, &str); 2] = [("grpc-status", "5"), ("grpc-message", "no such bank")];

/// http-grpc-status-mapping.md of grpc/grpc: the mapping is for answers without grpc-status only.
#[test]
fn a_grpc_status_takes_precedence_over_http_status_and_content_type() {
    type Case = (&'static str, Box<dyn Fn() -> Response<Body> + Send + Sync>);
    let heads = [200, 204, 301, 401, 404, 429, 500, 503].map(|status| [(status, false), (status, true)]).concat();
    for (http, is_html) in heads {
        let head = move || if is_html { vec![HTML] } else { Vec::new() };
        let cases: [Case; 3] = [
            ("in the head", Box::new(move || answer(http, &[head(), NOT_FOUND.to_vec()].concat(), Vec::new(), None))),
            ("in trailers", Box::new(move || answer(http, &head(), Vec::new(), Some(&NOT_FOUND)))),
            ("behind a page", Box::new(move || answer(http, &head(), b"<h1>canary</h1>".to_vec(), Some(&NOT_FOUND)))),
        ];
        for (place, response) in cases {
            // A 204 has no body.
            if http == 204 && place == "behind a page" {
                continue;
            }
            let (case, response) = (format!("{http}, HTML: {is_html}, {place}"), std::sync::Arc::new(response));
            let stage = Stage::of(backend(move || response()));
            assert_refused(&stage.get(TARGET), 404, r#"{"code":5,"message":"no such bank"}"#, &case);
        }
    }
    // It says that the call went well, and there is no reply.
    for http in [200, 204, 401] {
        let stage = Stage::of(backend(move || answer(http, OK, Vec::new(), None)));
        assert_refused(&stage.get(TARGET), 502, UNREADABLE, &format!("OK with {http}"));
    }
}

/// Below the status of HTTP, the code of the mapping and that of the answer.
#[test]
fn without_a_grpc_status_the_http_status_sets_the_code_and_the_outcome_is_unknown() {
    for (http, code, status) in [
        (204, 2, 502),
        (400, 13, 502),
        (401, 16, 401),
        (403, 7, 403),
        (404, 12, 501),
        (408, 2, 502),
        (429, 14, 502),
        (431, 2, 502),
        (500, 2, 502),
        (502, 14, 502),
        (503, 14, 502),
        (504, 14, 502),
    ] {
        for (head, body) in [(&[HTML][..], "<h1>canary</h1>"), (&[("content-type", "application/grpc")], "")] {
            let body = if http == 204 { "" } else { body };
            let stage = Stage::of(backend(move || answer(http, head, body.into(), None)));
            let refusal = stage.get(TARGET);
            let message = format!(
                "the backend, or a proxy before it, answered HTTP {http} without a gRPC status; the outcome of the call is unknown"
            );
            let expected = serde_json::json!({ "code": code, "message": message });
            assert_refused(&refusal, status, &expected.to_string(), &format!("{http} {head:?}"));
            assert_eq!(refusal.header("retry-after"), None, "{http}");
        }
    }
    // A page that does not end is not waited for.
    let endless = || answer(503, &[HTML], vec![b'a'; 1 << 20], Some(&NOT_FOUND));
    assert_eq!(Stage::of(backend(endless)).get(TARGET).refusal().0, 14);
}

/// That a box between answers UNAVAILABLE's status is no proof that the bank has not acted.
#[test]
fn a_proxys_502_503_or_429_is_retried_only_for_idempotent_calls() {
    for (http, is_idempotent, times) in [
        (503, false, 1),
        (429, false, 1),
        (503, true, 3),
        (502, true, 3),
        (429, true, 3),
        (401, true, 1),
        (500, true, 1),
    ] {
        let calls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = calls.clone();
        let service = backend(move || {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            answer(http, &[HTML], b"busy".to_vec(), None)
        });
        let rpc = "io.token.proto.bankapi.HealthCheckService.HealthCheck";
        let rpcs = format!("\nrpcs:\n  {rpc}: {{idempotent: {is_idempotent}}}\n");
        let stage = Stage::altered(service, |config| support::replaced(config, "\nrpcs:\n", &rpcs));
        assert_ne!(stage.get(TARGET).status, 200);
        let calls = calls.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(calls, times, "{http}, idempotent: {is_idempotent}");
    }
}

#[test]
fn a_streaming_call_maps_the_status_of_an_answer_that_is_not_grpc() {
    let unavailable = r#"{"code":14,"message":"the backend, or a proxy before it, answered HTTP 503 without a gRPC status; the outcome of the call is unknown","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"NO_GRPC_STATUS","domain":"towbar"}]}"#;
    type Case = (fn() -> Response<Body>, u16, &'static str);
    let cases: [Case; 4] = [
        (|| answer(429, &NOT_FOUND, Vec::new(), None), 404, r#"{"code":5,"message":"no such bank"}"#),
        (|| answer(503, &[HTML], b"busy".to_vec(), Some(&NOT_FOUND)), 404, r#"{"code":5,"message":"no such bank"}"#),
        (|| answer(503, &[HTML], b"busy".to_vec(), None), 502, unavailable),
        (|| answer(204, OK, Vec::new(), None), 200, "{\"status\":{\"code\":0}}\n"),
    ];
    for (response, status, body) in cases {
        let backend = support::Backend::start(backend(response), None);
        let gateway = support::talk::gateway(&backend, "");
        let answer = support::talk::send(&gateway, "GET", "/notes/t", &[], None).answer;
        assert_eq!((answer.status, answer.body.as_str()), (status, body));
    }
}

const JOBS: &str = r#"
syntax = "proto3";
package job;
import "google/api/annotations.proto";
import "google/protobuf/any.proto";
message Id { string id = 1; }
message Job { string name = 1; Job part = 2; repeated google.protobuf.Any details = 3; }
service Jobs {
  rpc Get(Id) returns (Job) { option (google.api.http) = { get: "/jobs/{id}" }; }
  rpc Watch(Id) returns (stream Job) { option (google.api.http) = { get: "/watch/{id}" }; }
}
"#;

fn field(number: u8, value: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(value.len()).unwrap()], value].concat()
}

fn any(name: &str, value: &[u8]) -> Vec<u8> {
    [field(1, format!("type.googleapis.com/{name}").as_bytes()), field(2, value)].concat()
}

/// A backend whose reply is this job, and the gateway in front of it.
fn job(job: Vec<u8>, config: &str) -> (support::Backend, support::Gateway) {
    let backend = support::Backend::start(backend(move || grpc(frame(&job), Some(OK))), None);
    let gateway = support::talk::gateway_of(support::talk::schema_of(JOBS), &backend, config);
    (backend, gateway)
}

/// google.rpc and the well-known types are known, whatever the descriptors import.
#[test]
fn an_any_of_a_well_known_or_google_rpc_type_is_printed_as_json() {
    let info = [field(1, b"NO_FUNDS"), field(2, b"bank.example")].concat();
    let status = [&[8, 5][..], &field(2, b"no account"), &field(3, &any("google.rpc.ErrorInfo", &info))].concat();
    let details = [
        any("google.rpc.ErrorInfo", &info),
        any("google.rpc.Status", &status),
        any("google.protobuf.Duration", &[8, 90]),
        any("google.protobuf.Empty", &[]),
        any("job.Id", &field(1, b"a")),
    ];
    let wire = [field(1, b"one"), details.map(|any| field(3, &any)).concat()].concat();
    let info = r#"{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"NO_FUNDS","domain":"bank.example"}"#;
    let body = format!(
        r#"{{"name":"one","details":[{info},{{"@type":"type.googleapis.com/google.rpc.Status","code":5,"message":"no account","details":[{info}]}},{{"@type":"type.googleapis.com/google.protobuf.Duration","value":"90s"}},{{"@type":"type.googleapis.com/google.protobuf.Empty"}},{{"@type":"type.googleapis.com/job.Id","id":"a"}}]}}"#
    );
    let (_backend, gateway) = job(wire, "");
    let answer = support::talk::send(&gateway, "GET", "/jobs/a", &[], None).answer;
    assert_eq!((answer.status, answer.body), (200, body.clone()));
    let lines = support::talk::send(&gateway, "GET", "/watch/a", &[], None).answer.body;
    assert_eq!(lines, format!("{{\"result\":{body}}}\n{{\"status\":{{\"code\":0}}}}\n"));
}

#[test]
fn an_any_of_an_unknown_type_is_printed_as_base64_only_if_configured() {
    let wire = || field(2, &[field(3, &any("job.Nobody", b"\x0a\x01a")), field(1, b"part")].concat());
    let shown = r#"{"part":{"name":"part","details":[{"@type":"type.googleapis.com/job.Nobody","value":"CgFh"}]}}"#;
    for (config, status, body) in [
        ("", 502, UNDECODABLE),
        ("json: {show_unknown_any: false}", 502, UNDECODABLE),
        ("json: {show_unknown_any: true}", 200, shown),
        ("rpcs: {job.Jobs.Get: {json: {show_unknown_any: true}}}", 200, shown),
        ("json: {show_unknown_any: true}\nrpcs: {job.Jobs.Get: {json: {show_unknown_any: false}}}", 502, UNDECODABLE),
    ] {
        let (_backend, gateway) = job(wire(), config);
        let answer = support::talk::send(&gateway, "GET", "/jobs/a", &[], None).answer;
        assert_eq!((answer.status, answer.body_and_reason().0.as_str()), (status, body), "{config}");
    }
}

#[test]
fn the_log_line_for_an_undecodable_reply_names_rpc_field_and_type() {
    let wire = field(2, &field(3, &any("job.Nobody", b"\x0a\x06CANARY")));
    let backend = support::Backend::start(backend(move || grpc(frame(&wire), Some(OK))), None);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("towbar.yaml");
    std::fs::write(folder.path().join("job.proto"), JOBS).unwrap();
    std::fs::write(&file, format!("listen: 127.0.0.1:0\nschema: job.proto\nupstream: http://{}\n", backend.address))
        .unwrap();
    let gateway = process::Gateway::of(&mut process::towbar(&["serve", "--config", file.to_str().unwrap()]));
    assert_eq!(support::http::get(gateway.address, "/jobs/a").status, 502);
    let mut stream = support::http::connect(gateway.address);
    support::http::write(&mut stream, "GET", "/watch/a", &[], None);
    assert_eq!(support::talk::Reader::new(stream).whole().answer.status, 200);
    let log = gateway.stop().stderr;
    let cause = "error=the reply is no job.Job: an Any holds the type `type.googleapis.com/job.Nobody`, which the descriptors do not have (`json.show_unknown_any`)";
    for line in [
        format!("the backend's reply cannot be decoded rpc=\"job.Jobs.Get\" field=\"part.details[0]\" {cause}"),
        format!("a message of the backend cannot be decoded rpc=\"job.Jobs.Watch\" field=\"part.details[0]\" {cause}"),
    ] {
        assert_eq!(log.matches(&line).count(), 1, "{log}");
    }
    assert!(!log.contains("CANARY"), "{log}");
}
