//! Which headers reach the bank, and which of the bank's metadata reach the caller.

use std::fs;
use std::sync::mpsc::{Receiver, channel};

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::metadata::{KeyAndValueRef, MetadataMap};
use tonic::{Response, Status};
use towbar::cli::demo::generated::io::token::proto::bankapi::HealthCheckResponse;

use crate::support;
use crate::support::process;
use crate::support::talk::{PROTO, backend, note, shared};
use crate::support::{Stage, assert_refused, assert_reply, health};

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
            KeyAndValueRef::Binary(name, value) => {
                format!("{name}: {}", String::from_utf8_lossy(value.as_encoded_bytes()))
            }
        })
        .filter(|text| !own.iter().any(|name| text.starts_with(&format!("{name}: "))))
        .collect();
    texts.sort();
    texts
}

#[test]
fn only_listed_and_always_passed_headers_reach_the_backend() {
    let (stage, calls) =
        recording(|config| config + "\nmetadata:\n  request: [x-consent-id, X-Fapi-Auth-Date, Authorization]\n");
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
                ("Grpc-Metadata-X-Internal-Role", "admin"),
                ("Grpc-Metadata-Authorization", "Bearer other"),
                ("X-Forwarded-Client-Cert", "Subject=\"CN=admin\""),
                ("X-Real-IP", "10.0.0.1"),
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
            vec![("Connection", "close, X-Request-Id"), ("Authorization", "Bearer token"), ("X-Request-Id", "r-2")],
            vec!["authorization: Bearer token"],
        ),
        (
            vec![
                ("Connection", "keep-alive"),
                ("Connection", "X-CONSENT, x-request-id"),
                ("Authorization", "b"),
                ("X-Request-Id", "r"),
            ],
            vec!["authorization: b"],
        ),
        (vec![("X-Request-Id", "r-3"), ("X-Request-Id", "r-4")], vec!["x-request-id: r-3", "x-request-id: r-4"]),
    ] {
        let input = format!("{headers:?}");
        assert_reply(&stage.send("GET", TARGET, &headers, None), "{}", &input);
        assert_eq!(texts(&calls.recv().unwrap()), reached, "{input}");
    }
}

#[test]
fn repeated_single_value_headers_and_misused_connection_headers_are_refused() {
    let (stage, calls) = recording(|config| config);
    let twice = |name: &str| format!("header {name}: repeated, but it takes only one value");
    let for_all = |name: &str| format!("header connection: it lists {name}, which is not a hop-by-hop header");
    for (headers, message) in [
        (vec![("Authorization", "Bearer a"), ("Authorization", "Bearer b")], twice("authorization")),
        (
            vec![("Authorization", "Bearer a"), ("X-Between", "1"), ("authorization", "Bearer a")],
            twice("authorization"),
        ),
        (vec![("Authorization", ""), ("Authorization", "Bearer a")], twice("authorization")),
        (
            vec![("Authorization", "Bearer a, Bearer b")],
            "header authorization: expected one set of credentials, got several".to_owned(),
        ),
        (
            vec![("Authorization", "Digest username=\"a\", Bearer b")],
            "header authorization: expected one set of credentials, got several".to_owned(),
        ),
        (
            vec![("Proxy-Authorization", "Basic YQ=="), ("Proxy-Authorization", "Basic Yg==")],
            twice("proxy-authorization"),
        ),
        (vec![("DPoP", "a.b.c"), ("DPoP", "d.e.f")], twice("dpop")),
        (vec![("DPoP", "a.b.c, d.e.f")], "header dpop: expected one proof, got several".to_owned()),
        (vec![("Client-Cert", ":AA==:"), ("Client-Cert", ":AQ==:")], twice("client-cert")),
        (vec![("Idempotency-Key", "\"a\""), ("Idempotency-Key", "\"b\"")], twice("idempotency-key")),
        (vec![("x-idempotency-key", "a"), ("x-idempotency-key", "b")], twice("x-idempotency-key")),
        (vec![("x-jws-signature", "a..b"), ("x-jws-signature", "c..d")], twice("x-jws-signature")),
        (vec![("x-fapi-interaction-id", "a"), ("x-fapi-interaction-id", "b")], twice("x-fapi-interaction-id")),
        (vec![("Consent-ID", "a"), ("Consent-ID", "b")], twice("consent-id")),
        (vec![("PSU-ID", "a"), ("PSU-ID", "b")], twice("psu-id")),
        (vec![("Grpc-Timeout", "1S"), ("Grpc-Timeout", "2S")], twice("grpc-timeout")),
        (vec![("Content-Type", "application/json"), ("Content-Type", "text/plain")], twice("content-type")),
        (vec![("Connection", "close, Authorization"), ("Authorization", "Bearer a")], for_all("authorization")),
        (vec![("Connection", "keep-alive"), ("Connection", "AUTHORIZATION")], for_all("authorization")),
        (vec![("Connection", "content-type")], for_all("content-type")),
        (vec![("Connection", "Content-Length")], for_all("content-length")),
        (vec![("Connection", "x-forwarded-for")], for_all("x-forwarded-for")),
        (vec![("Connection", "host")], for_all("host")),
        (
            vec![("Connection", "close; Authorization")],
            "header connection: expected names of headers, got something else".to_owned(),
        ),
    ] {
        let body = serde_json::json!({ "code": 3, "message": message }).to_string();
        let input = format!("{headers:?}");
        assert_refused(&stage.send("GET", TARGET, &headers, None), 400, &body, &input);
    }
    assert_reply(&stage.send("GET", TARGET, &[("X-Request-Id", "the only call")], None), "{}", "the only call");
    assert_eq!(texts(&calls.recv().unwrap()), ["x-request-id: the only call"]);
    assert!(calls.try_recv().is_err(), "nobody else has called");
}

