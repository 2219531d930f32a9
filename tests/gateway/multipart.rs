//! Forms in parts over HTTP: files and texts into one message, and where they are no type of a body.

use std::process::Command;

use crate::support::http;
use crate::support::process::Process;
use crate::support::programs::{Package, installed};
use crate::support::talk::{collecting, gateway, got, send};
use towbar::format::wire::{LENGTH, put_bytes, put_tag};

const PARTS: (&str, &str) = ("Content-Type", "multipart/form-data; boundary=b");

fn field(number: u32, value: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    put_tag(&mut wire, number, LENGTH);
    put_bytes(&mut wire, value);
    wire
}

/// A `talk.Piece`; name first, as the path gives it.
fn piece(name: &str, content_type: &str, data: &[u8], digest: &[u8]) -> Vec<u8> {
    let content = [field(1, content_type.as_bytes()), field(2, data)].concat();
    [field(1, name.as_bytes()), field(2, &content), field(4, digest)].concat()
}

/// A form of one file and its digest.
fn form(content_type: &str, data: &[u8], digest: &[u8]) -> Vec<u8> {
    let content = format!(
        "--b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"x\"\r\nContent-Type: {content_type}\r\n\r\n"
    );
    let middle = b"\r\n--b\r\nContent-Disposition: form-data; name=digest\r\n\r\n";
    [content.as_bytes(), data, middle, digest, b"\r\n--b--\r\n"].concat()
}

#[test]
fn a_multipart_form_with_a_file_and_fields_becomes_one_message() {
    let (backend, seen) = collecting(got);
    let gateway = gateway(&backend, "");
    let data: Vec<u8> = (0..200_000_usize).map(|index| (index * 31 + index / 256) as u8).collect();
    let form = form("image/png; q=1", &data, b"\xff\0");
    let answer = http::send(gateway.address, "POST", "/forms/a%2Fb", &[PARTS], Some(&form));
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"text":"got"}"#));
    assert_eq!(*seen.lock().unwrap(), [piece("a/b", "image/png; q=1", &data, b"\xff\0")]);

    // Onto one field, on a call whose replies are a stream.
    let quoted = ("Content-Type", "Multipart/Form-Data;charset=UTF-8;boundary=\"b\"");
    let answer = send(&gateway, "POST", "/letters/n", &[quoted], Some(&form)).answer;
    assert_eq!(answer.body, "{\"result\":{\"text\":\"got\"}}\n{\"status\":{\"code\":0}}\n");
    let inner = &piece("", "image/png; q=1", &data, b"\xff\0")[2..];
    assert_eq!(*seen.lock().unwrap(), [[field(1, b"n"), field(2, inner)].concat()]);

    // A body that is an HttpBody is nobody's form.
    let answer = http::send(gateway.address, "PUT", "/files/n", &[PARTS], Some(b"--b"));
    assert_eq!(answer.status, 200);
    let content = [field(1, PARTS.1.as_bytes()), field(2, b"--b")].concat();
    assert_eq!(*seen.lock().unwrap(), [[field(1, b"n"), field(2, &content)].concat()]);
}

