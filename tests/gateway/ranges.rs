//! A part of a reply that is bytes as they are: `Range` and `If-Range`, of RFC 9110, section 14.

use std::fs;
use std::process::Command;

use crate::support;
use crate::support::http::Answer;
use crate::support::process::Process;
use crate::support::programs::{Package, installed};
use crate::support::talk::{backend, gateway_of, schema_of};
use crate::support::{Backend, Gateway, http};
use towbar::format::wire::{LENGTH, put_bytes, put_tag};

const PROTO: &str = r#"
syntax = "proto3";
package t;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
message Id { string id = 1; }
message Page { string id = 1; google.api.HttpBody content = 2; }
service Files {
  rpc Read(Id) returns (google.api.HttpBody) { option (google.api.http) = { get: "/files/{id}" }; }
  rpc Part(Id) returns (Page) { option (google.api.http) = { get: "/parts/{id}" response_body: "content" }; }
  rpc Made(Id) returns (google.api.HttpBody) { option (google.api.http) = { post: "/files/{id}" }; }
  rpc Show(Id) returns (Id) { option (google.api.http) = { get: "/shown/{id}" }; }
  rpc Load(Id) returns (stream google.api.HttpBody) { option (google.api.http) = { get: "/loads/{id}" }; }
}
"#;

const METADATA: &str = "metadata:\n  reply: [etag, last-modified, cache-control, content-digest, accept-ranges, content-range]\n  \
                        http_status: x-http-code\n";

const BYTES: &[u8; 10] = b"0123456789";

/// A field of bytes.
fn field(number: u32, value: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    put_tag(&mut wire, number, LENGTH);
    put_bytes(&mut wire, value);
    wire
}

/// A backend with files; their names say what they are.
fn files() -> Backend {
    backend(|rpc, mut requests, replies| async move {
        let id = requests.next().await.unwrap();
        let id = String::from_utf8(id.get(2..).unwrap_or_default().to_vec()).unwrap();
        let data = match id.as_str() {
            "empty" => Vec::new(),
            "large" => BYTES.repeat(300),
            _ => BYTES.to_vec(),
        };
        let body = [field(1, b"text/plain"), field(2, &data)].concat();
        let message = match rpc.as_str() {
            "Part" => field(2, &body),
            "Show" => field(1, &data),
            _ => body,
        };
        replies.send(&message).await;
        let metadata: &[_] = match id.as_str() {
            "weak" => &[("etag", "W/\"7\"")],
            "bare" => &[],
            "created" => &[("x-http-code", "201")],
            "never" => &[("accept-ranges", "none")],
            "part" => &[("x-http-code", "206"), ("content-range", "bytes 90-99/100")],
            _ => &[
                ("etag", "\"7\""),
                ("last-modified", "Sat, 01 Jan 2050 00:00:00 GMT"),
                ("cache-control", "private"),
                ("content-digest", "sha-256=:AAAA:"),
            ],
        };
        replies.end_with("0", "", metadata).await;
    })
}

fn gateway(backend: &Backend, config: &str) -> Gateway {
    gateway_of(schema_of(PROTO), backend, config)
}

/// Status, `Content-Range`, `Accept-Ranges` and body.
fn told(answer: &Answer) -> (u16, Option<&str>, Option<&str>, &str) {
    (answer.status, answer.header("content-range"), answer.header("accept-ranges"), &answer.body)
}

const WHOLE: (u16, Option<&str>, Option<&str>, &str) = (200, None, Some("bytes"), "0123456789");

fn part(range: &'static str, body: &'static str) -> (u16, Option<&'static str>, Option<&'static str>, &'static str) {
    (206, Some(range), Some("bytes"), body)
}

