//! Calls whose reply is a stream: its forms, its end, and what a caller sees when it does not come.

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use towbar::app::App;
use towbar::config::{self, Overrides};
use towbar::upstream::Upstream;

use crate::support;
use crate::support::talk::{
    Reader, Replies, Streamed, backend, gateway, hasty_gateway, note, schema, send, shared, start,
};

const NDJSON: (&str, &str) = ("Accept", "application/x-ndjson");
const SSE: (&str, &str) = ("Accept", "text/event-stream");
const ARRAY: (&str, &str) = ("Accept", "application/json");

async fn two_notes(replies: &Replies) {
    replies.send(&note("one", 1)).await;
    replies.send(&note("two", 2)).await;
}

#[test]
fn a_stream_is_sent_in_the_format_that_the_caller_accepts() {
    let backend = backend(|rpc, mut requests, replies| async move {
        let request = requests.next().await.unwrap();
        assert_eq!((rpc.as_str(), request.as_slice(), requests.next().await), ("Watch", &b"\x0a\x01t"[..], None));
        two_notes(&replies).await;
        replies.end("0", "").await;
    });
    let lines = "{\"result\":{\"text\":\"one\",\"number\":1}}\n{\"result\":{\"text\":\"two\",\"number\":2}}\n{\"status\":{\"code\":0}}\n";
    let events = "id: 1\ndata: {\"text\":\"one\",\"number\":1}\n\nid: 2\ndata: {\"text\":\"two\",\"number\":2}\n\nevent: end\ndata: {\"code\":0}\n\n";
    let array = "[{\"text\":\"one\",\"number\":1},{\"text\":\"two\",\"number\":2}]";
    let default = gateway(&backend, "");
    for (accept, content_type, body) in [
        (&[][..], "application/x-ndjson", lines),
        (&[NDJSON][..], "application/x-ndjson", lines),
        (&[SSE], "text/event-stream", events),
        (&[ARRAY], "application/json", array),
        (&[("Accept", "application/json;q=0.5"), SSE], "text/event-stream", events),
    ] {
        let Streamed { answer, is_whole } = send(&default, "GET", "/notes/t", accept, None);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)), "{accept:?}");
        assert_eq!((answer.body.as_str(), is_whole), (body, true), "{accept:?}");
        for (name, value) in
            [("cache-control", "no-store"), ("x-content-type-options", "nosniff"), ("x-accel-buffering", "no")]
        {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        assert_eq!(answer.header("trailer"), None);
    }
    for (format, content_type, body) in [
        ("sse", "text/event-stream", events),
        ("array", "application/json", array),
        ("ndjson", "application/x-ndjson", lines),
    ] {
        let gateway = gateway(&backend, &format!("streams: {{format: {format}}}"));
        let Streamed { answer, .. } = send(&gateway, "GET", "/notes/t", &[("Accept", "*/*")], None);
        assert_eq!((answer.header("content-type"), answer.body.as_str()), (Some(content_type), body), "{format}");
    }
    // What libraries send for any answer asks for no form.
    for accept in ["application/json, text/plain, */*", "application/json, */*;q=1.0"] {
        for (format, content_type) in [("sse", "text/event-stream"), ("array", "application/json")] {
            let gateway = gateway(&backend, &format!("streams: {{format: {format}}}"));
            let Streamed { answer, .. } = send(&gateway, "GET", "/notes/t", &[("Accept", accept)], None);
            assert_eq!(answer.header("content-type"), Some(content_type), "{accept} {format}");
        }
        let Streamed { answer, .. } = send(&default, "GET", "/notes/t", &[("Accept", accept)], None);
        assert_eq!((answer.header("content-type"), answer.body.as_str()), (Some("application/x-ndjson"), lines));
    }
    let Streamed { answer, .. } = send(&default, "GET", "/notes/t", &[("Accept", "text/html")], None);
    let message = "header accept: this stream has none of the requested formats; accept one of application/x-ndjson, text/event-stream, application/json";
    assert_eq!((answer.status, answer.refusal()), (406, (3, message.to_owned())));
    let head = start(&default, "HEAD", "/notes/t", &[], None).answer;
    assert_eq!((head.status, head.header("content-type")), (200, Some("application/x-ndjson")));
}

