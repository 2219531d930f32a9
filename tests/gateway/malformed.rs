//! What is no HTTP/1.1, too much of it or only a part of it is answered like every other refusal.

use std::io::{Read as _, Write as _};

use crate::support::{Stage, http, replaced};
use towbar::cli::demo::bank::SampleBank;

#[test]
fn a_malformed_http_request_gets_an_error_body_and_ends_the_connection() {
    let bank = SampleBank::new();
    let stage = Stage::of(bank.routes().into_axum_router());
    let refusal = |code: u8, message: &str| format!(r#"{{"code":{code},"message":"{message}"}}"#);
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(70_000));
    let many_headers = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(120));
    let post = |headers: &str| {
        format!(
            "POST /notifications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
        )
    };
    let line =
        "the request line is malformed: expected a method, a request target and HTTP/1.1, with one space between them";
    let version = "the HTTP version is not supported on this connection: expected HTTP/1.1 or HTTP/1.0";
    let fragment =
        r##"the request target contains a fragment (\"#...\"): leave it out, or write %23 for the character #"##;
    let feed = "a line of the request head ends with a line feed alone: expected a carriage return and a line feed";
    let both = "the request has both Content-Length and Transfer-Encoding: send one of them";
    let chunked = r#"header Transfer-Encoding: expected \"chunked\", once, in an HTTP/1.1 request"#;
    let coding = r#"header Transfer-Encoding: only \"chunked\" is supported; use Content-Encoding to compress a body"#;
    let length = "header Content-Length: expected one whole number of bytes";
    let host = "header Host: expected a host name or an address, and optionally a port";
    let form = r#"the request target must begin with \"/\", or be an http or https URI with a host and without user information"#;
    let large = "the request head is too large: at most 100 headers, of at most 32768 bytes in all, are accepted";
    let field = "a header line is malformed: expected a name, a colon directly after it, and a value";
    for (request, status, code, message) in [
        ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400, 3, line),
        ("GET /notifications\r\n", 400, 3, line),
        ("GET / HTTP/2.0\r\n\r\n", 505, 12, version),
        ("GET /notifications#a HTTP/1.1\r\nHost: x\r\n\r\n", 400, 3, fragment),
        ("GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, 3, form),
        ("GET http://u:p@x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, 3, form),
        ("GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, 3, "header Host names another host than the request target"),
        ("GET / HTTP/1.1\r\n\r\n", 400, 3, "expected exactly one Host header, got 0"),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, 3, "expected exactly one Host header, got 2"),
        ("GET / HTTP/1.1\r\nHost: x y\r\n\r\n", 400, 3, host),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, 3, field),
        ("GET / HTTP/1.1\nHost: x\n\n", 400, 3, feed),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: b\n\r\n", 400, 3, feed),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: \u{0}\r\n\r\n", 400, 3, "the request head contains a control character"),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400, 3, "the request head contains a control character"),
        (
            "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
            400,
            3,
            "a header continues on the next line (obsolete line folding): write it on one line",
        ),
        (&post("Content-Length: 12\r\nTransfer-Encoding: chunked"), 400, 3, both),
        (&post("Transfer-Encoding: chunked\r\nContent-Length: 12"), 400, 3, both),
        (&post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400, 3, chunked),
        (&post("Transfer-Encoding: chunked, chunked"), 400, 3, chunked),
        (&post("Transfer-Encoding: identity, chunked"), 400, 3, chunked),
        (&post("Transfer-Encoding: ,chunked"), 400, 3, chunked),
        (&post("Transfer-Encoding: gzip, chunked"), 501, 12, coding),
        (&post("Transfer-Encoding: x\r\nTransfer-Encoding: chunked"), 501, 12, coding),
        (&post("Content-Length: 5\r\nContent-Length: 6"), 400, 3, length),
        (&post("Content-Length: 5, 5"), 400, 3, length),
        (&post("Content-Length: two"), 400, 3, length),
        (&post("Content-Length: 12\r\nExpect: y"), 417, 3, r#"header Expect: only \"100-continue\" is supported"#),
        (&post("Transfer-Encoding: chunked").replace("HTTP/1.1", "HTTP/1.0"), 400, 3, chunked),
        (&long_target, 414, 8, "the request target is longer than 65534 bytes"),
        (&many_headers, 431, 8, large),
    ] {
        let shown: String = request.chars().take(160).collect();
        let mut stream = http::connect(stage.address());
        // What stands behind it would be a request if the first one ended where another reader may see its end.
        let smuggled =
            "POST /notifications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        stream.write_all([request.as_bytes(), smuggled.as_bytes()].concat().as_slice()).unwrap();
        let answer = http::read(&mut stream);
        assert_eq!((answer.status, answer.body_and_reason().0), (status, refusal(code, message)), "{shown:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{shown:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{shown:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{shown:?}");
        let code = answer.json()["code"].to_string();
        assert_eq!(answer.header("token-grpc-status"), Some(code.as_str()), "{shown:?}");
        let mut rest = Vec::new();
        // Closed, or reset where more was on its way than was read.
        let _ = stream.read_to_end(&mut rest);
        assert_eq!(rest, b"", "{shown:?}");
        assert_eq!(bank.notifications_accepted(), 0, "{shown:?}");
    }
}

