//! Calls whose request is a stream: lines, arrays and uploads, sent to the backend as they come.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use towbar::bank::certificates::Authority;
use towbar::config::Overrides;

use support::talk::{Reader, Streamed, backend, collecting, gateway, note, schema, send};
use support::{Backend, Gateway, http};

const LINES: (&str, &str) = ("Content-Type", "application/x-ndjson");
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A note with the topic that the path gives it.
fn on_t(text: &str, number: u8) -> Vec<u8> {
    [note(text, number).as_slice(), b"\x0a\x01t"].concat()
}

#[test]
fn lines_and_arrays_are_messages() {
    let (backend, seen) = collecting(|count| note("got", count as u8));
    let gateway = gateway(&backend, "");
    let two = vec![on_t("one", 1), on_t("two", 2)];
    let none = Vec::<Vec<u8>>::new();
    for (headers, body, messages) in [
        (&[LINES][..], &b"{\"text\":\"one\",\"number\":1}\n{\"text\":\"two\",\"number\":2}\n"[..], &two),
        (&[LINES], b"\n{\"text\":\"one\",\"number\":1}\r\n\r\n{\"text\":\"two\",\"number\":2}", &two),
        (
            &[("Content-Type", "application/jsonl")],
            b"{\"text\":\"one\",\"number\":1}\n{\"text\":\"two\",\"number\":2}",
            &two,
        ),
        (&[JSON], b"[{\"text\":\"one\",\"number\":1},{\"text\":\"two\",\"number\":2}]", &two),
        (&[JSON], b" [ {\"text\":\"one\",\n\"number\":1,\"topic\":\"t\"} , {\"text\":\"two\",\"number\":2} ] \n", &two),
        (&[("Content-Type", "application/vnd.bank+json")], b"[]", &none),
        (&[LINES], b"", &none),
        (&[], b"", &none),
    ] {
        let Streamed { answer, .. } = send(&gateway, "POST", "/notes/t", headers, Some(body));
        let expected = match messages.len() {
            0 => r#"{"text":"got"}"#.to_owned(),
            count => format!(r#"{{"text":"got","number":{count}}}"#),
        };
        assert_eq!((answer.status, answer.body), (200, expected), "{headers:?}");
        let got: Vec<Vec<u8>> = seen.lock().unwrap().clone();
        assert_eq!(got, *messages, "{headers:?} {}", String::from_utf8_lossy(body));
    }
    // A body that is the value of one field.
    let Streamed { answer, .. } = send(&gateway, "POST", "/texts/t", &[JSON], Some(b"[\"one\", \"two\"]"));
    assert_eq!(answer.body, r#"{"text":"got","number":2}"#);
    assert_eq!(*seen.lock().unwrap(), [b"\x0a\x01t\x12\x03one".to_vec(), b"\x0a\x01t\x12\x03two".to_vec()]);
}

#[test]
fn a_wrong_message_is_told_with_its_number_and_ends_the_call() {
    let (backend, _) = collecting(|count| note("got", count as u8));
    let gateway = gateway(&backend, "requests: {body_limit: 64}");
    let unknown = "; the call was given up after the messages before it, and its outcome is unknown";
    for (headers, body, message) in [
        (JSON, "{}".to_owned(), "in message 1: expected an array, found `{`".to_owned()),
        (
            LINES,
            "{\"text\":1}".to_owned(),
            "in message 1: at text: expected a string, found 1 (line 1, column 9)".to_owned(),
        ),
        (
            LINES,
            "{}\n{\"number\":\"x\"}".to_owned(),
            format!("in message 2: at number: expected an int32, found \"x\" (line 1, column 11){unknown}"),
        ),
        (
            JSON,
            "[{},{},{\"topic\":\"other\"}]".to_owned(),
            format!("in message 3: at topic: the path and the body give it different values{unknown}"),
        ),
        (
            JSON,
            "[{},]".to_owned(),
            format!("in message 2: expected another element behind the comma, found `]`{unknown}"),
        ),
        (JSON, "[{}".to_owned(), "in message 1: expected `]`, found the end of the body".to_owned()),
        (
            LINES,
            format!("{{\"text\":\"{}\"}}", "x".repeat(80)),
            "in message 1: expected messages of at most 64 bytes, found a larger one".to_owned(),
        ),
        (
            LINES,
            "{\"nope\":1}".to_owned(),
            "in message 1: at nope: `talk.Note` has no such field (line 1, column 9)".to_owned(),
        ),
    ] {
        let Streamed { answer, .. } = send(&gateway, "POST", "/notes/t", &[headers], Some(body.as_bytes()));
        assert_eq!((answer.status, answer.refusal().1), (400, message), "{body}");
    }
    for (headers, message) in [
        (
            &[("Content-Type", "text/plain")][..],
            "expected Content-Type application/x-ndjson, or application/json with an array, found `text/plain`",
        ),
        (&[], "expected Content-Type application/x-ndjson, or application/json with an array, found none"),
    ] {
        let Streamed { answer, .. } = send(&gateway, "POST", "/notes/t", headers, Some(b"{}"));
        assert_eq!((answer.status, answer.refusal().1.as_str()), (415, message));
    }
    for (content_type, found) in
        [("application/x-ndjson; charset=utf-16", "`utf-16`"), ("application/json; charset=utf-8; charset=x", "two")]
    {
        let answer = send(&gateway, "POST", "/notes/t", &[("Content-Type", content_type)], Some(b"[]")).answer;
        let message = format!("expected Content-Type with charset=utf-8, or without charset, found {found}");
        assert_eq!((answer.status, answer.refusal().1), (415, message));
    }
    let query = send(&gateway, "POST", "/notes/t?nope=1", &[LINES], Some(b"{}")).answer;
    assert_eq!((query.status, query.refusal().1.as_str()), (400, "at nope: there is no such query key, in the query"));
}

/// Writes a request head for a body in chunks.
fn begin(gateway: &Gateway, target: &str, content_type: &str) -> TcpStream {
    let mut stream = http::connect(gateway.address);
    let headers = [("Content-Type", content_type), ("Transfer-Encoding", "chunked")];
    http::write(&mut stream, "POST", target, &headers, None);
    stream
}

fn chunk(stream: &mut TcpStream, data: &[u8]) {
    let head = format!("{:x}\r\n", data.len());
    stream.write_all(&[head.as_bytes(), data, b"\r\n"].concat()).unwrap();
}

#[test]
fn messages_are_sent_as_they_come() {
    let (came, coming) = std::sync::mpsc::channel();
    let came = Arc::new(Mutex::new(came));
    let backend = backend(move |_, mut requests, replies| {
        let came = came.clone();
        async move {
            while let Some(message) = requests.next().await {
                came.lock().unwrap().send(message).unwrap();
            }
            replies.send(&note("all", 0)).await;
            replies.end("0", "").await;
        }
    });
    let gateway = gateway(&backend, "");
    let mut stream = begin(&gateway, "/notes/t", "application/x-ndjson");
    for text in ["one", "two", "six"] {
        // A line that comes in three pieces.
        chunk(&mut stream, b"{\"text\":");
        chunk(&mut stream, format!("\"{text}\",\"number\":1}}").as_bytes());
        chunk(&mut stream, b"\n");
        assert_eq!(coming.recv_timeout(Duration::from_secs(20)).unwrap(), on_t(text, 1));
    }
    chunk(&mut stream, b"");
    assert_eq!(Reader::new(stream).whole().answer.body, "{\"text\":\"all\"}");
}

#[test]
fn a_backend_that_has_seen_enough_is_heard_at_once() {
    let backend = backend(|_, mut requests, replies| async move {
        requests.next().await;
        replies.end("9", "the account is closed").await;
    });
    let gateway = gateway(&backend, "");
    let mut stream = begin(&gateway, "/notes/t", "application/x-ndjson");
    chunk(&mut stream, b"{}\n");
    // The request is not over, and never will be.
    let answer = Reader::new(stream).whole().answer;
    assert_eq!((answer.status, answer.refusal()), (400, (9, "the account is closed".to_owned())));
}

#[test]
fn a_call_that_ends_with_one_message_ends_with_exactly_one() {
    for (count, expected) in [
        (0, Err("the backend's answer cannot be read; the outcome of the call is unknown")),
        (1, Ok("{\"text\":\"one\",\"number\":1}")),
        (2, Err("the backend's answer cannot be read; the outcome of the call is unknown")),
    ] {
        let backend = backend(move |_, mut requests, replies| async move {
            requests.all().await;
            for _ in 0..count {
                replies.send(&note("one", 1)).await;
            }
            replies.end("0", "").await;
        });
        let gateway = gateway(&backend, "");
        let Streamed { answer, .. } = send(&gateway, "POST", "/notes/t", &[LINES], Some(b"{}"));
        match expected {
            Ok(body) => assert_eq!((answer.status, answer.body.as_str()), (200, body)),
            Err(message) => assert_eq!((answer.status, answer.refusal().1.as_str()), (502, message)),
        }
    }
    let failing = backend(|_, mut requests, replies| async move {
        requests.all().await;
        replies.send(&note("one", 1)).await;
        replies.end("13", "on second thoughts").await;
    });
    let gateway = gateway(&failing, "");
    let Streamed { answer, .. } = send(&gateway, "POST", "/notes/t", &[LINES], Some(b"{}"));
    assert_eq!((answer.status, answer.refusal().1.as_str()), (500, "on second thoughts"));
}

/// A backend that answers each message as it comes.
fn echoing() -> Backend {
    backend(|_, mut requests, replies| async move {
        while let Some(message) = requests.next().await {
            replies.send(&message).await;
        }
        replies.end("0", "").await;
    })
}

#[test]
fn over_http_1_both_ways_come_one_after_the_other() {
    let backend = echoing();
    let gateway = gateway(&backend, "");
    let body = b"{\"number\":1}\n{\"number\":2}\n";
    let Streamed { answer, is_whole } = send(&gateway, "POST", "/chat", &[LINES], Some(body));
    let lines = "{\"result\":{\"number\":1}}\n{\"result\":{\"number\":2}}\n{\"status\":{\"code\":0}}\n";
    assert_eq!((answer.body.as_str(), is_whole), (lines, true));
    // Whoever has not sent all is not answered yet.
    let mut stream = begin(&gateway, "/chat", "application/x-ndjson");
    chunk(&mut stream, b"{\"number\":1}\n");
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(std::io::Read::read(&mut stream, &mut [0]).is_err(), "half duplex");
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    chunk(&mut stream, b"{\"number\":2}\n");
    chunk(&mut stream, b"");
    assert_eq!(Reader::new(stream).whole().answer.body, lines);
    // So a message that is wrong is an ordinary answer.
    let wrong = send(&gateway, "POST", "/chat", &[LINES], Some(b"{\"number\":1}\n{\"number\":true}\n")).answer;
    assert_eq!(wrong.status, 400);
}

/// A connection of HTTP/2 to a gateway with TLS in front of the backend.
struct Http2 {
    _gateway: Gateway,
    runtime: tokio::runtime::Runtime,
    send: h2::client::SendRequest<Bytes>,
}

impl Http2 {
    fn to(backend: &Backend) -> Self {
        let authority = Authority::new("callers").unwrap();
        let own = authority.issue("gateway.test").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, own.certificate_pem()).unwrap();
        std::fs::write(&key, own.key_pem()).unwrap();
        let config = format!(
            "listen: {{address: \"127.0.0.1:0\", tls: {{cert: {}, key: {}}}}}\nupstream: http://{}\nschema: talk.proto",
            cert.display(),
            key.display(),
            backend.address
        );
        let gateway = Gateway::with(&config, &Overrides::default(), Ok(schema()), None);
        let servers = towbar::tls::Servers::Trusted(authority.trust().unwrap());
        let tls: Arc<ClientConfig> = towbar::tls::client(None, &servers, &[b"h2"]).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let address = gateway.address;
        let send = runtime.block_on(async {
            let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("gateway.test").unwrap();
            let stream = tokio_rustls::TlsConnector::from(tls).connect(name, tcp).await.unwrap();
            let (send, connection) = h2::client::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            send
        });
        Self { _gateway: gateway, runtime, send }
    }
}

#[test]
fn over_http_2_both_ways_are_open_at_once() {
    let backend = echoing();
    let Http2 { _gateway, runtime, send } = Http2::to(&backend);
    runtime.block_on(async {
        let mut send = send.ready().await.unwrap();
        let request = ::http::Request::post("https://gateway.test/chat").header("content-type", "application/x-ndjson");
        let (response, mut body) = send.send_request(request.body(()).unwrap(), false).unwrap();
        body.send_data(Bytes::from_static(b"{\"number\":1}\n"), false).unwrap();
        let mut answer = response.await.unwrap();
        assert_eq!(answer.status(), 200);
        for number in 1..=20 {
            let line = answer.body_mut().data().await.unwrap().unwrap();
            let _ = answer.body_mut().flow_control().release_capacity(line.len());
            assert_eq!(line, format!("{{\"result\":{{\"number\":{number}}}}}\n"));
            let next = number + 1;
            body.send_data(format!("{{\"number\":{next}}}\n").into(), false).unwrap();
        }
        answer.body_mut().data().await.unwrap().unwrap();
        // A wrong message ends the stream, and the answer says so.
        body.send_data(Bytes::from_static(b"{\"number\":\"many\"}\n"), false).unwrap();
        let error = answer.body_mut().data().await.unwrap().unwrap();
        let error = std::str::from_utf8(&error).unwrap();
        assert!(
            error.starts_with(r#"{"error":{"code":3,"message":"in message 22: at number: expected an int32"#),
            "{error}"
        );
        let end = answer.body_mut().data().await;
        assert!(end.is_none_or(|end| end.unwrap().is_empty()) && answer.body().is_end_stream());
    });
}