/// They are converted beside the thread that serves.
#[test]
fn long_messages_of_a_stream_arrive_complete_and_in_order() {
    let long = "a".repeat(300_000);
    let backend = backend({
        let long = long.clone();
        move |_, _, replies| {
            let long = long.clone();
            async move {
                for (text, number) in [("one", 1), (&*long, 2), (&*long, 3), ("two", 4), (&*long, 5)] {
                    replies.send(&note(text, number)).await;
                }
                replies.end("0", "").await;
            }
        }
    });
    let gateway = gateway(&backend, "");
    let note = |text: &str, number: u8| format!("{{\"text\":\"{text}\",\"number\":{number}}}");
    let notes = [note("one", 1), note(&long, 2), note(&long, 3), note("two", 4), note(&long, 5)];
    let lines =
        notes.iter().map(|note| format!("{{\"result\":{note}}}\n")).collect::<String>() + "{\"status\":{\"code\":0}}\n";
    for (accept, body) in [(NDJSON, lines), (ARRAY, format!("[{}]", notes.join(",")))] {
        let Streamed { answer, is_whole } = send(&gateway, "GET", "/notes/t", &[accept], None);
        assert!(is_whole && answer.body == body, "{accept:?}: {} bytes, not {}", answer.body.len(), body.len());
    }
}

#[test]
fn a_failed_stream_cannot_be_mistaken_for_a_complete_one() {
    let backend = backend(|_, _, replies| async move {
        two_notes(&replies).await;
        replies.end("9", "the account is closed%21").await;
    });
    let gateway = gateway(&backend, "");
    let status = r#"{"code":9,"message":"the account is closed!"}"#;
    for (accept, end, is_whole) in [
        (NDJSON, format!("{{\"error\":{status}}}\n"), true),
        (SSE, format!("event: error\ndata: {status}\n\n"), true),
        (ARRAY, ",{\"text\":\"two\",\"number\":2}".to_owned(), false),
    ] {
        let streamed = send(&gateway, "GET", "/notes/t", &[accept], None);
        assert_eq!(streamed.answer.status, 200);
        assert!(streamed.answer.body.ends_with(&end), "{streamed:?}");
        assert_eq!(streamed.is_whole, is_whole, "{accept:?}");
    }
}

