//! What is no HTTP/1.1, too much of it or only a part of it is answered like every other refusal.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::{Read as _, Write as _};

use support::{Stage, http, replaced};
use towbar::bank::SampleBank;

#[test]
fn a_head_that_is_no_http_is_refused_with_a_body() {
    let stage = Stage::sample();
    let malformed = r#"{"code":3,"message":"the request is not HTTP/1.1 as RFC 9112 has it"}"#;
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(70_000));
    let many_headers = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(120));
    for (request, status, body) in [
        ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400, malformed),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, malformed),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: \u{0}\r\n\r\n", 400, malformed),
        ("POST /transfers HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}", 400, malformed),
        ("POST /transfers HTTP/1.1\r\nHost: x\r\nContent-Length: two\r\n\r\n{}", 400, malformed),
        (&long_target, 414, r#"{"code":8,"message":"expected a request target of at most 65534 bytes, found more"}"#),
        (
            &many_headers,
            431,
            r#"{"code":8,"message":"expected at most 100 headers, of at most 32768 bytes in all, found more"}"#,
        ),
    ] {
        let shown: String = request.chars().take(60).collect();
        let mut stream = http::connect(stage.address());
        stream.write_all(request.as_bytes()).unwrap();
        let answer = http::read(&mut stream);
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{shown:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{shown:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{shown:?}");
        let code = answer.json()["code"].to_string();
        assert_eq!(answer.header("token-grpc-status"), Some(code.as_str()), "{shown:?}");
        let mut rest = Vec::new();
        // Closed, or reset where more was on its way than was read.
        let _ = stream.read_to_end(&mut rest);
        assert_eq!(rest, b"", "{shown:?}");
    }
}

#[test]
fn a_body_that_does_not_come_is_refused_at_the_deadline_and_the_bank_hears_nothing() {
    let bank = SampleBank::new();
    let service = bank.routes().into_axum_router();
    let stage = Stage::altered(service, |config| replaced(config, "deadline: 25s", "deadline: 300ms"));
    let mut stream = http::connect(stage.address());
    let head =
        "POST /notifications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    let answer = http::read(&mut stream);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (408, r#"{"code":4,"message":"the body did not arrive within the gateway's deadline of 300ms"}"#)
    );
    assert_eq!(bank.notifications_accepted(), 0);
}
