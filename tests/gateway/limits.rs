//! How much a request and a reply may have: what is at a limit passes, what is above it is refused, and the answer names it.

use std::io::Write as _;
use std::path::Path;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue};
use towbar::cli::demo::bank::SampleBank;
use towbar::cli::demo::generated::DESCRIPTORS;
use towbar::config::{self, Overrides};
use towbar::gateway;
use towbar::gateway::metadata::Metadata;
use towbar::route::Routes;
use towbar::schema::Schema;
use towbar::server::{Listener, Plain};
use towbar::upstream::Upstream;

use crate::support::http::{Answer, connect, read, write};
use crate::support::{Stage, assert_refused, assert_reply, replaced};

const HEALTH: &str = "  io.token.proto.bankapi.HealthCheckService.HealthCheck:\n    ignore_query: all\n";
const TARGET: &str = "/health-check?bank_id=iron";

/// The sample bank, with these keys of `requests` and these of the rpc of `/health-check`.
fn sample(requests: &str, rpc: &str) -> Stage {
    Stage::altered(SampleBank::new().routes().into_axum_router(), |config| with(config, requests, rpc))
}

fn with(config: String, requests: &str, rpc: &str) -> String {
    let config = replaced(config, "requests:\n", &format!("requests:\n{requests}"));
    replaced(config, "rpcs:\n", &format!("rpcs:\n{HEALTH}{rpc}"))
}

fn refusal(code: i64, message: &str) -> String {
    serde_json::json!({ "code": code, "message": message }).to_string()
}