#[test]
fn an_error_before_the_first_message_is_an_ordinary_error_answer() {
    let backend = backend(|_, _, replies| async move { replies.end("5", "no such topic").await });
    let gateway = gateway(&backend, "metadata: {reply: [x-started]}");
    for accept in [NDJSON, SSE, ARRAY] {
        let Streamed { answer, is_whole } = send(&gateway, "GET", "/notes/t", &[accept], None);
        assert_eq!((answer.status, is_whole), (404, true), "{accept:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.body, r#"{"code":5,"message":"no such topic"}"#);
        assert_eq!(answer.header("x-started"), Some("yes"));
    }
}

#[test]
fn an_empty_stream_is_answered_as_a_complete_stream() {
    let backend = backend(|_, _, replies| async move { replies.end("0", "").await });
    let gateway = gateway(&backend, "metadata: {reply: [x-started]}");
    for (accept, body) in
        [(NDJSON, "{\"status\":{\"code\":0}}\n"), (SSE, "event: end\ndata: {\"code\":0}\n\n"), (ARRAY, "[]")]
    {
        let Streamed { answer, is_whole } = send(&gateway, "GET", "/notes/t", &[accept], None);
        assert_eq!((answer.status, answer.body.as_str(), is_whole), (200, body, true));
        assert_eq!(answer.header("x-started"), Some("yes"));
    }
}

/// One of several backends in a table of them.
#[derive(Clone, Copy)]
enum Does {
    Cuts,
    EndsWithoutStatus,
    SendsHalf,
    SendsTooMuch,
    SendsCompressed,
    SendsRubbish,
}

#[test]
fn an_error_in_the_middle_of_a_stream_is_reported_at_its_end() {
    let lost =
        r#"{"code":2,"message":"the connection to the backend was lost during the call; its outcome is unknown"}"#;
    let unreadable =
        r#"{"code":13,"message":"the backend's answer cannot be read; the outcome of the call is unknown"}"#;
    let without_status =
        r#"{"code":2,"message":"the backend's answer cannot be read; the outcome of the call is unknown"}"#;
    let undecodable =
        r#"{"code":13,"message":"a message of the backend cannot be read; the outcome of the call is unknown"}"#;
    let large = r#"{"code":8,"message":"the backend's reply is larger than the limit of 1024 bytes"}"#;
    for (does, status) in [
        (Does::Cuts, lost),
        (Does::EndsWithoutStatus, without_status),
        (Does::SendsHalf, unreadable),
        (Does::SendsCompressed, unreadable),
        (Does::SendsTooMuch, large),
        (Does::SendsRubbish, undecodable),
    ] {
        let backend = backend(move |_, _, replies| async move {
            replies.send(&note("one", 1)).await;
            match does {
                Does::Cuts => return replies.cut().await,
                Does::EndsWithoutStatus => return,
                Does::SendsHalf => drop(replies.raw(vec![0, 0, 0, 0, 9, 1]).await),
                Does::SendsTooMuch => drop(replies.raw(vec![0, 0, 0, 4, 1]).await),
                Does::SendsCompressed => drop(replies.raw(vec![1, 0, 0, 0, 0]).await),
                Does::SendsRubbish => drop(replies.send(&[0x12, 0x05, 0xff]).await),
            }
            replies.end("0", "").await;
        });
        let config =
            format!("upstream: {{address: \"http://{}\", reply_limit: 1KiB}}\nschema: talk.proto", backend.address);
        let overrides = Overrides { listen: Some("127.0.0.1:0".to_owned()), ..Default::default() };
        let gateway = support::Gateway::with(&config, &overrides, Ok(schema()), None);
        let Streamed { answer, is_whole } = send(&gateway, "GET", "/notes/t", &[NDJSON], None);
        let body = support::http::without_reasons(&answer.body);
        assert_eq!(body, format!("{{\"result\":{{\"text\":\"one\",\"number\":1}}}}\n{{\"error\":{status}}}\n"));
        assert!(is_whole);
        let array = send(&gateway, "GET", "/notes/t", &[ARRAY], None);
        assert_eq!((array.answer.body.as_str(), array.is_whole), (r#"[{"text":"one","number":1}"#, false));
    }
}

#[test]
fn messages_are_passed_on_one_by_one_however_the_backend_splits_them() {
    let (asked, asking) = channel::<()>();
    let asking = std::sync::Arc::new(std::sync::Mutex::new(asking));
    let backend = backend(move |_, _, replies| {
        let asking = asking.clone();
        async move {
            let wait = || {
                let asking = asking.clone();
                tokio::task::spawn_blocking(move || {
                    asking.lock().unwrap().recv_timeout(Duration::from_secs(20)).unwrap()
                })
            };
            // A message of which every byte comes by itself, then two in one frame.
            let message = [&[0, 0, 0, 0, 7], note("one", 1).as_slice()].concat();
            for byte in &message {
                replies.raw(vec![*byte]).await;
            }
            wait().await.unwrap();
            replies.raw([message.clone(), message[..6].to_vec()].concat()).await;
            wait().await.unwrap();
            replies.raw(message[6..].to_vec()).await;
            replies.end("0", "").await;
        }
    });
    let gateway = gateway(&backend, "");
    let mut reader = start(&gateway, "GET", "/notes/t", &[], None);
    let line = "{\"result\":{\"text\":\"one\",\"number\":1}}\n";
    for _ in 0..2 {
        assert_eq!(String::from_utf8(reader.chunk().unwrap()).unwrap(), line);
        asked.send(()).unwrap();
    }
    let Streamed { answer, is_whole } = reader.whole();
    assert_eq!((answer.body, is_whole), (format!("{line}{{\"status\":{{\"code\":0}}}}\n"), true));
}

#[test]
fn server_sent_events_begin_and_are_kept_alive_before_the_first_message() {
    let backend = backend(|_, _, replies| async move {
        tokio::time::sleep(Duration::from_millis(700)).await;
        replies.send(&note("late", 1)).await;
        replies.end("14", "later").await;
    });
    let gateway = gateway(&backend, "streams: {keep_alive: 200ms}");
    let Streamed { answer, is_whole } = send(&gateway, "GET", "/notes/t", &[SSE], None);
    let (comments, rest) = answer.body.split_once("id: 1").unwrap();
    assert!(comments.len() >= 2 * ": keep-alive\n\n".len(), "{answer:?}");
    assert_eq!(comments.replace(": keep-alive\n\n", ""), "");
    let end = "\ndata: {\"text\":\"late\",\"number\":1}\n\nevent: error\ndata: {\"code\":14,\"message\":\"later\"}\n\n";
    assert_eq!((rest, is_whole), (end, true));
    let Streamed { answer, .. } = send(&gateway, "GET", "/notes/t", &[NDJSON], None);
    assert_eq!(answer.body.lines().count(), 2, "lines have no comments: {answer:?}");
}

#[test]
fn the_streams_deadline_or_the_callers_timeout_ends_a_stream() {
    let backend = backend(|_, _, replies| async move {
        replies.send(&note("one", 1)).await;
        std::future::pending::<()>().await;
    });
    let gateway = gateway(&backend, "streams: {deadline: 300ms}");
    let late = r#"{"code":4,"message":"the stream did not end within the gateway's deadline of 300ms; 1 message had arrived, and the outcome of the call is unknown"}"#;
    let Streamed { answer, .. } = send(&gateway, "GET", "/notes/t", &[NDJSON], None);
    assert_eq!(answer.body_and_reason().0.lines().last(), Some(format!("{{\"error\":{late}}}").as_str()));
    let late = late.replace("gateway's deadline of 300ms", "caller's timeout of 200ms (grpc-timeout)");
    let Streamed { answer, .. } = send(&gateway, "GET", "/notes/t", &[NDJSON, ("Grpc-Timeout", "200m")], None);
    assert_eq!(answer.body_and_reason().0.lines().last(), Some(format!("{{\"error\":{late}}}").as_str()));
}

#[test]
fn a_stream_without_a_message_before_its_deadline_is_answered_504() {
    let backend = backend(|_, _, replies| async move { replies.given_up().await });
    let gateway = gateway(&backend, "streams: {deadline: 300ms}");
    let Streamed { answer, .. } = send(&gateway, "GET", "/notes/t", &[NDJSON], None);
    let late = "the backend did not answer within the gateway's deadline of 300ms; the outcome of the call is unknown";
    assert_eq!((answer.status, answer.refusal()), (504, (4, late.to_owned())));
}

/// PROTOCOL-HTTP2.md of grpc/grpc: `TimeoutValue` has 8 digits at most.
#[test]
fn the_deadline_of_a_stream_can_be_days_or_none() {
    let (told, timeouts) = channel();
    let told = std::sync::Arc::new(std::sync::Mutex::new(told));
    let backend = backend(move |_, requests, replies| {
        let timeout = requests.headers.get("grpc-timeout").map(|value| value.to_str().unwrap().to_owned());
        told.lock().unwrap().send(timeout).unwrap();
        async move {
            replies.send(&note("one", 1)).await;
            replies.end("0", "").await;
        }
    });
    for (config, timeout) in [
        ("streams: {deadline: 7d}", Some("604800S")),
        ("streams: {deadline: 365d}", Some("31536000S")),
        ("streams: {deadline: none}", None),
        ("rpcs: {talk.Talk.Watch: {deadline: 2d}}", Some("172800S")),
        ("streams: {deadline: 1m}\nrpcs: {talk.Talk.Watch: {deadline: none}}", None),
    ] {
        let gateway = gateway(&backend, config);
        assert_eq!(send(&gateway, "GET", "/notes/t", &[NDJSON], None).answer.body.lines().count(), 2, "{config}");
        assert_eq!(timeouts.recv_timeout(Duration::from_secs(20)).unwrap().as_deref(), timeout, "{config}");
        // A caller may ask for less.
        let less = send(&gateway, "GET", "/notes/t", &[NDJSON, ("Grpc-Timeout", "50S")], None).answer;
        assert_eq!(less.body.lines().count(), 2, "{config}");
        let timeout = timeouts.recv_timeout(Duration::from_secs(20)).unwrap().unwrap();
        assert!(timeout == "50000m" || timeout.starts_with("49"), "{config}: {timeout}");
    }
}

/// The gateway ends its streams when the time for calls in flight is over, before it cuts what is left.
#[test]
fn a_stream_that_outlasts_the_drain_timeout_ends_with_the_reason() {
    let (told, came) = channel();
    let backend = backend(move |_, mut requests, replies| {
        let told = told.clone();
        async move {
            match requests.all().await.concat().ends_with(b"\x01t") {
                true => drop(replies.send(&note("one", 1)).await),
                false => told.send(()).unwrap(),
            }
            replies.given_up().await;
        }
    });
    let status =
        r#"{"code":14,"message":"the gateway is shutting down and has ended the call; its outcome is unknown"}"#;
    for (accept, body, is_whole) in [
        (NDJSON, format!("{{\"result\":{{\"text\":\"one\",\"number\":1}}}}\n{{\"error\":{status}}}\n"), true),
        (SSE, format!("id: 1\ndata: {{\"text\":\"one\",\"number\":1}}\n\nevent: error\ndata: {status}\n\n"), true),
        (ARRAY, "[{\"text\":\"one\",\"number\":1}".to_owned(), false),
    ] {
        let mut gateway = hasty_gateway(&backend, "");
        let mut reader = start(&gateway, "GET", "/notes/t", &[accept], None);
        let first = reader.chunk().unwrap();
        gateway.stop();
        let (rest, ended) = reader.bytes();
        let told = support::http::without_reasons(std::str::from_utf8(&[first, rest].concat()).unwrap());
        assert_eq!((told, ended), (body, is_whole), "{accept:?}");
        gateway.join();
    }
    // Before its first message it is an ordinary answer.
    let mut gateway = hasty_gateway(&backend, "");
    let mut stream = support::http::connect(gateway.address);
    support::http::write(&mut stream, "GET", "/notes/silence", &[NDJSON], None);
    came.recv_timeout(Duration::from_secs(20)).unwrap();
    gateway.stop();
    let answer = Reader::new(stream).whole().answer;
    assert_eq!((answer.status, answer.body_and_reason().0.as_str()), (502, status));
    gateway.join();
}

#[test]
fn the_closing_line_can_be_switched_off() {
    let backend = backend(|rpc, _, replies| async move {
        two_notes(&replies).await;
        replies.end(if rpc == "Watch" { "0" } else { "14" }, "later").await;
    });
    let json = ("Content-Type", "application/json");
    let (notes, closing) = (
        "{\"result\":{\"text\":\"one\",\"number\":1}}\n{\"result\":{\"text\":\"two\",\"number\":2}}\n",
        "{\"status\":{\"code\":0}}\n",
    );
    for (config, end) in [
        ("", closing),
        ("streams: {closing_line: true}", closing),
        ("streams: {closing_line: false}", ""),
        ("rpcs: {talk.Talk.Watch: {closing_line: false}}", ""),
        ("streams: {closing_line: false}\nrpcs: {talk.Talk.Watch: {closing_line: true}}", closing),
    ] {
        let gateway = gateway(&backend, config);
        let Streamed { answer, is_whole } = send(&gateway, "GET", "/notes/t", &[NDJSON], None);
        assert_eq!((answer.body, is_whole), (format!("{notes}{end}"), true), "{config}");
        // How a call fails is told all the same, and the other forms stay as they are.
        let Streamed { answer, .. } = send(&gateway, "POST", "/texts", &[json, NDJSON], Some(b"{}"));
        assert!(answer.body.ends_with("{\"error\":{\"code\":14,\"message\":\"later\"}}\n"), "{config}: {answer:?}");
        let Streamed { answer, .. } = send(&gateway, "GET", "/notes/t", &[SSE], None);
        assert!(answer.body.ends_with("event: end\ndata: {\"code\":0}\n\n"), "{config}: {answer:?}");
    }
}

#[test]
fn stream_settings_on_rpcs_they_do_not_apply_to_stop_the_start() {
    let text = "upstream: http://127.0.0.1:1\nschema: talk.proto\nrpcs:\n  talk.Talk.Ask: {closing_line: false, deadline: 2d}\n  \
                talk.Talk.Put: {deadline: none}\n  talk.Talk.Download: {closing_line: false}\n  talk.Talk.Chat: {deadline: none, closing_line: false}\n";
    let (mut config, problems) = config::load_text(text, Path::new("towbar.yaml"), &Overrides::default());
    assert_eq!(problems, []);
    let upstream = Upstream::new(&config.upstream.take().unwrap()).ok();
    let app = App::with_parts(config, Some(Ok(schema())), upstream, Vec::new());
    let problems: Vec<_> = app.err().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "talk.Talk.Ask: `closing_line` applies only to replies that are streams of messages; remove this key",
            "talk.Talk.Ask: `deadline` is more than an hour, which only streaming rpcs may have",
            "talk.Talk.Download: `closing_line` applies only to replies that are streams of messages; remove this key",
            "talk.Talk.Put: `deadline` is more than an hour, which only streaming rpcs may have",
        ]
    );
}

#[test]
fn a_caller_that_disconnects_from_a_stream_ends_the_call() {
    let (ended, ends) = channel();
    let ended = std::sync::Arc::new(std::sync::Mutex::new(ended));
    let backend = backend(move |_, _, replies| {
        let ended = ended.clone();
        async move {
            while replies.send(&note("again", 1)).await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let _ = ended.lock().unwrap().send(());
        }
    });
    let gateway = gateway(&backend, "");
    let mut reader = start(&gateway, "GET", "/notes/t", &[], None);
    assert!(reader.chunk().is_some());
    drop(reader);
    ends.recv_timeout(Duration::from_secs(20)).unwrap();
}

#[test]
fn a_slow_reader_slows_the_backend_stream_but_no_other_call() {
    const MESSAGE: usize = 60 << 10;
    let (sent, count) = shared::<usize>();
    let backend = backend(move |rpc, _, replies| {
        let sent = sent.clone();
        async move {
            if rpc == "Ask" {
                replies.send(&note("now", 1)).await;
                return replies.end("0", "").await;
            }
            // A text of so many bytes.
            let mut message = vec![0x12, 0x80, 0xe0, 0x03];
            message.resize(message.len() + MESSAGE, b'x');
            while replies.send(&message).await {
                *sent.lock().unwrap() += message.len();
            }
        }
    });
    let gateway = gateway(&backend, "");
    // More of them than windows of connections would hold if they shared one.
    let readers: Vec<Reader> = (0..8).map(|_| start(&gateway, "GET", "/notes/t", &[], None)).collect();
    let mut before = 0;
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = *count.lock().unwrap();
        if now == before {
            break;
        }
        before = now;
    }
    // Windows and the buffers of two sockets, for each of them.
    assert!(before < 8 * (12 << 20), "{before} bytes are under way though nobody reads");
    let Streamed { answer, .. } = send(&gateway, "POST", "/ask", &[("Content-Type", "application/json")], Some(b"{}"));
    assert_eq!(answer.body, r#"{"text":"now","number":1}"#);
    drop(readers);
}

#[test]
fn each_message_of_a_stream_is_printed_as_its_response_body_field() {
    let backend = backend(|_, _, replies| async move {
        two_notes(&replies).await;
        replies.end("0", "").await;
    });
    let gateway = gateway(&backend, "json: {indent: true}");
    let headers = [("Content-Type", "application/json"), NDJSON];
    let Streamed { answer, .. } = send(&gateway, "POST", "/texts", &headers, Some(b"{\"topic\":\"t\"}"));
    assert_eq!(answer.body, "{\"result\":\"one\"}\n{\"result\":\"two\"}\n{\"status\":{\"code\":0}}\n");
    let wrong = send(&gateway, "POST", "/texts", &headers, Some(b"{\"topic\":1}"));
    assert_eq!(wrong.answer.status, 400);
}

#[test]
fn a_compressed_stream_is_flushed_after_every_message() {
    let (asked, asking) = channel::<()>();
    let asking = std::sync::Arc::new(std::sync::Mutex::new(asking));
    let backend = backend(move |rpc, _, replies| {
        let asking = asking.clone();
        async move {
            replies.send(&note("one", 1)).await;
            let wait = move || asking.lock().unwrap().recv_timeout(Duration::from_secs(20));
            let _ = tokio::task::spawn_blocking(wait).await;
            replies.send(&note("two", 2)).await;
            replies.end(if rpc == "Watch" { "0" } else { "13" }, "").await;
        }
    });
    let gateway = gateway(&backend, "replies: {compression: true}");
    let gzip = ("Accept-Encoding", "gzip");
    let mut reader = start(&gateway, "GET", "/notes/t", &[NDJSON, gzip], None);
    assert_eq!(reader.answer.header("content-encoding"), Some("gzip"));
    assert_eq!(reader.answer.header("vary"), Some("accept-encoding"));
    let text = |bytes: &[u8]| {
        let mut text = Vec::new();
        let whole = std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes), &mut text).is_ok();
        (String::from_utf8(text).unwrap(), whole)
    };
    let one = "{\"result\":{\"text\":\"one\",\"number\":1}}\n";
    let mut bytes = reader.chunk().unwrap();
    assert_eq!(text(&bytes), (one.to_owned(), false), "the first message is there before the second is sent");
    asked.send(()).unwrap();
    bytes.extend(reader.bytes().0);
    let two = "{\"result\":{\"text\":\"two\",\"number\":2}}\n";
    assert_eq!(text(&bytes), (format!("{one}{two}{{\"status\":{{\"code\":0}}}}\n"), true));

    // What is cut short is no whole gzip.
    asked.send(()).unwrap();
    let headers = [("Content-Type", "application/json"), ARRAY, gzip];
    let (bytes, is_whole) = start(&gateway, "POST", "/texts", &headers, Some(b"{}")).bytes();
    assert_eq!((text(&bytes), is_whole), (("[\"one\",\"two\"".to_owned(), false), false));

    let coded = [("Content-Type", "application/x-ndjson"), ("Content-Encoding", "gzip")];
    let refused = send(&gateway, "POST", "/notes/t", &coded, Some(b"x")).answer;
    assert_eq!(refused.status, 415);
}

