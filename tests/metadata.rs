//! Which headers reach the bank, and which of the bank's metadata reach the caller.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::mpsc::{Receiver, channel};

use tonic::metadata::{KeyAndValueRef, MetadataMap};
use tonic::{Response, Status};
use towbar::protos::io::token::proto::bankapi::HealthCheckResponse;

use support::{Stage, assert_refused, assert_reply, health};

const TARGET: &str = "/health-check?bank_id=iron";

/// A bank that tells the metadata of its calls, and the gateway before it with a change to its configuration.
fn recording(alter: impl FnOnce(String) -> String) -> (Stage, Receiver<MetadataMap>) {
    let (told, calls) = channel();
    let bank = health(move |request| {
        told.send(request.metadata().clone()).unwrap();
        async { Ok(Response::new(HealthCheckResponse::default())) }
    });
    (Stage::altered(bank, alter), calls)
}

/// `name: value` of all metadata, but for what every gRPC call has.
fn texts(metadata: &MetadataMap) -> Vec<String> {
    let own = ["te", "content-type", "content-length", "grpc-timeout", "user-agent"];
    let mut texts: Vec<String> = metadata
        .iter()
        .map(|pair| match pair {
            KeyAndValueRef::Ascii(name, value) => format!("{name}: {}", value.to_str().unwrap()),
            KeyAndValueRef::Binary(name, _) => format!("{name}: binary"),
        })
        .filter(|text| !own.iter().any(|name| text.starts_with(&format!("{name}: "))))
        .collect();
    texts.sort();
    texts
}

#[test]
fn listed_headers_reach_the_bank_and_no_others() {
    let (stage, calls) = recording(|config| config + "\nmetadata:\n  request: [x-consent-id, X-Fapi-Auth-Date]\n");
    for (headers, reached) in [
        (vec![], vec![]),
        (
            vec![
                ("Authorization", "Bearer token"),
                ("X-Request-Id", "r-1"),
                ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
                ("tracestate", "vendor=1"),
                ("X-Consent-Id", "c-1"),
                ("X-FAPI-Auth-Date", "today"),
            ],
            vec![
                "authorization: Bearer token",
                "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                "tracestate: vendor=1",
                "x-consent-id: c-1",
                "x-fapi-auth-date: today",
                "x-request-id: r-1",
            ],
        ),
        (
            vec![
                ("Cookie", "session=1"),
                ("X-Forwarded-For", "10.0.0.1"),
                ("X-Internal-Role", "admin"),
                ("Grpc-Timeout", "1H"),
                ("grpc-encoding", "gzip"),
                ("token-grpc-status", "0"),
                ("X-Consent-Id-2", "c-2"),
                ("TE", "gzip"),
                ("User-Agent", "curl/8"),
                ("Accept-Encoding", "gzip"),
            ],
            vec![],
        ),
        // RFC 9110, section 7.6.1: what `Connection` names is for this hop alone.
        (
            vec![("Connection", "close, Authorization"), ("Authorization", "Bearer token"), ("X-Request-Id", "r-2")],
            vec!["x-request-id: r-2"],
        ),
        (
            vec![
                ("Connection", "X-REQUEST-ID"),
                ("Connection", "authorization"),
                ("Authorization", "b"),
                ("X-Request-Id", "r"),
            ],
            vec![],
        ),
        (vec![("X-Request-Id", "r-3"), ("X-Request-Id", "r-4")], vec!["x-request-id: r-3", "x-request-id: r-4"]),
    ] {
        let input = format!("{headers:?}");
        assert_reply(&stage.send("GET", TARGET, &headers, None), "{}", &input);
        assert_eq!(texts(&calls.recv().unwrap()), reached, "{input}");
    }
}

#[test]
fn the_bank_is_called_as_grpc_asks() {
    let (stage, calls) = recording(|config| config);
    assert_reply(&stage.send("GET", TARGET, &[("User-Agent", "curl/8"), ("Grpc-Timeout", "1H")], None), "{}", TARGET);
    let metadata = calls.recv().unwrap();
    let text = |name| metadata.get(name).map(|value| value.to_str().unwrap());
    assert_eq!((text("te"), text("content-type")), (Some("trailers"), Some("application/grpc")));
    assert!(text("user-agent").unwrap().starts_with("towbar/"), "{metadata:?}");
    let timeout = text("grpc-timeout").unwrap();
    let milliseconds: u32 = timeout.strip_suffix('m').unwrap().parse().unwrap();
    assert!((1..=25_000).contains(&milliseconds), "25 s are configured, less what is spent already: {timeout}");
}

#[test]
fn a_listed_header_that_grpc_cannot_carry_is_refused() {
    let (stage, calls) = recording(|config| config);
    let message = "header x-request-id: expected printable ASCII, found other bytes";
    let body = serde_json::json!({ "code": 3, "message": message }).to_string();
    assert_refused(&stage.send("GET", TARGET, &[("X-Request-Id", "café")], None), 400, &body, "café");
    assert_reply(&stage.send("GET", TARGET, &[("X-Other", "café")], None), "{}", "not listed");
    assert_eq!(texts(&calls.recv().unwrap()), Vec::<String>::new());
    assert!(calls.try_recv().is_err(), "the refused call did not reach the bank");
}

#[test]
fn listed_metadata_of_the_reply_becomes_headers_and_no_other() {
    let bank = || {
        health(|_| async {
            let mut reply = Response::new(HealthCheckResponse::default());
            for (name, value) in [("x-ratelimit-remaining", "7"), ("x-bank-node", "core-7"), ("set-cookie", "a=b")] {
                reply.metadata_mut().append(name, value.parse().unwrap());
            }
            reply.metadata_mut().append("x-ratelimit-remaining", "8".parse().unwrap());
            Ok::<_, Status>(reply)
        })
    };
    let stage = Stage::altered(bank(), |config| config + "\nmetadata:\n  reply: [x-ratelimit-remaining]\n");
    let answer = stage.get(TARGET);
    assert_reply(&answer, "{}", TARGET);
    let listed: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "x-ratelimit-remaining").collect();
    assert_eq!(listed.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["7", "8"]);
    let mut names: Vec<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let expected = [
        "cache-control",
        "content-length",
        "content-type",
        "date",
        "token-grpc-status",
        "x-content-type-options",
        "x-ratelimit-remaining",
    ];
    assert_eq!(names, expected);

    let answer = Stage::of(bank()).get(TARGET);
    assert_eq!(answer.header("x-ratelimit-remaining"), None);
}