#[test]
fn an_invalid_multipart_form_is_refused() {
    let (backend, seen) = collecting(got);
    let gateway = gateway(&backend, "requests: {query_pairs: 2, body_limit: 400}");
    let part = |name: &str| format!("--b\r\nContent-Disposition: form-data; name={name}\r\n\r\nx\r\n");
    let three = part("etag") + &part("digest") + &part("content") + "--b--";
    let boundary = "expected a `boundary` of 1 to 70 letters, digits and `'()+_,-./:=?`, got none";
    for (target, content_type, body, status, message) in [
        ("/forms/n", "multipart/form-data", "--b--", 400, format!("Content-Type: {boundary}")),
        (
            "/forms/n",
            "multipart/form-data; boundary=b; boundary=c",
            "--b--",
            400,
            "Content-Type: expected each parameter once, got `boundary` twice".to_owned(),
        ),
        (
            "/forms/n",
            PARTS.1,
            &part("etag"),
            400,
            "the form is malformed: part 1: expected the boundary after the part, got the end of the body".to_owned(),
        ),
        ("/forms/n", PARTS.1, &three, 400, "the form is malformed: too many parts: at most 2 are allowed".to_owned()),
        ("/forms/n", PARTS.1, &" ".repeat(401), 413, "the body is larger than the limit of 400 bytes".to_owned()),
        (
            "/texts",
            "multipart/mixed; boundary=b",
            "--b--",
            415,
            "Content-Type multipart/mixed is not supported here; send Content-Type: application/json".to_owned(),
        ),
        (
            "/texts/t",
            PARTS.1,
            "--b--",
            415,
            "Content-Type multipart/form-data is not supported here; send Content-Type: application/json or application/x-ndjson"
                .to_owned(),
        ),
        (
            "/notes/t",
            PARTS.1,
            "--b--",
            415,
            "Content-Type multipart/form-data is not supported here; send Content-Type: application/json or application/x-ndjson"
                .to_owned(),
        ),
    ] {
        let headers = [("Content-Type", content_type)];
        let refused = http::send(gateway.address, "POST", target, &headers, Some(body.as_bytes()));
        assert_eq!((refused.status, refused.refusal().1), (status, message), "{target} {content_type}");
        assert_eq!(*seen.lock().unwrap(), Vec::<Vec<u8>>::new(), "{target} {content_type}");
    }
    let part = part("nope") + "--b--\r\n";
    let refused = http::send(gateway.address, "POST", "/forms/n", &[PARTS], Some(part.as_bytes())).json();
    assert_eq!(refused["message"], "unknown form field \"nope\"");
    let violation = serde_json::json!([{ "field": "nope", "description": "no such field" }]);
    assert_eq!(refused["details"][1]["fieldViolations"], violation);
}

#[test]
fn multipart_forms_are_off_when_forms_are_off() {
    let (backend, _) = collecting(got);
    let gateway = gateway(&backend, "requests: {forms: false}");
    let refused = http::send(gateway.address, "POST", "/forms/n", &[PARTS], Some(b"--b--"));
    let message = "Content-Type multipart/form-data is not supported here; send Content-Type: application/json";
    assert_eq!((refused.status, refused.refusal().1.as_str()), (415, message));
}

#[test]
fn multipart_forms_sent_by_curl_are_read() {
    let Some(curl) = installed("curl", Package::Debian("curl")) else { return };
    let (backend, seen) = collecting(got);
    let gateway = gateway(&backend, "");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a \"b\".png");
    std::fs::write(&file, b"\x89PNG\r\n\x1a\n--\0").unwrap();
    let url = format!("http://{}/forms/n", gateway.address);
    let content = format!("content=@\"{}\"", file.display().to_string().replace('"', "\\\""));
    // Of this length curl asks first whether it may send (`Expect: 100-continue`).
    let digest = format!("digest={}", "x".repeat(1 << 19));
    std::fs::write(folder.path().join("digest"), &digest[7..]).unwrap();
    let large = format!("digest=<{}", folder.path().join("digest").display());
    for (arguments, expected) in [
        (&["--form-string", "etag=a;b\u{e9}"][..], [field(1, b"n"), field(3, "a;b\u{e9}".as_bytes())].concat()),
        (&["-F", &content, "-F", "digest=AQ=="], piece("n", "image/png", b"\x89PNG\r\n\x1a\n--\0", b"AQ==")),
        (
            &["-F", "content=x;type=text/csv;charset=latin1", "-F", "digest=a"],
            piece("n", "text/csv;charset=latin1", b"x", b"a"),
        ),
        (&["-F", &large], [field(1, b"n"), field(4, &[b'x'; 1 << 19])].concat()),
    ] {
        let mut command = Command::new(&curl);
        let ended = Process::start(command.args(["-sS", "--max-time", "30"]).args(arguments).arg(&url)).wait();
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(0), "{\"text\":\"got\"}\n"),
            "{arguments:?} {}",
            ended.stderr
        );
        assert_eq!(*seen.lock().unwrap(), [expected], "{arguments:?}");
    }
}