#[test]
fn an_event_stream_resumes_after_the_last_event_id() {
    // A backend that has three notes, and sends those behind the one that it is told.
    let backend = backend(|_, mut requests, replies| async move {
        requests.all().await;
        let seen = requests.headers.get("x-after").map_or(0, |value| value.to_str().unwrap().parse().unwrap());
        for (text, number) in [("one", 1), ("two", 2), ("three", 3)].into_iter().skip(seen) {
            replies.send(&note(text, number)).await;
        }
        replies.end("0", "").await;
    });
    let resuming = gateway(&backend, "rpcs: {talk.Talk.Watch: {last_event_id: x-after}}");
    let plain = gateway(&backend, "");
    let event = |id: u8, text: &str| format!("id: {id}\ndata: {{\"text\":\"{text}\",\"number\":{id}}}\n\n");
    let end = "event: end\ndata: {\"code\":0}\n\n";
    let all = event(1, "one") + &event(2, "two") + &event(3, "three") + end;
    let last = |id| ("Last-Event-ID", id);
    for (gateway, headers, body) in [
        (&resuming, &[SSE][..], all.clone()),
        (&resuming, &[SSE, last("")], all.clone()),
        (&resuming, &[SSE, last("0")], all.clone()),
        (&resuming, &[SSE, last("1")], event(2, "two") + &event(3, "three") + end),
        (&resuming, &[SSE, last("2"), ("X-After", "1")], event(3, "three") + end),
        (&resuming, &[SSE, last("3")], end.to_owned()),
        // Only Towbar says it, and only of events.
        (&resuming, &[SSE, ("X-After", "1")], all.clone()),
        (
            &resuming,
            &[ARRAY, last("2")],
            r#"[{"text":"one","number":1},{"text":"two","number":2},{"text":"three","number":3}]"#.to_owned(),
        ),
        // A backend that is told nothing begins again, and its events are numbered so.
        (&plain, &[SSE, last("2")], all.clone()),
        (&plain, &[SSE, last("x")], all),
    ] {
        let Streamed { answer, .. } = send(gateway, "GET", "/notes/t", headers, None);
        assert_eq!((answer.status, answer.body), (200, body), "{headers:?}");
    }
    for (headers, found) in [
        (&[SSE, last("two")][..], "something else"),
        (&[SSE, last("-1")], "something else"),
        (&[SSE, last("1234567890123456")], "something else"),
        (&[SSE, last("1"), last("1")], "two values"),
    ] {
        let Streamed { answer, .. } = send(&resuming, "GET", "/notes/t", headers, None);
        let message =
            format!("header last-event-id: expected the id of an event, a number of at most 15 digits, got {found}");
        assert_eq!((answer.status, answer.refusal().1), (400, message), "{headers:?}");
    }
}

