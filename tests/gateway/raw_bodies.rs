//! `google.api.HttpBody`: bytes that pass as they are, whole or in pieces, in both directions.

use crate::support::http;
use crate::support::talk::{Reader, backend, collecting, gateway, got, send, start};
use towbar::format::wire::{self, Reader as Wire};

/// A field of bytes.
fn field(number: u32, value: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    wire::put_tag(&mut wire, number, wire::LENGTH);
    wire::put_bytes(&mut wire, value);
    wire
}

/// A `google.api.HttpBody`.
fn http_body(content_type: &str, data: &[u8]) -> Vec<u8> {
    [field(1, content_type.as_bytes()), field(2, data)].concat()
}

/// The fields of a message, each of bytes.
fn fields(message: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut reader = Wire::new(message);
    let mut fields = Vec::new();
    while !reader.is_empty() {
        let (number, wire_type) = reader.tag().unwrap();
        assert_eq!(wire_type, wire::LENGTH);
        fields.push((number, reader.bytes().unwrap().to_vec()));
    }
    fields
}

/// Name, content type and data of a `talk.Piece`.
fn piece(message: &[u8]) -> (String, String, Vec<u8>) {
    let outer = fields(message);
    let find = |fields: &[(u32, Vec<u8>)], number| {
        fields.iter().find(|(known, _)| *known == number).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let content = fields(&find(&outer, 2));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(find(&outer, 1)), text(find(&content, 1)), find(&content, 2))
}

/// Bytes of every value, in no simple order.
fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 31 + index / 256) as u8).collect()
}

