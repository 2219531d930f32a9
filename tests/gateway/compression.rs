//! gzip, both ways: replies for callers that take it, and bodies of callers that send it.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use towbar::cli::demo::bank::SampleBank;

use crate::support::{Stage, assert_refused, http, replaced};

/// The sample bank, with these keys of `requests` and what else the configuration has.
fn sample(requests: &str, more: &str) -> Stage {
    Stage::altered(SampleBank::new().routes().into_axum_router(), |config| {
        replaced(config, "requests:\n", &format!("requests:\n{requests}")) + more
    })
}

const ON: &str = "replies:\n  compression: true\n";

/// An answer whose body may be no text.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn text(&self) -> String {
        match self.header("content-encoding") {
            None => String::from_utf8(self.body.clone()).unwrap(),
            Some(coding) => {
                assert_eq!(coding, "gzip");
                let mut text = String::new();
                GzDecoder::new(&self.body[..]).read_to_string(&mut text).unwrap();
                text
            }
        }
    }
}

fn get(stage: &Stage, method: &str, target: &str, accept: &[&str]) -> Answer {
    let mut stream = http::connect(stage.address());
    let mut headers: Vec<_> = accept.iter().map(|value| ("Accept-Encoding", *value)).collect();
    headers.push(("Connection", "close"));
    http::write(&mut stream, method, target, &headers, None);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: bytes[end + 4..].to_vec() }
}

/// Stores a value whose JSON has this many bytes.
fn store(stage: &Stage, key: &str, json_bytes: usize) -> String {
    let json = format!(r#"{{"value":"{}"}}"#, "AAEC".repeat((json_bytes - r#"{"value":""}"#.len()) / 4));
    assert_eq!(json.len(), json_bytes);
    assert_eq!(stage.send_json("PUT", &format!("/storage/{key}"), &json).status, 200);
    json
}

#[test]
fn replies_are_compressed_for_callers_that_accept_gzip() {
    let stage = sample("", ON);
    let (small, large) = (store(&stage, "small", 1020), store(&stage, "large", 1024));
    let huge = store(&stage, "huge", 400_000);
    for (key, accept, is_gzip) in [
        ("large", &["gzip"][..], true),
        ("large", &["br;q=1.0, gzip;q=0.8, *;q=0.1"], true),
        ("large", &["br", "x-gzip"], true),
        ("large", &["*"], true),
        ("huge", &["gzip"], true),
        ("large", &[], false),
        ("large", &["identity"], false),
        ("large", &["br"], false),
        ("large", &["gzip;q=0"], false),
        ("large", &["identity, gzip;q=0.5"], false),
        ("small", &["gzip"], false),
        // Who refuses it as it is gets it as gzip, however small; who refuses both gets it all the same.
        ("small", &["gzip, identity;q=0"], true),
        ("small", &["*;q=0"], false),
    ] {
        let input = format!("{key} {accept:?}");
        let json = match key {
            "small" => &small,
            "large" => &large,
            _ => &huge,
        };
        let answer = get(&stage, "GET", &format!("/storage/{key}"), accept);
        assert_eq!((answer.status, &answer.text()), (200, json), "{input}");
        assert_eq!(answer.header("content-encoding"), Some("gzip").filter(|_| is_gzip), "{input}");
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()), "{input}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{input}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{input}");
        let head = get(&stage, "HEAD", &format!("/storage/{key}"), accept);
        assert_eq!(head.body, b"", "{input}");
        for name in ["content-encoding", "content-length", "vary"] {
            assert_eq!(head.header(name), answer.header(name), "{input}: {name}");
        }
    }
}

#[test]
fn errors_are_not_compressed_and_nothing_is_when_compression_is_off() {
    let stage = sample("", "");
    let large = store(&stage, "large", 1024);
    let answer = get(&stage, "GET", "/storage/large", &["gzip"]);
    assert_eq!((answer.text(), answer.header("content-encoding"), answer.header("vary")), (large, None, None), "off");

    let stage = sample("", ON);
    // A success would be, however short, for a caller that takes nothing else.
    let answer = get(&stage, "GET", "/health-check?bank_id=iron&colour=1", &["gzip, identity;q=0"]);
    assert_eq!((answer.status, answer.header("content-encoding"), answer.header("vary")), (400, None, None), "a 400");
}