#[test]
fn last_event_id_on_rpcs_without_events_stops_the_start() {
    let text = "upstream: http://127.0.0.1:1\nschema: talk.proto\nrpcs:\n  talk.Talk.Ask: {last_event_id: x-after}\n  \
                talk.Talk.Download: {last_event_id: x-after}\n  talk.Talk.Watch: {last_event_id: x-after}\n";
    let (mut config, problems) = config::load_text(text, Path::new("towbar.yaml"), &Overrides::default());
    assert_eq!(problems, []);
    let upstream = Upstream::new(&config.upstream.take().unwrap()).ok();
    let app = App::with_parts(config, Some(Ok(schema())), upstream, Vec::new());
    let problems: Vec<_> = app.err().unwrap().iter().map(ToString::to_string).collect();
    let message = "`last_event_id` applies only to replies that are streams of events; remove this key";
    assert_eq!(problems, [format!("talk.Talk.Ask: {message}"), format!("talk.Talk.Download: {message}")]);
}

/// A backend that takes four streams on a connection, and ends none of them.
async fn four_at_a_time(listener: tokio::net::TcpListener) {
    while let Ok((tcp, _)) = listener.accept().await {
        tokio::spawn(async move {
            let server = h2::server::Builder::new().max_concurrent_streams(4).handshake::<_, bytes::Bytes>(tcp).await;
            let (mut server, mut kept) = (server.unwrap(), Vec::new());
            while let Some(Ok((_, mut answer))) = server.accept().await {
                let head = ::http::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
                kept.push(answer.send_response(head, false));
            }
        });
    }
}