#[test]
fn a_single_byte_range_is_answered_with_206_and_that_part() {
    let backend = files();
    let gateway = gateway(&backend, METADATA);
    for (range, expected) in [
        ("bytes=0-3", part("bytes 0-3/10", "0123")),
        ("bytes=3-3", part("bytes 3-3/10", "3")),
        ("bytes=4-", part("bytes 4-9/10", "456789")),
        ("bytes=0-", part("bytes 0-9/10", "0123456789")),
        ("bytes=8-100", part("bytes 8-9/10", "89")),
        ("bytes=8-99999999999999999999999999", part("bytes 8-9/10", "89")),
        ("bytes=-3", part("bytes 7-9/10", "789")),
        ("bytes=-99999999999999999999999999", part("bytes 0-9/10", "0123456789")),
        ("Bytes=0-0", part("bytes 0-0/10", "0")),
        // Passed over: several, other units, and what is no range.
        ("bytes=0-1,4-5", WHOLE),
        ("bytes=0-,0-,0-,0-,0-,0-", WHOLE),
        ("bytes=3-2", WHOLE),
        ("bytes=x-", WHOLE),
        ("bytes=", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes= 0-3", WHOLE),
        ("lines=0-3", WHOLE),
        ("", WHOLE),
    ] {
        for path in ["/files/a", "/parts/a"] {
            let answer = http::send(gateway.address, "GET", path, &[("Range", range)], None);
            assert_eq!(told(&answer), expected, "{path} {range}");
            let (etag, cache) = (answer.header("etag"), answer.header("cache-control"));
            assert_eq!((etag, cache), (Some("\"7\""), Some("private")), "{range}");
            assert_eq!(answer.header("content-type"), Some("text/plain"), "{range}");
            // The backend has counted all bytes, and of those that are sent this would be wrong.
            let digest = Some("sha-256=:AAAA:").filter(|_| expected == WHOLE);
            assert_eq!(answer.header("content-digest"), digest, "{range}");
        }
    }
    let twice = [("Range", "bytes=0-3"), ("Range", "bytes=0-3")];
    assert_eq!(told(&http::send(gateway.address, "GET", "/files/a", &twice, None)), WHOLE);
    let head = http::send(gateway.address, "HEAD", "/files/a", &[("Range", "bytes=0-3")], None);
    assert_eq!((told(&head), head.header("content-length")), ((200, None, Some("bytes"), ""), Some("10")));
}

#[test]
fn a_range_that_contains_no_bytes_of_the_reply_is_refused_with_416() {
    let backend = files();
    let message = "header range: none of the requested bytes exist; the reply has 10 bytes";
    let reason = r#""details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RANGE_NOT_SATISFIABLE","domain":"towbar"}]"#;
    let status = format!(r#"{{"code":11,"message":"{message}",{reason}}}"#);
    let problem = format!(
        r#"{{"type":"about:blank","title":"Range Not Satisfiable","status":416,"detail":"{message}","code":"OUT_OF_RANGE",{reason}}}"#
    );
    let uk = format!(
        r#"{{"Code":"416 RangeNotSatisfiable","Message":"{message}","Errors":[{{"ErrorCode":"UK.OBIE.Header.Invalid","Message":"{message}"}}]}}"#
    );
    for (form, body) in [("status", status), ("problem", problem), ("open_banking_uk", uk)] {
        let gateway = gateway(&backend, &format!("{METADATA}errors: {form}\n"));
        for range in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999999-"] {
            let answer = http::send(gateway.address, "GET", "/files/a", &[("Range", range)], None);
            assert_eq!(told(&answer), (416, Some("bytes */10"), None, body.as_str()), "{form} {range}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{form} {range}");
        }
    }
    let gateway = gateway(&backend, METADATA);
    for (range, expected) in [
        ("bytes=0-", (416, Some("bytes */0"))),
        ("bytes=-0", (416, Some("bytes */0"))),
        // Section 14.1.2: as many as there are. No `Content-Range` says that there are none.
        ("bytes=-5", (200, None)),
        ("bytes=1-0", (200, None)),
    ] {
        let answer = http::send(gateway.address, "GET", "/files/empty", &[("Range", range)], None);
        assert_eq!((answer.status, answer.header("content-range")), expected, "{range}");
    }
}

#[test]
fn a_range_whose_if_range_does_not_match_gets_the_whole_reply() {
    let backend = files();
    let gateway = gateway(&backend, METADATA);
    let part = part("bytes 4-9/10", "456789");
    for (path, headers, expected) in [
        ("/files/a", &[("If-Range", "\"7\"")][..], part),
        ("/files/a", &[("If-Range", "\"6\"")], WHOLE),
        ("/files/a", &[("If-Range", "W/\"7\"")], WHOLE),
        ("/files/a", &[("If-Range", "7")], WHOLE),
        ("/files/a", &[("If-Range", "*")], WHOLE),
        ("/files/a", &[("If-Range", "\"7\""), ("If-Range", "\"7\"")], WHOLE),
        ("/files/weak", &[("If-Range", "W/\"7\"")], WHOLE),
        ("/files/weak", &[("If-Range", "\"7\"")], WHOLE),
        ("/files/bare", &[("If-Range", "\"7\"")], WHOLE),
        ("/files/bare", &[], part),
        // Whether a date is strong, the backend alone knows.
        ("/files/a", &[("If-Range", "Sat, 01 Jan 2050 00:00:00 GMT")], WHOLE),
        // Section 13.2.2: that comes first.
        ("/files/a", &[("If-None-Match", "\"7\"")], (304, None, None, "")),
        ("/files/a", &[("If-None-Match", "\"7\""), ("If-Range", "\"6\"")], (304, None, None, "")),
        ("/files/a", &[("If-None-Match", "\"6\""), ("If-Range", "\"7\"")], part),
    ] {
        let headers = [headers, &[("Range", "bytes=4-")]].concat();
        assert_eq!(told(&http::send(gateway.address, "GET", path, &headers, None)), expected, "{path} {headers:?}");
    }
    // Another file by now is sent whole, however short it has become.
    let headers = [("If-Range", "\"6\""), ("Range", "bytes=10-")];
    assert_eq!(told(&http::send(gateway.address, "GET", "/files/a", &headers, None)), WHOLE);
    // A tag that callers do not see is none.
    let closed = self::gateway(&backend, "");
    let headers = [("If-Range", "\"7\""), ("Range", "bytes=4-")];
    assert_eq!(told(&http::send(closed.address, "GET", "/files/a", &headers, None)), WHOLE);
}

#[test]
fn ranges_are_ignored_except_for_complete_http_body_answers_to_get() {
    let backend = files();
    let gateway = gateway(&backend, METADATA);
    for (method, path, expected) in [
        ("POST", "/files/a", (200, None, None, "0123456789")),
        ("GET", "/shown/a", (200, None, None, r#"{"id":"0123456789"}"#)),
        // What the backend says of parts, and of the answer as a whole, goes before.
        ("GET", "/files/never", (200, None, Some("none"), "0123456789")),
        ("GET", "/files/created", (201, None, None, "0123456789")),
        ("GET", "/files/part", (206, Some("bytes 90-99/100"), None, "0123456789")),
    ] {
        let answer = http::send(gateway.address, method, path, &[("Range", "bytes=0-3")], None);
        assert_eq!(told(&answer), expected, "{method} {path}");
    }
    let mut stream = support::talk::start(&gateway, "GET", "/loads/a", &[("Range", "bytes=0-3")], None);
    assert_eq!(stream.bytes(), (BYTES.to_vec(), true));
    assert_eq!(told(&stream.answer), (200, None, None, ""));
}

#[test]
fn ranges_are_never_compressed_and_compressed_answers_offer_no_ranges() {
    let backend = files();
    let gateway = gateway(&backend, &format!("{METADATA}replies: {{compression: true}}\n"));
    let gzip = ("Accept-Encoding", "gzip");
    let (range, none) = (("Range", "bytes=1-2000"), ("Range", "bytes=3000-"));
    for (headers, status, encoding, ranges, etag) in [
        (&[][..], 200, None, Some("bytes"), Some("\"7\"")),
        (&[gzip], 200, Some("gzip"), None, Some("W/\"7\"")),
        (&[range], 206, None, Some("bytes"), Some("\"7\"")),
        (&[range, gzip], 206, None, Some("bytes"), Some("\"7\"")),
        (&[range, gzip, ("If-Range", "\"7\"")], 206, None, Some("bytes"), Some("\"7\"")),
        // The tag of what was compressed.
        (&[range, gzip, ("If-Range", "W/\"7\"")], 200, Some("gzip"), None, Some("W/\"7\"")),
        // Who takes nothing but gzip gets that, and therefore all of it.
        (&[range, ("Accept-Encoding", "gzip, identity;q=0")], 200, Some("gzip"), None, Some("W/\"7\"")),
        (&[none, gzip], 416, None, None, None),
    ] {
        let mut stream = http::connect(gateway.address);
        http::write(&mut stream, "GET", "/files/large", headers, None);
        let head = http::head(&mut stream);
        let found = (head.status, head.header("content-encoding"), head.header("accept-ranges"), head.header("etag"));
        assert_eq!(found, (status, encoding, ranges, etag), "{headers:?}");
        let length = head.header("content-length").unwrap();
        assert_eq!(length == "2000", status == 206, "{headers:?}");
        assert_eq!(head.header("vary"), Some("accept-encoding").filter(|_| status != 416), "{headers:?}");
    }
}

/// A client of the world resumes a download that broke off.
#[test]
fn curl_resumes_an_interrupted_download() {
    let Some(curl) = installed("curl", Package::Debian("curl")) else { return };
    let (backend, folder) = (files(), tempfile::tempdir().unwrap());
    let gateway = gateway(&backend, METADATA);
    let file = folder.path().join("file");
    let run = |arguments: &[&str]| {
        let url = format!("http://{}/files/large", gateway.address);
        let mut command = Command::new(&curl);
        command.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "20", "--output"]);
        command.arg(&file).args(["--write-out", "%{http_code} %{size_download}\n"]).args(arguments).arg(url);
        let ended = Process::start(&mut command).wait();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        ended.stdout
    };
    let whole = BYTES.repeat(300);
    fs::write(&file, &whole[..1234]).unwrap();
    assert_eq!(run(&["--continue-at", "-"]), "206 1766\n");
    assert!(fs::read(&file).unwrap() == whole);
    // With `--compressed` curl counts the bytes that it has written, not those that came.
    fs::write(&file, &whole[..1234]).unwrap();
    assert_eq!(run(&["--continue-at", "-", "--compressed"]), "206 1766\n");
    assert!(fs::read(&file).unwrap() == whole);
    assert_eq!(run(&["--range", "-7"]), "206 7\n");
    assert!(fs::read(&file).unwrap() == b"3456789");
}