fn assert_limit(answer: &Answer, refused: Option<(u16, i64, &str)>, input: &str) {
    match refused {
        Some((status, code, message)) => assert_refused(answer, status, &refusal(code, message), input),
        None => assert_reply(answer, r#"{"status":"SERVING"}"#, input),
    }
}

#[test]
fn a_query_with_too_many_parameters_or_bytes_is_refused() {
    let pairs = |count: usize| format!("{TARGET}{}", "&a=b".repeat(count - 1));
    let bytes = |count: usize| format!("{TARGET}&a={}", "b".repeat(count - "bank_id=iron&a=".len()));
    let too_many = |limit: usize| Some((400, 3, format!("too many query parameters: at most {limit} are allowed")));
    let too_long = |limit: usize| Some((414, 8, format!("the query string is longer than the limit of {limit} bytes")));
    for (requests, rpc, target, refused) in [
        ("", "", pairs(512), None),
        ("", "", pairs(513), too_many(512)),
        ("  query_pairs: 3\n", "", pairs(3), None),
        ("  query_pairs: 3\n", "", pairs(4), too_many(3)),
        ("", "    query_pairs: 2\n", pairs(2), None),
        ("", "    query_pairs: 2\n", pairs(3), too_many(2)),
        // The limit of all is looked at before the rpc is known.
        ("  query_pairs: 3\n", "    query_pairs: 2\n", pairs(4), too_many(3)),
        ("  query_pairs: 3\n", "    query_pairs: 2\n", pairs(3), too_many(2)),
        ("", "", bytes(16 << 10), None),
        ("", "", bytes((16 << 10) + 1), too_long(16 << 10)),
        ("  query_length: 64KiB\n", "", bytes(60_000), None),
        ("  query_length: 100\n", "", bytes(100), None),
        ("  query_length: 100\n", "", bytes(101), too_long(100)),
        ("", "    query_length: 50\n", bytes(50), None),
        ("", "    query_length: 50\n", bytes(51), too_long(50)),
        ("  query_length: 100\n", "    query_length: 50\n", bytes(101), too_long(100)),
    ] {
        let stage = sample(requests, rpc);
        let refused = refused.as_ref().map(|(status, code, message)| (*status, *code, message.as_str()));
        let input = format!("{requests}{rpc}{} bytes", target.len());
        assert_limit(&stage.get(&target), refused, &input);
    }
    // Of another rpc the limits are those of all.
    let stage = sample("", "    query_pairs: 2\n");
    let answer = stage.get("/accounts/balance?a=b&a=b&a=b");
    assert_eq!(answer.refusal().1, "unknown query parameter \"a\"");
}

#[test]
fn a_form_with_too_many_fields_is_refused() {
    let stage = sample("  query_pairs: 3\n", "");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    for (body, message) in [
        (
            "transfer_id=a&description=b&token_ref_id=c&x=d",
            "the form is malformed: too many fields: at most 3 are allowed",
        ),
        ("transfer_id=a&description=b&x=d", "unknown form field \"x\""),
    ] {
        let answer = stage.send("POST", "/transfers", &form, Some(body.as_bytes()));
        assert_eq!((answer.status, answer.refusal().1.as_str()), (400, message), "{body}");
    }
}

#[test]
fn json_deeper_than_the_limit_is_refused() {
    let nested =
        |depth: usize| format!(r#"{{"feeResponsibility":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
    let transfer = "  io.token.proto.bankapi.TransferService.Transfer:\n";
    for (requests, rpc, most) in [
        ("", "", 64),
        ("  json_depth: 3\n", "", 3),
        ("", "    json_depth: 5\n", 5),
        ("  json_depth: 3\n", "    json_depth: 100\n", 100),
    ] {
        let stage = Stage::altered(SampleBank::new().routes().into_axum_router(), |config| {
            let config = replaced(config, "requests:\n", &format!("requests:\n{requests}"));
            replaced(config, transfer, &format!("{transfer}{rpc}"))
        });
        let at_the_limit = stage.send_json("POST", "/transfers", &nested(most));
        assert!(!at_the_limit.body.contains("nested"), "{requests}{rpc}: {}", at_the_limit.body);
        let column = r#"{"feeResponsibility":"#.len() + most;
        let message = format!("the body: nested deeper than the limit of {most} levels (line 1, column {column})");
        let answer = stage.send_json("POST", "/transfers", &nested(most + 1));
        assert_refused(&answer, 400, &refusal(3, &message), &format!("{requests}{rpc}"));
    }
}

#[test]
fn a_body_larger_than_the_limit_is_refused() {
    let set_value = "  io.token.proto.bankapi.StorageService.SetValue:\n";
    let stage = Stage::altered(SampleBank::new().routes().into_axum_router(), |config| {
        let config = replaced(config, "requests:\n", "requests:\n  body_limit: 100\n");
        replaced(config, set_value, &format!("{set_value}    body_limit: 1KiB\n"))
    });
    let body = |length: usize| format!(r#"{{"value":"AA==",{}"key":"k"}}"#, " ".repeat(length - 26));
    assert_eq!(stage.send_json("PUT", "/storage/k", &body(1024)).status, 200);
    let message = "the body is larger than the limit of 1024 bytes";
    let answer = stage.send_json("PUT", "/storage/k", &body(1025));
    assert_refused(&answer, 413, &refusal(8, message), "its own");
    let answer = stage.send_json("POST", "/transfers", &body(101));
    assert_refused(&answer, 413, &refusal(8, "the body is larger than the limit of 100 bytes"), "of all");
}

/// A backend that answers each call with this message.
fn replying(message: Vec<u8>) -> Router {
    Router::new().fallback(move || async move {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let frame = [&[0], &length[..], &message].concat();
        let status = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
        let body = http_body_util::Full::new(bytes::Bytes::from(frame));
        let body = http_body_util::BodyExt::with_trailers(body, async { Some(Ok(status)) });
        ([("content-type", "application/grpc")], axum::body::Body::new(body))
    })
}

#[test]
fn a_reply_larger_than_its_limit_or_its_json_limit_is_answered_502() {
    let limited = |global: &'static str, rpc: &'static str, more: &'static str| {
        move |config: String| {
            let config = replaced(config, "  deadline: 25s\n", &format!("  deadline: 25s\n{global}"));
            with(config, "", rpc) + more
        }
    };
    // An unknown field of 98 bytes with its tag and length, then `status: SERVING`: 102 bytes.
    let message = || [&[0x7a, 98][..], &[b'a'; 98], &[8, 1]].concat();
    let too_large = |limit: usize| format!("the backend's reply is larger than the limit of {limit} bytes");
    let json = "the reply's JSON is larger than the limit of 10 bytes; the call itself succeeded".to_owned();
    for (global, rpc, more, refused) in [
        ("  reply_limit: 102\n", "", "", None),
        ("  reply_limit: 101\n", "", "", Some(too_large(101))),
        ("", "    reply_limit: 102\n", "", None),
        ("", "    reply_limit: 101\n", "", Some(too_large(101))),
        ("  reply_limit: 1\n", "    reply_limit: 102\n", "", None),
        ("", "", "json:\n  limit: 10\n", Some(json.clone())),
        ("", "    json:\n      limit: 10\n", "", Some(json)),
        ("", "", "json:\n  limit: 20\n", None),
    ] {
        let stage = Stage::altered(replying(message()), limited(global, rpc, more));
        let refused = refused.as_deref().map(|message| (502, 8, message));
        assert_limit(&stage.get(TARGET), refused, &format!("{global}{rpc}{more}"));
    }
}

/// The bytes of `Host: gateway.test` and its end.
const HOST: usize = 20;

/// A head with headers of this many bytes in all, the host's included.
fn padded(bytes: usize) -> String {
    "x".repeat(bytes - HOST - "X-Pad: \r\n".len())
}

#[test]
fn headers_larger_than_the_limit_are_refused() {
    let message = |limit: usize| {
        format!("the request head is too large: at most 100 headers, of at most {limit} bytes in all, are accepted")
    };
    for (requests, limit) in [("", 32 << 10), ("  header_limit: 1KiB\n", 1 << 10), ("  header_limit: 1MiB\n", 1 << 20)]
    {
        let stage = sample(requests, "");
        for (bytes, status) in [(limit, 200), (limit + 1, 431), (limit + 40_000, 431), (limit * 2 + 200_000, 431)] {
            let pad = padded(bytes);
            let answer = stage.send("GET", TARGET, &[("X-Pad", &pad)], None);
            let refused = message(limit);
            let refused = Some((431, 8, refused.as_str())).filter(|_| status == 431);
            match answer.header("connection") {
                // Beyond what is read of a head at all, the connection ends.
                Some("close") => {
                    assert_eq!((answer.status, answer.body_and_reason().0), (431, refusal(8, &message(limit))));
                }
                _ => assert_limit(&answer, refused, &format!("{requests}{bytes} bytes")),
            }
        }
        // In many pieces, with a long target before them, it is the same.
        for (bytes, status) in [(limit, 404), (limit + 1, 431)] {
            let mut stream = connect(stage.address());
            let head = format!(
                "GET /{} HTTP/1.1\r\nHost: gateway.test\r\nX-Pad: {}\r\n\r\n",
                "a".repeat(60_000),
                padded(bytes)
            );
            for piece in head.as_bytes().chunks(7_001) {
                stream.write_all(piece).unwrap();
            }
            assert_eq!(read(&mut stream).status, status, "{requests}{bytes} bytes");
        }
    }
}

#[test]
fn an_rpc_can_lower_the_header_limit() {
    let stage = sample("  header_limit: 4KiB\n", "    header_limit: 1KiB\n");
    let message = "the request head is too large: at most 100 headers, of at most 1024 bytes in all, are accepted";
    for (target, bytes, refused) in [
        (TARGET, 1 << 10, None),
        (TARGET, (1 << 10) + 1, Some((431, 8, message))),
        (TARGET, 4 << 10, Some((431, 8, message))),
    ] {
        let answer = stage.send("GET", target, &[("X-Pad", &padded(bytes))], None);
        assert_limit(&answer, refused, &format!("{bytes} bytes"));
    }
    // Of others it is that of all.
    for (bytes, status) in [(4 << 10, 404), ((4 << 10) + 1, 431)] {
        assert_eq!(stage.send("GET", "/nothing", &[("X-Pad", &padded(bytes))], None).status, status, "{bytes} bytes");
    }
}

#[test]
fn the_header_limits_are_the_same_over_http2() {
    let overrides = Overrides::default();
    let text = "schema: proto\nupstream: http://127.0.0.1:1\n";
    let (config, problems) = config::load_text(text, Path::new("towbar.yaml"), &overrides);
    assert!(problems.is_empty());
    let schema = Schema::decode("the bank API", DESCRIPTORS).unwrap();
    let routes = Routes::build(&schema, &[], &config.routes).unwrap();
    let upstream = Upstream::new(&config.upstream.unwrap()).unwrap();
    let limit = config.proxy.policy.header_limit;
    let gateway = gateway::Gateway::new(schema, routes, vec![upstream], Metadata::new(config.metadata), config.proxy);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = Listener::bind("127.0.0.1:0", None, Plain::Http2).await.unwrap();
        let address = listener.address().unwrap();
        tokio::spawn(listener.serve(gateway::service(gateway), std::future::pending()));
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let pads = |count: usize, bytes: usize| vec![("x-pad", "x".repeat(bytes / count - "x-pad: \r\n".len())); count];
        for (headers, status) in [
            (pads(1, limit), 404),
            (pads(1, limit + 1), 431),
            (pads(64, limit), 404),
            (pads(64, limit + 64), 431),
            (pads(100, 10_000), 404),
            (pads(101, 10_100), 431),
        ] {
            let mut request = http::Request::get(format!("http://gateway.test/{}", "a".repeat(60_000)));
            for (name, value) in &headers {
                request = request.header(*name, value);
            }
            let (response, _) = send.send_request(request.body(()).unwrap(), true).unwrap();
            let (head, mut body) = response.await.unwrap().into_parts();
            let input = format!("{} headers of {} bytes", headers.len(), headers[0].1.len());
            assert_eq!(head.status, status, "{input}");
            if status == 431 {
                let message =
                    "the request head is too large: at most 100 headers, of at most 32768 bytes in all, are accepted";
                let body = body.data().await.unwrap().unwrap();
                let body = crate::support::http::without_reasons(std::str::from_utf8(&body).unwrap());
                assert_eq!(body, refusal(8, message), "{input}");
            }
        }
        // Beyond what is read of a head at all, HTTP/2 itself answers, without a body, and the connection goes on.
        for (bytes, status) in [(115_000, 431), (10, 404)] {
            let request = http::Request::get("http://gateway.test/a").header("x-pad", "x".repeat(bytes)).body(());
            let (response, _) = send.send_request(request.unwrap(), true).unwrap();
            assert_eq!(response.await.unwrap().status(), status, "{bytes} bytes");
        }
    });
}