#[test]
fn streams_over_the_backends_limit_wait_briefly_and_are_then_refused() {
    use tokio::time::Instant;
    use towbar::limits::memory::Share;
    use towbar::upstream::{Config, Outbound, Terms, Trail};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = Config::of(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap());
        config.limits.wait = Duration::from_millis(400);
        tokio::spawn(four_at_a_time(listener));
        let upstream = Upstream::new(&config).unwrap_or_else(|problems| panic!("{problems:?}"));
        let upstream = upstream.for_worker(&Share::unbounded());
        let path = ::http::uri::PathAndQuery::from_static("/talk.v1.Talk/Watch");
        let open = async |patience: Duration| {
            let deadline = Instant::now() + patience;
            let terms = Terms { deadline, reply_limit: 1 << 20, may_repeat: false, account: None };
            upstream.open(Outbound::own(&path, terms), &mut Trail::default()).await
        };
        let long = Duration::from_secs(60);
        let mut held = Vec::new();
        for count in 0..64 {
            held.push(open(long).await.unwrap_or_else(|error| panic!("stream {count}: {error}")));
        }
        let told = |opened: Result<_, towbar::upstream::CallError>| {
            let error = opened.map(drop).unwrap_err();
            assert_eq!(error.fate(), towbar::upstream::Fate::NotSent, "{error}");
            error.to_string()
        };
        let begun = Instant::now();
        assert_eq!(
            told(open(long).await),
            "the backend takes no more than the 64 streams that are in flight on its connections"
        );
        assert!(
            (Duration::from_millis(400)..Duration::from_secs(20)).contains(&begun.elapsed()),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(
            told(open(Duration::from_millis(100)).await),
            "the deadline passed while the call waited for others to end"
        );
        // Its turn comes when another one ends.
        let ends = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(held.drain(..4));
        };
        let (opened, ()) = tokio::join!(open(long), ends);
        assert!(opened.is_ok(), "{:?}", opened.err());
    });
}