#[test]
fn a_malformed_chunked_body_is_refused_and_no_request_is_read_behind_it() {
    let bank = SampleBank::new();
    let stage = Stage::of(bank.routes().into_axum_router());
    let smuggled =
        "POST /notifications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let size = "the chunked body is malformed: expected the size of a chunk in hexadecimal digits, then a carriage return and a line feed";
    let end = "the chunked body is malformed: a chunk is longer or shorter than its size says";
    let trailers = "the trailers of the chunked body are malformed";
    for (body, message) in [
        ("2\n{}\r\n0\r\n\r\n", size),
        ("0x2\r\n{}\r\n0\r\n\r\n", size),
        ("0_2\r\n{}\r\n0\r\n\r\n", size),
        ("2 \r\n{}\r\n0\r\n\r\n", size),
        ("2;a\n=b\r\n{}\r\n0\r\n\r\n", size),
        ("\r\n{}\r\n0\r\n\r\n", size),
        ("2\r\n{}\n0\r\n\r\n", end),
        ("2\r\n{}}\r\n0\r\n\r\n", end),
        ("2\r\n{}\r\n0\r\n\n", trailers),
        ("2\r\n{}\r\n0\r\nX: y\n\r\n", trailers),
        ("2\r\n{}\r\n0\r\nX : y\r\n\r\n", trailers),
    ] {
        let head = "POST /notifications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        let whole = [head, body, smuggled].concat();
        // In one piece, and in many.
        for size in [whole.len(), 7, 1] {
            let mut stream = http::connect(stage.address());
            stream.set_nodelay(true).unwrap();
            for piece in whole.as_bytes().chunks(size) {
                // It may have ended before all is sent.
                let _ = stream.write_all(piece);
            }
            let answer = http::read(&mut stream);
            let expected = format!(r#"{{"code":3,"message":"{message}"}}"#);
            assert_eq!((answer.status, answer.body_and_reason().0), (400, expected), "{body:?}");
            assert_eq!(answer.header("connection"), Some("close"), "{body:?}");
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
            assert_eq!(rest, b"", "{body:?}");
            assert_eq!(bank.notifications_accepted(), 0, "{body:?}");
        }
    }
}

#[test]
fn split_and_pipelined_requests_are_answered_in_order_up_to_a_malformed_one() {
    let bank = SampleBank::new();
    let stage = Stage::of(bank.routes().into_axum_router());
    let whole =
        "POST /notifications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let chunked = "POST /notifications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
                   1;a=b\r\n{\r\n1\r\n}\r\n0\r\nchecksum: 1\r\n\r\n";
    let malformed = "GET /nothing HTTP/1.1\r\nHost: x\nA: b\r\n\r\n";
    let all = ["\r\n", whole, chunked, whole, "\r\n", chunked, malformed, whole].concat();
    let good = http::send_json(stage.address(), "POST", "/notifications", "{}");
    let mut accepted = bank.notifications_accepted();
    for size in [all.len(), 1000, 100, 13, 1] {
        let mut stream = http::connect(stage.address());
        stream.set_nodelay(true).unwrap();
        for piece in all.as_bytes().chunks(size) {
            let _ = stream.write_all(piece);
        }
        for number in 0..4 {
            let answer = http::read(&mut stream);
            assert_eq!((answer.status, answer.body.as_str()), (good.status, good.body.as_str()), "{number} in {size}");
        }
        let refused = http::read(&mut stream);
        assert_eq!((refused.status, refused.header("connection")), (400, Some("close")), "{size}");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert_eq!(rest, b"", "{size}");
        accepted += 4 * usize::from(good.status == 200);
        assert_eq!(bank.notifications_accepted(), accepted, "{size}");
    }
}

#[test]
fn a_body_that_never_arrives_is_refused_at_the_deadline_without_a_backend_call() {
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
        (
            408,
            r#"{"code":4,"message":"the body did not arrive within the gateway's deadline of 300ms","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"BODY_TIMEOUT","domain":"towbar"}]}"#
        )
    );
    assert_eq!(bank.notifications_accepted(), 0);
}

#[test]
fn an_http2_client_on_a_plain_http1_port_gets_http_1_1_required() {
    let stage = Stage::of(SampleBank::new().routes().into_axum_router());
    let reason = b"HTTP/2 is not spoken on this connection: send HTTP/1.1, or choose h2 by ALPN over TLS";
    let length = 8 + u8::try_from(reason.len()).unwrap();
    let expected = [
        &[0, 0, 0, 4, 0, 0, 0, 0, 0][..],
        // GOAWAY, HTTP_1_1_REQUIRED
        &[0, 0, length, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xd],
        reason,
    ]
    .concat();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for pieces in [vec![&preface[..]], vec![&preface[..], &settings], vec![&preface[..10], &preface[10..], &settings]] {
        let mut stream = http::connect(stage.address());
        for piece in &pieces {
            // What comes behind the answer may find a closed connection.
            let _ = stream.write_all(piece);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, expected, "{pieces:?}");
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "{pieces:?}");
    }
    // Behind a request it is no preface.
    let mut stream = http::connect(stage.address());
    stream.write_all([&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], preface].concat().as_slice()).unwrap();
    assert_eq!(http::read(&mut stream).status, 404);
    let answer = http::read(&mut stream);
    let message = "HTTP/2 is not spoken on this connection: send HTTP/1.1, or choose h2 by ALPN over TLS";
    assert_eq!((answer.status, answer.json()["message"].as_str()), (505, Some(message)));
}
