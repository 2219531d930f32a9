//! Calls whose request is a stream: lines, arrays and uploads, sent to the backend as they come.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use towbar::cli::demo::bank::certificates::Authority;
use towbar::config::Overrides;

use crate::support::talk::{Reader, Streamed, backend, collecting, gateway, note, schema, send};
use crate::support::{Backend, Gateway, http};

const LINES: (&str, &str) = ("Content-Type", "application/x-ndjson");
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A note with the topic that the path gives it.
fn on_t(text: &str, number: u8) -> Vec<u8> {
    [note(text, number).as_slice(), b"\x0a\x01t"].concat()
}

#[test]
fn json_lines_arrays_and_concatenated_objects_are_read_as_messages() {
    let (backend, seen) = collecting(|count| note("got", count as u8));
    let gateway = gateway(&backend, "");
    let two = vec![on_t("one", 1), on_t("two", 2)];
    let (one, none) = (vec![on_t("one", 1)], Vec::<Vec<u8>>::new());
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
        (&[JSON], b"{\"text\":\"one\",\"number\":1}", &one),
        (&[JSON], b"\n{\"text\":\"one\",\"number\":1}{\"text\":\"two\",\"number\":2}", &two),
        (&[JSON], b"{\"text\":\"one\",\n\"number\":1}\r\n\r\n {\"text\":\"two\",\"number\":2}\n", &two),
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
    let Streamed { answer, .. } = send(&gateway, "POST", "/texts/t", &[JSON], Some(b"\"one\" null\"two\""));
    assert_eq!(answer.body, r#"{"text":"got","number":3}"#);
    assert_eq!(seen.lock().unwrap()[1..], [b"\x0a\x01t".to_vec(), b"\x0a\x01t\x12\x03two".to_vec()]);
}

#[test]
fn an_invalid_message_of_a_stream_ends_the_call_with_its_number_in_the_error() {
    let (backend, _) = collecting(|count| note("got", count as u8));
    let gateway = gateway(&backend, "requests: {body_limit: 64}");
    let unknown = "; the call was cancelled after 1 message, and its outcome is unknown";
    for (headers, body, message) in [
        (JSON, " ".to_owned(), "message 1: the body is empty: expected a message or an array of messages".to_owned()),
        (
            JSON,
            "{},{}".to_owned(),
            format!(
                "message 2: expected another message or the end of the body, got `,`; write the messages one after the other, or as an array{unknown}"
            ),
        ),
        (
            JSON,
            "{}[{}]".to_owned(),
            format!("message 2: the body: expected an object (talk.Note), got an array (line 1, column 1){unknown}"),
        ),
        (JSON, "{} {\"text\":".to_owned(), format!("message 2: the last message is incomplete{unknown}")),
        (
            JSON,
            format!("{{\"text\":\"{}\"}}", "x".repeat(80)),
            "message 1: a message is larger than the limit of 64 bytes".to_owned(),
        ),
        (
            LINES,
            "{\"text\":1}".to_owned(),
            "message 1: field \"text\": expected a string, got 1; put it in quotes: \"1\" (line 1, column 9)"
                .to_owned(),
        ),
        (
            LINES,
            "{}\n{\"number\":\"x\"}".to_owned(),
            format!("message 2: field \"number\": expected an int32, got \"x\" (line 1, column 11){unknown}"),
        ),
        (
            JSON,
            "[{},{},{\"topic\":\"other\"}]".to_owned(),
            "message 3: field \"topic\": the path and the body have different values for it; leave it out of the body, or send the same value; the call was cancelled after 2 messages, and its outcome is unknown"
                .to_owned(),
        ),
        (JSON, "[{},]".to_owned(), format!("message 2: trailing comma before `]`; remove the comma{unknown}")),
        (
            JSON,
            "[{}".to_owned(),
            "message 1: the array is incomplete: expected `]` before the end of the body".to_owned(),
        ),
        (
            LINES,
            format!("{{\"text\":\"{}\"}}", "x".repeat(80)),
            "message 1: a message is larger than the limit of 64 bytes".to_owned(),
        ),
        (LINES, "{\"nope\":1}".to_owned(), "message 1: unknown field \"nope\" (line 1, column 9)".to_owned()),
    ] {
        let Streamed { answer, .. } = send(&gateway, "POST", "/notes/t", &[headers], Some(body.as_bytes()));
        assert_eq!((answer.status, answer.refusal().1), (400, message), "{body}");
    }
    for (headers, message) in [
        (
            &[("Content-Type", "text/plain")][..],
            "Content-Type text/plain is not supported here; send Content-Type: application/json or application/x-ndjson",
        ),
        (&[], "Content-Type is missing; send Content-Type: application/json or application/x-ndjson"),
    ] {
        let Streamed { answer, .. } = send(&gateway, "POST", "/notes/t", headers, Some(b"{}"));
        assert_eq!((answer.status, answer.refusal().1.as_str()), (415, message));
    }
    for (content_type, found) in
        [("application/x-ndjson; charset=utf-16", "`utf-16`"), ("application/json; charset=utf-8; charset=x", "two")]
    {
        let answer = send(&gateway, "POST", "/notes/t", &[("Content-Type", content_type)], Some(b"[]")).answer;
        let message = format!("Content-Type: expected charset=utf-8, or no charset, got {found}");
        assert_eq!((answer.status, answer.refusal().1), (415, message));
    }
    let query = send(&gateway, "POST", "/notes/t?nope=1", &[LINES], Some(b"{}")).answer;
    assert_eq!((query.status, query.refusal().1.as_str()), (400, "unknown query parameter \"nope\""));
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
fn streamed_messages_are_sent_to_the_backend_as_they_arrive() {
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
    // An object ends with its brace: nothing has to come behind it.
    for (content_type, end) in [("application/x-ndjson", "}\n"), ("application/json", "}")] {
        let mut stream = begin(&gateway, "/notes/t", content_type);
        for text in ["one", "two", "six"] {
            // A message that comes in three pieces.
            chunk(&mut stream, b"{\"text\":");
            chunk(&mut stream, format!("\"{text}\",\"number\":1").as_bytes());
            chunk(&mut stream, end.as_bytes());
            assert_eq!(coming.recv_timeout(Duration::from_secs(20)).unwrap(), on_t(text, 1));
        }
        chunk(&mut stream, b"");
        assert_eq!(Reader::new(stream).whole().answer.body, "{\"text\":\"all\"}");
    }
}

#[test]
fn an_early_backend_error_reaches_the_caller_before_its_request_ends() {
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
fn a_client_streaming_call_needs_exactly_one_reply_message() {
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
fn over_http_1_1_a_bidirectional_stream_is_answered_after_its_request_ends() {
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
        Self::with(backend, "")
    }

    fn with(backend: &Backend, more: &str) -> Self {
        let authority = Authority::new("callers").unwrap();
        let own = authority.issue("gateway.test").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, own.certificate_pem()).unwrap();
        std::fs::write(&key, own.key_pem()).unwrap();
        let config = format!(
            "listen: {{address: \"127.0.0.1:0\", tls: {{cert: {}, key: {}}}}}\nupstream: http://{}\nschema: talk.proto\n{more}",
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

/// As `curl -N .../v3/watch -d '{"create_request":{}}'` does.
#[test]
fn one_json_object_is_a_complete_request_of_a_bidirectional_stream() {
    let backend = echoing();
    let gateway = gateway(&backend, "");
    let Streamed { answer, is_whole } = send(&gateway, "POST", "/chat", &[JSON], Some(b"{\"number\":1}"));
    assert_eq!((answer.status, is_whole), (200, true));
    assert_eq!(answer.body, "{\"result\":{\"number\":1}}\n{\"status\":{\"code\":0}}\n");
}

#[test]
fn over_http_2_both_directions_of_a_stream_are_open_at_once() {
    let backend = echoing();
    for (content_type, end) in [("application/x-ndjson", "\n"), ("application/json", "")] {
        talk_both_ways(&backend, content_type, end);
    }
}

fn talk_both_ways(backend: &Backend, content_type: &str, end: &str) {
    let Http2 { _gateway, runtime, send } = Http2::to(backend);
    runtime.block_on(async {
        let mut send = send.ready().await.unwrap();
        let request = ::http::Request::post("https://gateway.test/chat").header("content-type", content_type);
        let (response, mut body) = send.send_request(request.body(()).unwrap(), false).unwrap();
        body.send_data(format!("{{\"number\":1}}{end}").into(), false).unwrap();
        let mut answer = response.await.unwrap();
        assert_eq!(answer.status(), 200);
        for number in 1..=20 {
            let line = answer.body_mut().data().await.unwrap().unwrap();
            let _ = answer.body_mut().flow_control().release_capacity(line.len());
            assert_eq!(line, format!("{{\"result\":{{\"number\":{number}}}}}\n"));
            let next = number + 1;
            body.send_data(format!("{{\"number\":{next}}}{end}").into(), false).unwrap();
        }
        answer.body_mut().data().await.unwrap().unwrap();
        // A wrong message ends the stream, and the answer says so.
        body.send_data(format!("{{\"number\":\"many\"}}{end}").into(), false).unwrap();
        let error = answer.body_mut().data().await.unwrap().unwrap();
        let error = std::str::from_utf8(&error).unwrap();
        assert!(
            error.starts_with(r#"{"error":{"code":3,"message":"message 22: field \"number\": expected an int32"#),
            "{error}"
        );
        let end = answer.body_mut().data().await;
        assert!(end.is_none_or(|end| end.unwrap().is_empty()) && answer.body().is_end_stream());
    });
}

/// Bodies have to come at 1000 bytes a second.
const PACED: &str = "requests: {min_rate: 1000, min_rate_over: 1s}";
const SLOW: &str = "the body arrived too slowly: expected at least 1000 bytes per second, got less for 1s";

/// Tells whether each request has come to its end.
fn telling() -> (Backend, std::sync::mpsc::Receiver<bool>) {
    let (told, ends) = std::sync::mpsc::channel();
    let told = Arc::new(Mutex::new(told));
    let backend = backend(move |_, requests, replies| {
        let told = told.clone();
        async move {
            let is_whole = requests.whole().await.is_some();
            told.lock().unwrap().send(is_whole).unwrap();
            replies.send(&note("got", 0)).await;
            replies.end("0", "").await;
        }
    });
    (backend, ends)
}

#[test]
fn a_body_slower_than_the_minimum_rate_is_refused_and_its_call_cancelled() {
    let (backend, ends) = telling();
    let gateway = gateway(&backend, PACED);
    let unknown = "; the call was cancelled after 1 message, and its outcome is unknown";
    // What is sent at once, then a byte now and then; what the caller is told, and whether the backend was called.
    for (target, content_type, sent, message, is_called) in [
        ("/ask", "application/json", "{\"text\":\"", SLOW.to_owned(), false),
        ("/ask", "application/json", "", SLOW.to_owned(), false),
        ("/notes/t", "application/x-ndjson", "", format!("message 1: {SLOW}"), true),
        ("/notes/t", "application/x-ndjson", "{}\n{\"text\":\"", format!("message 2: {SLOW}{unknown}"), true),
        ("/notes/t", "application/json", "[{},", format!("message 2: {SLOW}{unknown}"), true),
        ("/files/f", "image/png", "abc", format!("message 2: {SLOW}{unknown}"), true),
        // Over HTTP/1.1 nobody waits for an answer before all is sent.
        ("/chat", "application/x-ndjson", "{}\n", format!("message 2: {SLOW}{unknown}"), true),
    ] {
        let mut stream = begin(&gateway, target, content_type);
        if !sent.is_empty() {
            chunk(&mut stream, sent.as_bytes());
        }
        let mut slow = stream.try_clone().unwrap();
        let dripping = std::thread::spawn(move || {
            while slow.write_all(b"1\r\n \r\n").is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let mut reader = Reader::new(stream);
        let body = String::from_utf8(reader.chunk().unwrap()).unwrap();
        let answer = http::Answer { body, ..reader.answer.clone() };
        let case = format!("{target} {sent}");
        let (code, mut told) = answer.refusal();
        // How many of the bytes in between were messages is a matter of time.
        if target == "/files/f" {
            let number = told.split([' ', ':']).nth(1).unwrap().to_owned();
            told = told.replacen(&format!("message {number}"), "message 2", 1);
            let before = told.split_once("cancelled after ").and_then(|(_, rest)| rest.split_once(", and"));
            let before = before.unwrap().0.to_owned();
            told = told.replacen(&before, "1 message", 1);
        }
        assert_eq!((answer.status, code, told), (408, 4, message), "{case}");
        assert_eq!(answer.header("connection"), Some("close"), "{case}");
        let _ = reader.stream.shutdown(std::net::Shutdown::Both);
        dripping.join().unwrap();
        if is_called {
            assert!(!ends.recv_timeout(Duration::from_secs(20)).unwrap(), "{case}: the call was given up");
        }
    }
}

#[test]
fn a_body_that_is_fast_enough_or_waits_for_the_backend_is_accepted() {
    // A backend that reads nothing for three windows.
    let late = backend(|_, mut requests, replies| async move {
        requests.next().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let bytes: usize = requests.all().await.iter().map(Vec::len).sum();
        assert!(bytes > 4_000_000, "{bytes}");
        replies.send(&note("got", 0)).await;
        replies.end("0", "").await;
    });
    let (backend, ends) = telling();
    let waiting = gateway(&late, PACED);
    let mut stream = begin(&waiting, "/files/f", "image/png");
    for _ in 0..80 {
        chunk(&mut stream, &[b'x'; 64 << 10]);
    }
    chunk(&mut stream, b"");
    assert_eq!(Reader::new(stream).whole().answer.body, "{\"text\":\"got\"}");
    // Ten times as fast as it has to be, for three windows; and without a rate, slow.
    let paced = gateway(&backend, PACED);
    let free = gateway(&backend, "requests: {min_rate: off, min_rate_over: 1s}");
    for (gateway, piece) in [(&paced, 1000), (&free, 10)] {
        for (target, content_type) in [("/ask", "application/json"), ("/notes/t", "application/x-ndjson")] {
            let mut stream = begin(gateway, target, content_type);
            chunk(&mut stream, b"{\"text\":\"");
            for _ in 0..30 {
                chunk(&mut stream, "x".repeat(piece).as_bytes());
                std::thread::sleep(Duration::from_millis(100));
            }
            chunk(&mut stream, b"\"}\n");
            chunk(&mut stream, b"");
            assert_eq!(Reader::new(stream).whole().answer.body, "{\"text\":\"got\"}", "{target}, {piece}");
            assert!(ends.recv_timeout(Duration::from_secs(20)).unwrap(), "{target}, {piece}");
        }
    }
}

#[test]
fn over_http_2_a_slow_upload_is_refused_but_a_bidirectional_stream_may_be_idle() {
    let backend = echoing();
    let Http2 { _gateway, runtime, send } = Http2::with(&backend, PACED);
    let request = |path: &str| {
        let request = ::http::Request::post(format!("https://gateway.test{path}"));
        request.header("content-type", "application/x-ndjson").body(()).unwrap()
    };
    runtime.block_on(async {
        let mut send = send.ready().await.unwrap();
        // Silence between messages means nothing where both ways are open.
        let (response, mut body) = send.send_request(request("/chat"), false).unwrap();
        body.send_data(Bytes::from_static(b"{\"number\":1}\n"), false).unwrap();
        let mut chat = response.await.unwrap();
        assert_eq!(chat.body_mut().data().await.unwrap().unwrap(), "{\"result\":{\"number\":1}}\n");
        // An upload beside it is given up, and only that.
        let (response, mut upload) = send.send_request(request("/notes/t"), false).unwrap();
        upload.send_data(Bytes::from_static(b"{}\n"), false).unwrap();
        let mut slow = response.await.unwrap();
        assert_eq!(slow.status(), 408);
        let told = slow.body_mut().data().await.unwrap().unwrap();
        assert!(std::str::from_utf8(&told).unwrap().contains(SLOW), "{told:?}");
        assert!(!slow.headers().contains_key("connection"));
        tokio::time::sleep(Duration::from_secs(2)).await;
        body.send_data(Bytes::from_static(b"{\"number\":2}\n"), false).unwrap();
        assert_eq!(chat.body_mut().data().await.unwrap().unwrap(), "{\"result\":{\"number\":2}}\n");
        // Within a message there is no silence.
        body.send_data(Bytes::from_static(b"{\"number\":"), false).unwrap();
        let error = chat.body_mut().data().await.unwrap().unwrap();
        let error = std::str::from_utf8(&error).unwrap();
        assert!(error.starts_with("{\"error\":") && error.contains(SLOW), "{error}");
    });
}