#[test]
fn an_rpc_can_override_the_compression_setting() {
    let get_value = |compression: &str| {
        let storage = "rpcs:\n  io.token.proto.bankapi.StorageService.GetValue:\n    compression: ";
        let rpc = format!("{storage}{compression}\n");
        move |config: String| replaced(config, "rpcs:\n", &rpc)
    };
    for (all, own, is_gzip) in [("", "true", true), (ON, "false", false)] {
        let stage =
            Stage::altered(SampleBank::new().routes().into_axum_router(), |config| get_value(own)(config) + all);
        let large = store(&stage, "large", 1024);
        let answer = get(&stage, "GET", "/storage/large", &["gzip"]);
        assert_eq!((answer.text(), answer.header("content-encoding").is_some()), (large, is_gzip), "{own}");
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn refusal(code: i64, message: &str) -> String {
    serde_json::json!({ "code": code, "message": message }).to_string()
}

fn put(stage: &Stage, coding: &str, body: &[u8]) -> http::Answer {
    let headers = [("Content-Type", "application/json"), ("Content-Encoding", coding)];
    stage.send("PUT", "/storage/k", &headers, Some(body))
}

#[test]
fn gzip_request_bodies_are_accepted_only_when_enabled() {
    let json = br#"{"value":"AAEC"}"#;
    let stage = sample("  gzip: true\n", "");
    for coding in ["gzip", "GZIP", "x-gzip"] {
        assert_eq!(put(&stage, coding, &gzip(json)).status, 200, "{coding}");
        assert_eq!(stage.get("/storage/k").body, r#"{"value":"AAEC"}"#);
        assert_eq!(stage.send("DELETE", "/storage/k", &[], None).status, 200);
    }
    assert_eq!(put(&stage, "identity", json).status, 200);
    let message = "header content-encoding: only gzip is supported; send the body with gzip, or not compressed";
    for coding in ["br", "deflate", "gzip, gzip", ""] {
        let answer = put(&stage, coding, &gzip(json));
        assert_refused(&answer, 415, &refusal(3, message), coding);
        assert_eq!(answer.header("accept-encoding"), Some("gzip"), "{coding}");
    }
    let off = put(&sample("", ""), "gzip", &gzip(json));
    assert_refused(
        &off,
        415,
        &refusal(3, "header content-encoding: compressed bodies are not accepted here; send the body not compressed"),
        "off",
    );
    assert_eq!(off.header("accept-encoding"), Some("identity"));
}

#[test]
fn a_gzip_compressed_form_is_accepted() {
    let stage = sample("  gzip: true\n", "");
    let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Content-Encoding", "gzip")];
    let answer = stage.send("PUT", "/storage/k", &headers, Some(&gzip(b"value=AAEC")));
    assert_eq!((answer.status, stage.get("/storage/k").body.as_str()), (200, r#"{"value":"AAEC"}"#));
}

#[test]
fn a_body_that_is_not_exactly_one_valid_gzip_member_is_refused() {
    let stage = sample("  gzip: true\n", "");
    let whole = gzip(br#"{"value":"AAEC"}"#);
    let cut = "the gzip body is incomplete";
    let malformed = "the body is not valid gzip (RFC 1952), or its checksum is wrong";
    let trailing = "the body has data after the end of its gzip member";
    let mut damaged = whole.clone();
    damaged[whole.len() - 5] ^= 1;
    for (body, message) in [
        (whole[..whole.len() - 1].to_vec(), cut),
        (whole[..12].to_vec(), cut),
        (damaged, malformed),
        (br#"{"value":"AAEC"} in the clear"#.to_vec(), malformed),
        ([&whole[..], &whole].concat(), trailing),
        ([&whole[..], b"\n"].concat(), trailing),
    ] {
        assert_refused(&put(&stage, "gzip", &body), 400, &refusal(3, message), &format!("{body:?}"));
    }
    assert_eq!(stage.get("/storage/k").status, 404, "what was refused has not reached the bank");
}

#[test]
fn a_gzip_body_over_the_size_or_ratio_limit_is_refused() {
    let padded = |length: usize| format!(r#"{{"value":"AAEC"{}}}"#, " ".repeat(length - 16));
    let size = |limit: usize| format!("the decompressed body is larger than the limit of {limit} bytes");
    let ratio = |ratio: usize| format!("the gzip body expands to more than {ratio} times its size, the limit");
    for (requests, length, refused) in [
        ("  body_limit: 2KiB\n", 2048, None),
        ("  body_limit: 2KiB\n", 2049, Some(size(2048))),
        // Spaces become a thousandth: more than is taken, but for the first 64 KiB.
        ("", 64 << 10, None),
        ("", (64 << 10) + 1, Some(ratio(100))),
        ("", 1 << 20, Some(ratio(100))),
        ("", (1 << 20) + 1, Some(ratio(100))),
        ("  gzip_ratio: 2000\n", 1 << 20, None),
        ("  gzip_ratio: 2000\n", (1 << 20) + 1, Some(size(1 << 20))),
        ("  gzip_ratio: 2000\n", 16 << 20, Some(size(1 << 20))),
    ] {
        let stage = sample(&format!("  gzip: true\n{requests}"), "");
        let answer = put(&stage, "gzip", &gzip(padded(length).as_bytes()));
        let input = format!("{requests}{length}");
        match refused {
            Some(message) => assert_refused(&answer, 413, &refusal(8, &message), &input),
            None => assert_eq!(answer.status, 200, "{input}: {}", answer.body),
        }
    }
}