#[test]
fn a_connection_stays_open_after_headers_slightly_over_the_limit() {
    let stage = sample("  header_limit: 1KiB\n", "");
    let mut stream = connect(stage.address());
    for pad in [2000, 100, 1100] {
        write(&mut stream, "GET", TARGET, &[("X-Pad", &"x".repeat(pad))], None);
        let status = if pad == 100 { 200 } else { 431 };
        assert_eq!(read(&mut stream).status, status, "{pad}");
    }
}

#[test]
fn more_than_100_headers_are_refused() {
    let stage = sample("", "");
    let headers = |count| vec![("A", "b"); count];
    // The host is one.
    assert_limit(&stage.send("GET", TARGET, &headers(99), None), None, "100 headers");
    let message = "the request head is too large: at most 100 headers, of at most 32768 bytes in all, are accepted";
    let answer = stage.send("GET", TARGET, &headers(100), None);
    assert_eq!((answer.status, answer.body_and_reason().0), (431, refusal(8, message)));
}

#[test]
fn a_request_target_longer_than_65534_bytes_is_refused() {
    let stage = sample("", "");
    let target = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
    let shown = format!("no route matches GET /{}...", "a".repeat(199));
    assert_refused(&stage.get(&target(65_534)), 404, &refusal(5, &shown), "65534");
    let answer = stage.get(&target(65_535));
    let message = "the request target is longer than 65534 bytes";
    assert_eq!((answer.status, answer.body_and_reason().0), (414, refusal(8, message)));
}
