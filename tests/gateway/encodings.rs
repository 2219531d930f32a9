//! Replies that a bank compresses, asked or not: made whole within their limit, and refused where that cannot be.

use std::sync::mpsc::channel;

use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use tonic::Response;
use towbar::cli::demo::generated::io::token::proto::bankapi::HealthCheckResponse;
use towbar::config::Overrides;
use towbar::format::compression::Gzip;

use crate::support::raw::{RawBank, Reply, frame_of};
use crate::support::talk::{self, note};
use crate::support::{Backend, Gateway, assert_refused, assert_reply, health, http};

const UNREADABLE: &str =
    r#"{"code":13,"message":"the backend's answer cannot be read; the outcome of the call is unknown"}"#;
const LARGE: &str = r#"{"code":8,"message":"the backend's reply is larger than the limit of 65536 bytes"}"#;

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut gzip = Gzip::new();
    gzip.add(message);
    gzip.finish().to_vec()
}

fn zstd(message: &[u8]) -> Vec<u8> {
    compress_to_vec(message, CompressionLevel::Fastest)
}

/// A `transaction_id` of so many bytes, which is so many and four as a message.
fn long(length: usize) -> Vec<u8> {
    [
        &[0x0a, (length % 128) as u8 | 128, (length >> 7 & 127) as u8 | 128, (length >> 14) as u8],
        &vec![b'a'; length][..],
    ]
    .concat()
}