#[test]
fn repeatable_headers_reach_the_backend_and_a_repeated_traceparent_is_dropped() {
    let (stage, calls) =
        recording(|config| config + "\nmetadata:\n  request: [x-tag, cookie, signature, x-forwarded-for]\n");
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (headers, reached) in [
        (vec![("X-Tag", "a"), ("X-Tag", "b")], vec!["x-tag: a", "x-tag: b"]),
        // HTTP/2 lets a caller part its cookies, which are one value elsewhere (RFC 9113, section 8.2.3).
        (vec![("Cookie", "a=1")], vec!["cookie: a=1"]),
        (vec![("Cookie", "a=1"), ("Cookie", "b=2"), ("Cookie", "c=3; d=4")], vec!["cookie: a=1; b=2; c=3; d=4"]),
        // Signatures are a dictionary (RFC 9421).
        (
            vec![("Signature", "a=:AA==:"), ("Signature", "b=:AA==:")],
            vec!["signature: a=:AA==:", "signature: b=:AA==:"],
        ),
        (
            vec![("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-For", "192.0.2.2")],
            vec!["x-forwarded-for: 192.0.2.1", "x-forwarded-for: 192.0.2.2"],
        ),
        // W3C Trace Context: a trace with two parents begins anew.
        (
            vec![("Traceparent", parent), ("Traceparent", parent), ("Tracestate", "a=1"), ("X-Tag", "a")],
            vec!["x-tag: a"],
        ),
        (vec![("Connection", "traceparent"), ("Traceparent", parent), ("X-Tag", "a")], vec!["x-tag: a"]),
        (
            vec![("Authorization", "Digest username=\"a, b\", realm=\"c\"")],
            vec!["authorization: Digest username=\"a, b\", realm=\"c\""],
        ),
    ] {
        let input = format!("{headers:?}");
        assert_reply(&stage.send("GET", TARGET, &headers, None), "{}", &input);
        assert_eq!(texts(&calls.recv().unwrap()), reached, "{input}");
    }
}

#[test]
fn a_timeout_header_listed_in_connection_is_ignored() {
    let (stage, calls) = recording(|config| {
        support::replaced(config, "requests:\n", "requests:\n  timeout_header: x-request-timeout\n")
    });
    for headers in [
        [("Connection", "grpc-timeout"), ("Grpc-Timeout", "1n")],
        [("Connection", "close, X-Request-Timeout"), ("X-Request-Timeout", "0.000000001")],
        [("Connection", "Grpc-Timeout, keep-alive"), ("Grpc-Timeout", "not a time")],
    ] {
        assert_reply(&stage.send("GET", TARGET, &headers, None), "{}", &format!("{headers:?}"));
        let timeout = calls.recv().unwrap().get("grpc-timeout").unwrap().to_str().unwrap().to_owned();
        assert!(timeout.len() >= "9999m".len(), "25 s are configured: {timeout}");
    }
}