#[test]
fn a_raw_body_reaches_the_backend_unchanged_with_its_content_type() {
    let (backend, seen) = collecting(got);
    let gateway = gateway(&backend, "");
    let large = noise(1 << 20);
    for (content_type, data) in [
        (Some("image/png"), &b"\x89PNG\x00\xff"[..]),
        (Some("application/json"), b"{\"not\": read"),
        (Some("application/x-www-form-urlencoded"), b"a=b"),
        (Some("text/plain; charset=latin-1"), b"caf\xe9"),
        (None, b"bytes"),
        (Some("application/octet-stream"), &large),
        (Some("text/plain"), b""),
        (None, b""),
    ] {
        let headers: Vec<_> = content_type.iter().map(|&value| ("Content-Type", value)).collect();
        let put = http::send(gateway.address, "PUT", "/files/a%2Fb", &headers, Some(data));
        assert_eq!((put.status, put.body.as_str()), (200, r#"{"text":"got"}"#), "{content_type:?}");
        let seen = seen.lock().unwrap();
        let [message] = seen.as_slice() else { panic!("{seen:?}") };
        // Nothing was sent, so it has no type.
        let content_type = content_type.filter(|_| !data.is_empty()).unwrap_or_default();
        assert_eq!(piece(message), ("a/b".to_owned(), content_type.to_owned(), data.to_vec()));
    }
    let more = noise((1 << 20) + 1);
    let refused = http::send(gateway.address, "PUT", "/files/a", &[], Some(&more));
    assert_eq!((refused.status, refused.refusal().0), (413, 8));
    let query = http::send(gateway.address, "PUT", "/files/a?content.data=eA==", &[], Some(b"x"));
    assert_eq!(query.refusal().1, "query parameter \"content.data\": send it in the body, not in the query");
}

#[test]
fn an_upload_is_sent_in_pieces_and_arrives_byte_for_byte() {
    let (backend, seen) = collecting(got);
    // Much more than a body of one message may have.
    let gateway = gateway(&backend, "requests: {body_limit: 1KiB}");
    for length in [0, 1, 5, 1023, 1024, 16383, 16384, 16385, 262_144, 262_145, 3_000_000] {
        let data = noise(length);
        for chunked in [false, true] {
            let answer = if chunked {
                let mut stream = http::connect(gateway.address);
                let headers = [("Content-Type", "application/pdf"), ("Transfer-Encoding", "chunked")];
                http::write(&mut stream, "POST", "/files/scan", &headers, None);
                for part in data.chunks(10_000) {
                    let head = format!("{:x}\r\n", part.len());
                    std::io::Write::write_all(&mut stream, &[head.as_bytes(), part, b"\r\n"].concat()).unwrap();
                }
                std::io::Write::write_all(&mut stream, b"0\r\n\r\n").unwrap();
                Reader::new(stream).whole().answer
            } else {
                http::send(gateway.address, "POST", "/files/scan", &[("Content-Type", "application/pdf")], Some(&data))
            };
            assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"text":"got"}"#), "{length} {chunked}");
            let pieces: Vec<_> = seen.lock().unwrap().iter().map(|message| piece(message)).collect();
            assert!(pieces.iter().all(|(name, kind, _)| (name.as_str(), kind.as_str()) == ("scan", "application/pdf")));
            assert!(!pieces.is_empty() && pieces.iter().all(|(.., data)| data.len() <= 256 << 10), "{length}");
            let all: Vec<u8> = pieces.into_iter().flat_map(|(.., data)| data).collect();
            assert!(all == data, "{length} {chunked}: {} bytes arrived", all.len());
        }
    }
}

#[test]
fn a_raw_reply_reaches_the_caller_unchanged_with_its_content_type() {
    let bytes = noise(70_000);
    let reply = bytes.clone();
    let backend = backend(move |rpc, mut requests, replies| {
        let reply = reply.clone();
        async move {
            let topic = requests.next().await.unwrap();
            let content_type = match topic.last() {
                Some(b'p') => "image/png",
                Some(b'n') => "",
                Some(b'x') => "no\r\nheader",
                _ => "text/plain; charset=utf-8",
            };
            let body = http_body(content_type, &reply);
            let message = match rpc.as_str() {
                "Read" => body,
                // Split over two occurrences, which are one message.
                "Part" => [field(3, b"tag"), field(2, &field(1, content_type.as_bytes())), field(2, &field(2, &reply))]
                    .concat(),
                _ => panic!("{rpc}"),
            };
            replies.send(&message).await;
            replies.end("0", "").await;
        }
    });
    let gateway = gateway(&backend, "");
    for path in ["/files", "/parts"] {
        for (topic, content_type) in [
            ("p", "image/png"),
            ("n", "application/octet-stream"),
            ("x", "application/octet-stream"),
            ("t", "text/plain; charset=utf-8"),
        ] {
            let mut reader = start(&gateway, "GET", &format!("{path}/{topic}"), &[], None);
            assert_eq!((reader.answer.status, reader.answer.header("content-type")), (200, Some(content_type)));
            assert_eq!(reader.answer.header("x-content-type-options"), Some("nosniff"));
            assert!(reader.bytes() == (bytes.clone(), true), "{path}/{topic}");
        }
    }
}

#[test]
fn a_download_is_streamed_and_is_cut_off_when_the_backend_fails() {
    let backend = backend(|rpc, mut requests, replies| async move {
        let request = requests.next().await.unwrap();
        let wrap = |body: Vec<u8>| if rpc == "Parts" { field(2, &body) } else { body };
        if request.ends_with(b"none") {
            return replies.end("5", "no such file").await;
        }
        if !request.ends_with(b"empty") {
            replies.send(&wrap(http_body("application/zip", b"\x00one\n"))).await;
            replies.send(&wrap(field(2, b""))).await;
            replies.send(&wrap(field(2, b"\xfftwo"))).await;
        }
        let status = if request.ends_with(b"half") { "14" } else { "0" };
        replies.end(status, "the disk is gone").await;
    });
    let gateway = gateway(&backend, "");
    for (target, body, is_whole) in [
        ("/downloads/all", &b"\x00one\n\xfftwo"[..], true),
        ("/downloads/half", b"\x00one\n\xfftwo", false),
        ("/downloads/empty", b"", true),
        ("/parts", b"\x00one\n\xfftwo", true),
    ] {
        let mut reader = start(&gateway, "GET", target, &[], None);
        let content_type = if body.is_empty() { "application/octet-stream" } else { "application/zip" };
        assert_eq!((reader.answer.status, reader.answer.header("content-type")), (200, Some(content_type)), "{target}");
        assert_eq!(reader.bytes(), (body.to_vec(), is_whole), "{target}");
    }
    let none = send(&gateway, "GET", "/downloads/none", &[], None).answer;
    assert_eq!((none.status, none.refusal()), (404, (5, "no such file".to_owned())));
}

/// What an HTTP/1.0 caller, such as nginx by default, gets of a download: all bytes up to the end of the connection.
fn download_http10(to: std::net::SocketAddr, topic: &str) -> (Vec<u8>, std::io::Result<usize>) {
    use std::io::{Read as _, Write as _};
    let mut stream = http::connect(to);
    write!(stream, "GET /downloads/{topic} HTTP/1.0\r\n\r\n").unwrap();
    let head = http::head(&mut stream);
    assert_eq!(head.status, 200, "{head:?}");
    let mut body = Vec::new();
    let ended = stream.read_to_end(&mut body);
    (body, ended)
}

#[test]
fn an_http_1_0_download_arrives_byte_for_byte_and_a_broken_one_is_reset() {
    const PIECES: [&str; 4] = [
        "AAAA\n",
        "HTTP/1.1 404 x\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.0 400 x\r\ncontent-length: 0\r\n\r\n",
        "BBBB\n",
    ];
    let backend = backend(|_, mut requests, replies| async move {
        let request = requests.next().await.unwrap();
        for piece in PIECES {
            replies.send(&http_body("text/plain", piece.as_bytes())).await;
            // Each is written by itself.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let status = if request.ends_with(b"half") { "14" } else { "0" };
        replies.end(status, "the disk is gone").await;
    });
    let gateway = gateway(&backend, "");
    let whole = PIECES.concat();
    let (body, ended) = download_http10(gateway.address, "all");
    assert_eq!((String::from_utf8(body).unwrap(), ended.unwrap()), (whole.clone(), whole.len()));
    let (_, ended) = download_http10(gateway.address, "half");
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let mut reader = start(&gateway, "GET", "/downloads/all", &[], None);
    assert_eq!(reader.bytes(), (whole.into_bytes(), true));
}

#[test]
fn an_http_body_can_be_both_the_request_and_the_reply() {
    let backend = backend(|_, mut requests, replies| async move {
        let message = requests.next().await.unwrap();
        replies.send(&message).await;
        replies.end("0", "").await;
    });
    let gateway = gateway(&backend, "");
    let mut reader = {
        let mut stream = http::connect(gateway.address);
        http::write(&mut stream, "POST", "/echo", &[("Content-Type", "audio/ogg")], Some(b"\x00\x01\xfe"));
        Reader::new(stream)
    };
    assert_eq!(reader.answer.header("content-type"), Some("audio/ogg"));
    assert_eq!(reader.bytes(), (b"\x00\x01\xfe".to_vec(), true));
}
