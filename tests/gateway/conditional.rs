//! What callers have already, and parts of it: `ETag` and `If-None-Match` at the gateway, `Range` at the backend.

use crate::support;
use crate::support::talk::{backend, gateway};
use crate::support::{Backend, Gateway, http};
use towbar::format::wire::{LENGTH, put_bytes, put_tag};

const ETAG: &str = "metadata: {reply: [etag, cache-control, last-modified]}\n";

/// A backend that gives its replies a tag; `topic` says which.
fn tagged() -> Backend {
    backend(|_, mut requests, replies| async move {
        let request = requests.next().await.unwrap();
        let tag = match request.get(2..) {
            Some(b"weak") => "W/\"7\"",
            Some(b"wrong") => "7",
            _ => "\"7\"",
        };
        // 2 KiB are worth to be compressed.
        let text = [0x12, 0x80, 0x10].into_iter().chain([b'x'; 2048]).collect::<Vec<u8>>();
        replies.send(&text).await;
        replies.end_with("0", "", &[("etag", tag), ("cache-control", "private, max-age=60")]).await;
    })
}

/// Status, `ETag` and whether there is a body.
fn told(gateway: &Gateway, method: &str, target: &str, headers: &[(&str, &str)]) -> (u16, Option<String>, bool) {
    let mut stream = http::connect(gateway.address);
    let body = (method == "POST").then_some(&b"{}"[..]);
    http::write(&mut stream, method, target, headers, body);
    let mut answer = http::head(&mut stream);
    let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut bytes = vec![0; if method == "HEAD" { 0 } else { length }];
    std::io::Read::read_exact(&mut stream, &mut bytes).unwrap();
    if answer.status == 304 {
        assert_eq!((answer.header("content-type"), answer.header("content-length")), (None, None), "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("private, max-age=60"));
    }
    answer.body = String::from_utf8_lossy(&bytes).into_owned();
    (answer.status, answer.header("etag").map(str::to_owned), !bytes.is_empty())
}

#[test]
fn a_read_whose_etag_matches_if_none_match_is_answered_304() {
    let (backend, json) = (tagged(), ("Content-Type", "application/json"));
    let gateway = gateway(&backend, ETAG);
    let tag = |text: &str| Some(text.to_owned());
    for (method, target, headers, expected) in [
        ("GET", "/files/a", &[][..], (200, tag("\"7\""), true)),
        ("GET", "/files/a", &[("If-None-Match", "\"7\"")], (304, tag("\"7\""), false)),
        ("GET", "/files/a", &[("If-None-Match", "\"6\""), ("If-None-Match", "W/\"7\"")], (304, tag("\"7\""), false)),
        ("GET", "/files/a", &[("If-None-Match", "*")], (304, tag("\"7\""), false)),
        ("GET", "/files/a", &[("If-None-Match", "\"6\"")], (200, tag("\"7\""), true)),
        ("GET", "/files/weak", &[("If-None-Match", "\"7\"")], (304, tag("W/\"7\""), false)),
        ("GET", "/files/wrong", &[("If-None-Match", "7")], (200, tag("7"), true)),
        ("HEAD", "/files/a", &[("If-None-Match", "\"7\"")], (304, tag("\"7\""), false)),
        // What is no reading is done, and told.
        ("POST", "/ask", &[json, ("If-None-Match", "\"7\"")], (200, tag("\"7\""), true)),
        // By the time alone nobody is sure.
        ("GET", "/files/a", &[("If-Modified-Since", "Sat, 01 Jan 2050 00:00:00 GMT")], (200, tag("\"7\""), true)),
    ] {
        assert_eq!(told(&gateway, method, target, headers), expected, "{method} {target} {headers:?}");
    }
    // Where callers see no tag, they have none.
    let closed = support::talk::gateway(&backend, "");
    assert_eq!(told(&closed, "GET", "/files/a", &[("If-None-Match", "*")]), (200, None, true));
}

#[test]
fn a_compressed_answer_has_a_weak_etag_and_its_304_has_the_same_vary() {
    let backend = backend(|_, mut requests, replies| async move {
        requests.all().await;
        replies.send(&[&[0x12, 0x80, 0x10][..], &[b'x'; 2048]].concat()).await;
        replies.end_with("0", "", &[("etag", "\"7\"")]).await;
    });
    let schema = support::talk::schema_of(
        "syntax = \"proto3\"; package t; import \"google/api/annotations.proto\"; message M { string id = 1; string text = 2; } \
         service S { rpc Get(M) returns (M) { option (google.api.http) = { get: \"/m/{id}\" }; } }",
    );
    let config = format!("{ETAG}replies: {{compression: true}}\n");
    let gateway = support::talk::gateway_of(schema, &backend, &config);
    for (headers, status, encoding, etag) in [
        (&[][..], 200, None, "\"7\""),
        (&[("Accept-Encoding", "gzip")], 200, Some("gzip"), "W/\"7\""),
        (&[("Accept-Encoding", "gzip"), ("If-None-Match", "W/\"7\"")], 304, None, "\"7\""),
    ] {
        let mut stream = http::connect(gateway.address);
        http::write(&mut stream, "GET", "/m/1", headers, None);
        let head = http::head(&mut stream);
        let found = (head.status, head.header("content-encoding"), head.header("etag"), head.header("vary"));
        assert_eq!(found, (status, encoding, Some(etag), Some("accept-encoding")), "{headers:?}");
    }
}

#[test]
fn a_backend_can_answer_a_range_request_with_206() {
    let backend = backend(|_, mut requests, replies| async move {
        requests.all().await;
        let range = requests.headers.get("range").map(|value| value.to_str().unwrap().to_owned());
        let mut body = Vec::new();
        put_tag(&mut body, 1, LENGTH);
        put_bytes(&mut body, b"text/plain");
        put_tag(&mut body, 2, LENGTH);
        put_bytes(&mut body, if range.is_some() { &[b'x'; 1024] } else { &[b'x'; 4096] });
        replies.send(&body).await;
        let part: &[_] = &[("x-http-code", "206"), ("content-range", "bytes 0-1023/4096"), ("accept-ranges", "bytes")];
        let metadata = if range.as_deref() == Some("bytes=0-1023") { part } else { &[("accept-ranges", "bytes")] };
        replies.end_with("0", "", metadata).await;
    });
    let gateway = gateway(
        &backend,
        "metadata:\n  request: [range, if-range]\n  reply: [content-range, accept-ranges, etag]\n  http_status: x-http-code\n\
         replies: {compression: true}\n",
    );
    let gzip = ("Accept-Encoding", "gzip");
    let part = http::send(gateway.address, "GET", "/files/a", &[gzip, ("Range", "bytes=0-1023")], None);
    assert_eq!((part.status, part.body.len(), part.header("content-encoding")), (206, 1024, None));
    assert_eq!(part.header("content-range"), Some("bytes 0-1023/4096"));
    let whole = http::send(gateway.address, "GET", "/files/a", &[], None);
    assert_eq!((whole.status, whole.body.len(), whole.header("accept-ranges")), (200, 4096, Some("bytes")));

    // Where callers do not see what it says of parts, Towbar makes them, of all that it has sent.
    let plain = support::talk::gateway(&backend, "");
    let part = http::send(plain.address, "GET", "/files/a", &[("Range", "bytes=0-1023")], None);
    assert_eq!((part.status, part.body.len(), part.header("content-range")), (206, 1024, Some("bytes 0-1023/4096")));
}