#[test]
fn calls_to_the_backend_have_the_headers_that_grpc_requires() {
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
fn a_listed_user_agent_is_put_before_the_gateways_user_agent() {
    let own = concat!("towbar/", env!("CARGO_PKG_VERSION"));
    let (stage, calls) = recording(|config| config + "\nmetadata:\n  request: [User-Agent]\n");
    for (headers, reached) in [
        (vec![("User-Agent", "curl/8.5.0")], format!("curl/8.5.0 {own}")),
        (vec![("User-Agent", "a (b; c) d/1")], format!("a (b; c) d/1 {own}")),
        (vec![("User-Agent", "")], own.to_owned()),
        (vec![], own.to_owned()),
    ] {
        let input = format!("{headers:?}");
        assert_reply(&stage.send("GET", TARGET, &headers, None), "{}", &input);
        let metadata = calls.recv().unwrap();
        let values: Vec<_> = metadata.get_all("user-agent").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(values, [reached.as_str()], "{input}");
    }
}

#[test]
fn a_listed_header_that_grpc_cannot_carry_is_refused() {
    let (stage, calls) = recording(|config| config);
    let message = "header x-request-id: expected printable ASCII, got other bytes";
    let body = serde_json::json!({ "code": 3, "message": message }).to_string();
    assert_refused(&stage.send("GET", TARGET, &[("X-Request-Id", "café")], None), 400, &body, "café");
    assert_reply(&stage.send("GET", TARGET, &[("X-Other", "café")], None), "{}", "not listed");
    assert_eq!(texts(&calls.recv().unwrap()), Vec::<String>::new());
    assert!(calls.try_recv().is_err(), "the refused call did not reach the bank");
}

#[test]
fn only_listed_reply_metadata_becomes_headers() {
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

#[test]
fn binary_headers_reach_the_backend_unchanged_only_if_listed_and_valid_base64() {
    let (stage, calls) = recording(|config| config + "\nmetadata:\n  request: [x-trace-bin]\n");
    for values in [&["AA=="][..], &["AAEC"], &["AQI"], &["/+8=", "AA=="], &["AQ==,Ag=="], &[""]] {
        let headers: Vec<_> = values.iter().map(|value| ("X-Trace-Bin", *value)).collect();
        assert_reply(&stage.send("GET", TARGET, &headers, None), "{}", &format!("{values:?}"));
        let reached: Vec<_> = values.iter().map(|value| format!("x-trace-bin: {value}")).collect();
        assert_eq!(texts(&calls.recv().unwrap()), reached);
    }
    for (value, message) in [
        ("not base64", "header x-trace-bin: expected base64, got other text"),
        ("AA==;", "header x-trace-bin: expected base64, got other text"),
        ("-_8=", "header x-trace-bin: expected base64, got other text"),
        ("AAé=", "header x-trace-bin: expected printable ASCII, got other bytes"),
    ] {
        let body = serde_json::json!({ "code": 3, "message": message }).to_string();
        assert_refused(&stage.send("GET", TARGET, &[("X-Trace-Bin", value)], None), 400, &body, value);
    }
    assert!(calls.try_recv().is_err(), "the refused calls did not reach the bank");
    assert_reply(&stage.send("GET", TARGET, &[("X-Other-Bin", "AA==")], None), "{}", "not listed");
    assert_eq!(texts(&calls.recv().unwrap()), Vec::<String>::new());
}

/// A bank whose replies have this metadata, the last of it in the trailers, and the gateway with these keys of `metadata`.
fn telling(pairs: &'static [(&'static str, &'static str)], keys: &str) -> Stage {
    let bank = axum::Router::new().fallback(move || async move {
        let (last, first) = pairs.split_last().unwrap();
        let name = |name| HeaderName::from_static(name);
        let value = |value| HeaderValue::from_static(value);
        let mut head: HeaderMap = first.iter().map(|(n, v)| (name(n), value(v))).collect();
        head.append("content-type", value("application/grpc"));
        let trailers = [(name(last.0), value(last.1)), (name("grpc-status"), value("0"))];
        let frames = [
            http_body::Frame::data(bytes::Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1])),
            http_body::Frame::trailers(trailers.into_iter().collect()),
        ];
        (head, axum::body::Body::new(Frames(frames.into_iter().collect())))
    });
    let section = format!("\nmetadata:\n{keys}");
    Stage::altered(bank, |config| config + &section)
}

struct Frames(std::collections::VecDeque<http_body::Frame<bytes::Bytes>>);

impl http_body::Body for Frames {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.0.pop_front().map(Ok))
    }
}

const SERVING: &str = r#"{"status":"SERVING"}"#;