/// The answer to a payment whose reply has this body, of this `grpc-encoding`.
fn answer(encoding: &'static str, data: Vec<u8>) -> http::Answer {
    let bank = RawBank::start(move |_, _| Reply::encoded(encoding, data.clone()));
    let upstream = format!("upstream:\n  address: http://{}\n  reply_limit: 64KiB\n", bank.address);
    let gateway = Gateway::start(&format!("schema: proto\nstatus_headers: {{}}\n{upstream}"), None);
    let answer = http::send_json(gateway.address, "POST", "/transfers", r#"{"transferId":"t"}"#);
    assert_eq!(bank.count("t").acted, 1, "{encoding}");
    answer
}

#[test]
fn a_compressed_reply_is_decompressed() {
    let (paid, body) = (b"\x0a\x02id", r#"{"transactionId":"id"}"#);
    let most = (64 << 10) - 4;
    let most_body = format!(r#"{{"transactionId":"{}"}}"#, "a".repeat(most));
    for (case, encoding, data, body) in [
        ("gzip", "gzip", frame_of(1, &gzip(paid)), body),
        ("zstd", "zstd", frame_of(1, &zstd(paid)), body),
        ("an empty message", "gzip", frame_of(1, &gzip(b"")), "{}"),
        ("an empty message", "zstd", frame_of(1, &zstd(b"")), "{}"),
        ("this one is not compressed", "gzip", frame_of(0, paid), body),
        ("nor this, with what is not known", "snappy", frame_of(0, paid), body),
        ("nor this", "identity", frame_of(0, paid), body),
        ("as large as may be", "gzip", frame_of(1, &gzip(&long(most))), &most_body),
        ("as large as may be", "zstd", frame_of(1, &zstd(&long(most))), &most_body),
    ] {
        assert_reply(&answer(encoding, data), body, &format!("{encoding}: {case}"));
    }
}

#[test]
fn a_reply_that_cannot_be_decompressed_or_is_too_large_is_answered_502() {
    let paid = b"\x0a\x02id";
    let above = long((64 << 10) - 3);
    let zeros = vec![0; 16 << 20];
    let cut = |mut bytes: Vec<u8>| {
        bytes.pop();
        bytes
    };
    for (case, encoding, data, body) in [
        ("one byte too many", "gzip", frame_of(1, &gzip(&above)), LARGE),
        ("one byte too many", "zstd", frame_of(1, &zstd(&above)), LARGE),
        ("a bomb", "gzip", frame_of(1, &gzip(&zeros)), LARGE),
        ("a bomb", "zstd", frame_of(1, &zstd(&zeros)), LARGE),
        ("a window of terabytes", "zstd", frame_of(1, &[0x28, 0xb5, 0x2f, 0xfd, 0, 0xf8, 3, 0, 0, 0]), UNREADABLE),
        ("cut short", "gzip", frame_of(1, &cut(gzip(paid))), UNREADABLE),
        ("cut short", "zstd", frame_of(1, &cut(zstd(paid))), UNREADABLE),
        ("the other", "gzip", frame_of(1, &zstd(paid)), UNREADABLE),
        ("the other", "zstd", frame_of(1, &gzip(paid)), UNREADABLE),
        ("twice", "gzip", frame_of(1, &[gzip(paid), gzip(paid)].concat()), UNREADABLE),
        ("twice", "zstd", frame_of(1, &[zstd(paid), zstd(paid)].concat()), UNREADABLE),
        ("not known", "snappy", frame_of(1, paid), UNREADABLE),
        ("not compressed after all", "identity", frame_of(1, paid), UNREADABLE),
        ("with nothing said", "", frame_of(1, &gzip(paid)), UNREADABLE),
        ("another flag", "gzip", frame_of(2, &gzip(paid)), UNREADABLE),
    ] {
        assert_refused(&answer(encoding, data), 502, body, &format!("{encoding}: {case}"));
    }
}

#[test]
fn each_message_of_a_stream_may_be_compressed_or_not() {
    let one = |number: u8| note("one", number);
    let line = |number: u8| format!("{{\"result\":{{\"text\":\"one\",\"number\":{number}}}}}\n");
    let end = "{\"status\":{\"code\":0}}\n".to_owned();
    let error = |body: &str| format!("{{\"error\":{body}}}\n");
    let zeros = vec![0; 1 << 20];
    for (case, encoding, frames, told) in [
        (
            "gzip",
            "gzip",
            vec![frame_of(1, &gzip(&one(1))), frame_of(0, &one(2)), frame_of(1, &gzip(&one(3)))],
            [line(1), line(2), line(3), end.clone()].concat(),
        ),
        ("zstd", "zstd", vec![frame_of(0, &one(1)), frame_of(1, &zstd(&one(2)))], [line(1), line(2), end].concat()),
        ("a bomb", "gzip", vec![frame_of(0, &one(1)), frame_of(1, &gzip(&zeros))], line(1) + &error(LARGE)),
        ("a bomb", "zstd", vec![frame_of(0, &one(1)), frame_of(1, &zstd(&zeros))], line(1) + &error(LARGE)),
        ("not known", "br", vec![frame_of(0, &one(1)), frame_of(1, &one(2))], line(1) + &error(UNREADABLE)),
        ("damaged", "zstd", vec![frame_of(0, &one(1)), frame_of(1, &one(2))], line(1) + &error(UNREADABLE)),
    ] {
        let data = frames.concat();
        let bank = RawBank::start(move |_, _| Reply::encoded(encoding, data.clone()));
        let upstream = format!("upstream: {{address: \"http://{}\", reply_limit: 64KiB}}\n", bank.address);
        let overrides = Overrides { listen: Some("127.0.0.1:0".to_owned()), ..Overrides::default() };
        let gateway = Gateway::with(&format!("{upstream}schema: talk.proto\n"), &overrides, Ok(talk::schema()), None);
        let streamed = talk::send(&gateway, "GET", "/notes/t", &[], None);
        let body = http::without_reasons(&streamed.answer.body);
        assert_eq!((body, streamed.is_whole), (told, true), "{encoding}: {case}");
    }
}

#[test]
fn the_backend_is_offered_compression_only_when_configured() {
    let (told, asked) = channel();
    let backend = Backend::start(
        health(move |request| {
            let accepted =
                request.metadata().get("grpc-accept-encoding").map(|value| value.to_str().unwrap().to_owned());
            told.send(accepted).unwrap();
            async { Ok(Response::new(HealthCheckResponse { status: 1 })) }
        }),
        None,
    );
    for (more, accepted) in
        [("", None), (", compression: false", None), (", compression: true", Some("gzip, zstd".to_owned()))]
    {
        let upstream = format!("upstream: {{address: \"http://{}\"{more}}}\n", backend.address);
        let gateway = Gateway::start(&format!("schema: proto\nstatus_headers: {{}}\n{upstream}"), None);
        assert_reply(&http::get(gateway.address, "/health-check?bank_id=iron"), r#"{"status":"SERVING"}"#, more);
        assert_eq!(asked.recv().unwrap(), accepted, "{more}");
    }
}