#[test]
fn binary_reply_metadata_becomes_headers_unchanged_with_every_value() {
    let pairs = &[("x-a-bin", "AAE"), ("x-a-bin", "Ag=="), ("x-b", "1"), ("x-b", "2"), ("x-a-bin", "/w")];
    let answer = telling(pairs, "  reply: [x-b, x-a-bin]\n").get(TARGET);
    assert_reply(&answer, SERVING, TARGET);
    let of = |name: &str| -> Vec<&str> {
        answer.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!((of("x-a-bin"), of("x-b")), (vec!["AAE", "Ag==", "/w"], vec!["1", "2"]));
}

const SWITCHES: &str = "  http_status: x-http-code\n  location: x-location\n";

#[test]
fn the_backend_can_set_the_http_status_and_location_of_a_success() {
    for (pairs, status, location, body) in [
        (&[("x-http-code", "201"), ("x-location", "/transfers/t-1")][..], 201, Some("/transfers/t-1"), SERVING),
        (&[("x-http-code", "202")], 202, None, SERVING),
        (&[("x-location", "https://bank.test/t-1")], 200, Some("https://bank.test/t-1"), SERVING),
        (&[("x-location", "/t-1"), ("x-http-code", "303")], 303, Some("/t-1"), SERVING),
        (&[("x-http-code", "204")], 204, None, ""),
        (&[("x-http-code", "205")], 205, None, ""),
        // The call has succeeded: what says something else is passed over.
        (&[("x-http-code", "304")], 200, None, SERVING),
        (&[("x-http-code", "100")], 200, None, SERVING),
        (&[("x-http-code", "500")], 200, None, SERVING),
        (&[("x-http-code", "created")], 200, None, SERVING),
        (&[("x-http-code", "201"), ("x-http-code", "201")], 200, None, SERVING),
        (&[("x-location", "//evil.test/"), ("x-http-code", "201")], 201, None, SERVING),
        (&[("x-location", "javascript:alert(1)")], 200, None, SERVING),
        (&[("x-location", "/a"), ("x-location", "/b")], 200, None, SERVING),
        (&[("location", "/a"), ("x-status", "201")], 200, None, SERVING),
    ] {
        let input = format!("{pairs:?}");
        let answer = telling(pairs, SWITCHES).get(TARGET);
        assert_eq!(
            (answer.status, answer.header("location"), answer.body.as_str()),
            (status, location, body),
            "{input}"
        );
        let (length, json) = (body.len().to_string(), Some("application/json"));
        let length = if status == 204 { None } else { Some(length.as_str()) };
        assert_eq!(answer.header("content-length"), length, "{input}");
        assert_eq!(answer.header("content-type"), json.filter(|_| !body.is_empty()), "{input}");
        assert_eq!(answer.header("token-grpc-status"), Some("0"), "{input}");
        assert_eq!((answer.header("x-http-code"), answer.header("x-location")), (None, None), "{input}");
    }
}

#[test]
fn without_http_status_configured_or_for_errors_the_grpc_code_sets_the_status() {
    let pairs = &[("x-location", "/t-1"), ("x-http-code", "201")];
    let answer = telling(pairs, "  reply: [x-http-code]\n").get(TARGET);
    assert_reply(&answer, SERVING, "no switch");
    assert_eq!((answer.header("location"), answer.header("x-http-code")), (None, Some("201")));

    let bank = || {
        health(|_| async {
            let mut status = Status::not_found("gone");
            status.metadata_mut().insert("x-http-code", "201".parse().unwrap());
            status.metadata_mut().insert("x-location", "/t-1".parse().unwrap());
            Err(status)
        })
    };
    let answer = Stage::altered(bank(), |config| format!("{config}\nmetadata:\n{SWITCHES}")).get(TARGET);
    assert_refused(&answer, 404, r#"{"code":5,"message":"gone"}"#, "a failure");
    assert_eq!(answer.header("location"), None);
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_trace_context_passes_unchanged() {
    for keys in ["", "\nmetadata:\n  trace_context: pass\n"] {
        let (stage, calls) = recording(|config| config + keys);
        for headers in [
            &[][..],
            &[("traceparent", PARENT), ("tracestate", "a=1")],
            &[("traceparent", "none"), ("tracestate", "a=1")],
            &[("tracestate", "a=1")],
        ] {
            assert_reply(&stage.send("GET", TARGET, headers, None), "{}", &format!("{headers:?}"));
            let reached: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            assert_eq!(texts(&calls.recv().unwrap()), reached);
        }
    }
}

#[test]
fn with_trace_context_create_a_call_without_a_valid_trace_gets_a_new_one() {
    let (stage, calls) = recording(|config| config + "\nmetadata:\n  request: [x-a]\n  trace_context: create\n");
    let state = ("tracestate", "a=1");
    for (headers, reached) in [
        (&[("traceparent", PARENT), state][..], &[PARENT, "a=1"][..]),
        (&[("traceparent", PARENT)], &[PARENT]),
        (
            &[
                ("traceparent", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0b-new"),
                state,
                ("tracestate", "b=2"),
            ],
            &[PARENT, "a=1", "b=2"],
        ),
    ] {
        assert_reply(&stage.send("GET", TARGET, headers, None), "{}", &format!("{headers:?}"));
        let metadata = calls.recv().unwrap();
        let values = ["traceparent", "tracestate"].iter().flat_map(|name| metadata.get_all(*name));
        assert_eq!(values.collect::<Vec<_>>(), reached, "{headers:?}");
    }
    let mut known = Vec::new();
    for headers in [
        &[][..],
        &[],
        &[state],
        &[("traceparent", "none"), state],
        &[("traceparent", "café"), state],
        &[("traceparent", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"), state],
        &[("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"), state],
        &[("traceparent", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), state],
        &[("traceparent", PARENT), ("traceparent", PARENT), state],
        &[("Connection", "traceparent"), ("traceparent", PARENT), state],
    ] {
        assert_reply(&stage.send("GET", TARGET, headers, None), "{}", &format!("{headers:?}"));
        let reached = texts(&calls.recv().unwrap());
        let [parent] = &reached[..] else { panic!("{headers:?}: {reached:?}") };
        let parts: Vec<&str> = parent.strip_prefix("traceparent: ").unwrap().split('-').collect();
        let ["00", trace, parent, "00"] = parts[..] else { panic!("{headers:?}: {parent}") };
        let is_id = |id: &str, length| {
            id.len() == length
                && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
                && !PARENT.contains(id)
        };
        assert!(is_id(trace, 32) && is_id(parent, 16), "{headers:?}: {reached:?}");
        assert!(!known.contains(&trace.to_owned()) && !known.contains(&parent.to_owned()), "{reached:?}");
        known.extend([trace.to_owned(), parent.to_owned()]);
    }
    // What is listed is refused where gRPC cannot carry it, as it is without.
    let message = "header tracestate: expected printable ASCII, got other bytes";
    let body = serde_json::json!({ "code": 3, "message": message }).to_string();
    let headers = [("traceparent", PARENT), ("tracestate", "café")];
    assert_refused(&stage.send("GET", TARGET, &headers, None), 400, &body, message);
}

#[test]
fn the_log_line_of_a_call_has_its_trace_id() {
    let (got, told) = shared::<Vec<String>>();
    let backend = backend(move |_, requests, replies| {
        let parent = requests.headers.get("traceparent").map(|value| value.to_str().unwrap().to_owned());
        got.lock().unwrap().push(parent.unwrap_or_default());
        async move {
            replies.send(&note("got", 0)).await;
            replies.end("0", "").await;
        }
    });
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("talk.proto"), PROTO).unwrap();
    let file = folder.path().join("towbar.yaml");
    for (keys, invented) in [("", false), ("metadata: {trace_context: create}\n", true)] {
        let listen = "listen: 127.0.0.1:0\n";
        fs::write(&file, format!("schema: talk.proto\nupstream: http://{}\n{listen}{keys}", backend.address)).unwrap();
        let mut command = process::towbar(&["serve", "--config", file.to_str().unwrap()]);
        let gateway = process::Gateway::of(command.env("TOWBAR_LOG", "towbar=debug"));
        for target in ["/files/a", "/notes/a"] {
            for headers in [&[("traceparent", PARENT)][..], &[("traceparent", "00-secret")], &[]] {
                let mut stream = support::http::connect(gateway.address);
                support::http::write(&mut stream, "GET", target, headers, None);
                assert_eq!(support::talk::Reader::new(stream).whole().answer.status, 200);
            }
        }
        let log = gateway.stop().stderr;
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(" answered ")).collect();
        let told = std::mem::take(&mut *told.lock().unwrap());
        assert_eq!((lines.len(), told.len()), (6, 6), "{log}");
        for (index, (line, parent)) in lines.iter().zip(&told).enumerate() {
            let id = line.split_once(" trace_id=").map(|(_, id)| id);
            let is_told = invented || index % 3 == 0;
            assert_eq!(id, is_told.then(|| &parent[3..35]), "{line} {parent}");
        }
        assert!(!log.contains("secret"), "{log}");
    }
}
