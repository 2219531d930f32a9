//! Calls over WebSockets: both ways at once over HTTP/1.1, one way, bytes, and what is told when something is wrong.

use std::io::Write as _;
use std::net::TcpStream;

use crate::support;
use crate::support::socket::{ACCEPT, Got, OK, Socket, closed, frame, open, text};
use crate::support::talk::{backend, collecting, gateway, hasty_gateway, note};
use crate::support::{Backend, Gateway};

/// All rpcs that stream take WebSockets, but for one that has the path of another.
const OPEN: &str = "rpcs: {talk.Talk.Chat: {websocket: {}}, talk.Talk.Texts: {websocket: {}}, \
                    talk.Talk.Collect: {websocket: {}}, talk.Talk.Add: {websocket: {}}, talk.Talk.Upload: {websocket: {}}, \
                    talk.Talk.Download: {websocket: {}}, talk.Talk.Post: {websocket: {}}}";
const WATCH: &str = "rpcs: {talk.Talk.Watch: {websocket: {}}}";

fn opened(gateway: &Gateway, target: &str) -> Socket {
    open(gateway.address, target, &[]).unwrap_or_else(|answer| panic!("{answer:?}"))
}

/// Answers each message with the same.
fn echoing() -> Backend {
    backend(|_, mut requests, replies| async move {
        while let Some(message) = requests.next().await {
            replies.send(&message).await;
        }
        replies.end("0", "").await;
    })
}

fn error(code: u8, message: &str) -> Got {
    Got::Text(format!("{{\"error\":{{\"code\":{code},\"message\":{}}}}}", serde_json::Value::from(message)))
}

#[test]
fn both_directions_of_a_websocket_are_open_at_once() {
    let backend = echoing();
    let gateway = gateway(&backend, OPEN);
    let mut socket = opened(&gateway, "/chat");
    let answer = &socket.answer;
    for (name, value) in [
        ("upgrade", Some("websocket")),
        ("connection", Some("Upgrade")),
        ("sec-websocket-accept", Some(ACCEPT)),
        ("sec-websocket-protocol", None),
        ("sec-websocket-extensions", None),
        ("content-length", None),
        ("transfer-encoding", None),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    for number in 1..=20 {
        socket.send(&format!("{{\"number\":{number}}}"));
        assert_eq!(socket.next(), text(&format!("{{\"result\":{{\"number\":{number}}}}}")));
    }
    socket.send("");
    assert_eq!(socket.rest(), [text(OK), closed(1000, "OK")]);
    // The gateway closes the connection when both have said so.
    assert_eq!(socket.next(), Got::Closed(None));
}

/// They are converted beside the thread that serves, in both directions.
#[test]
fn long_websocket_messages_arrive_complete_and_in_order() {
    let backend = echoing();
    let gateway = gateway(&backend, OPEN);
    let mut socket = opened(&gateway, "/chat");
    let long = "a".repeat(300_000);
    for (number, note) in [&*long, "short", &long].into_iter().enumerate() {
        let json = format!("{{\"text\":\"{note}\",\"number\":{}}}", number + 1);
        socket.send(&json);
        assert_eq!(socket.next(), text(&format!("{{\"result\":{json}}}")), "{number}");
    }
    socket.send("");
    assert_eq!(socket.rest(), [text(OK), closed(1000, "OK")]);
    // And the only one of a call that has one.
    let mut socket = opened(&gateway, "/notes/t");
    socket.send(&format!("{{\"text\":\"{long}\"}}"));
    socket.send("");
    let all = socket.rest();
    let [Got::Text(told), Got::Text(ok), end] = all.as_slice() else { panic!("{} frames", all.len()) };
    assert!(told.contains(&long), "{}", told.len());
    assert_eq!((ok.as_str(), end), (OK, &closed(1000, "OK")));
}

#[test]
fn a_websocket_call_without_a_body_takes_its_request_from_path_and_query() {
    let backend = backend(|rpc, mut requests, replies| async move {
        let all = requests.all().await;
        assert_eq!((rpc.as_str(), all.as_slice()), ("Watch", &[b"\x0a\x01t\x18\x07".to_vec()][..]));
        replies.send(&note("one", 1)).await;
        replies.send(&note("two", 2)).await;
        replies.end("0", "").await;
    });
    let gateway = gateway(&backend, WATCH);
    for says_so in [false, true] {
        let mut socket = opened(&gateway, "/notes/t?number=7");
        if says_so {
            socket.send("");
        }
        let one = text(r#"{"result":{"text":"one","number":1}}"#);
        let two = text(r#"{"result":{"text":"two","number":2}}"#);
        assert_eq!(socket.rest(), [one, two, text(OK), closed(1000, "OK")]);
    }
}

#[test]
fn the_first_frame_is_the_request_message_of_a_server_streaming_call() {
    let backend = backend(|_, mut requests, replies| async move {
        let all = requests.all().await;
        assert_eq!(all, [b"\x0a\x01t".to_vec()]);
        replies.send(&note("one", 1)).await;
        replies.end("0", "").await;
    });
    let gateway = gateway(&backend, OPEN);
    let mut socket = opened(&gateway, "/texts");
    socket.send("{\"topic\":\"t\"}");
    // The value of `response_body`.
    assert_eq!(socket.rest(), [text(r#"{"result":"one"}"#), text(OK), closed(1000, "OK")]);
    for (sent, message) in [
        ("", "the request needs a JSON body; send {} to leave every field unset"),
        (
            "{\"topic\":1}",
            "field \\\"topic\\\": expected a string, got 1; put it in quotes: \\\"1\\\" (line 1, column 10)",
        ),
    ] {
        let mut socket = opened(&gateway, "/texts");
        socket.send(sent);
        let all = socket.rest();
        let [Got::Text(told), end] = all.as_slice() else { panic!("{all:?}") };
        assert!(told.starts_with(&format!("{{\"error\":{{\"code\":3,\"message\":\"{message}\"")), "{told}");
        assert_eq!(*end, closed(4003, "INVALID_ARGUMENT"));
    }
}

#[test]
fn a_client_streaming_websocket_call_is_answered_after_its_last_message() {
    let (backend, seen) = collecting(|count| note("got", count as u8));
    let gateway = gateway(&backend, OPEN);
    let on_t = |text: &str, number| [note(text, number).as_slice(), b"\x0a\x01t"].concat();
    for (target, frames, messages) in [
        (
            "/notes/t",
            &["{\"text\":\"one\",\"number\":1}", " {\"text\":\"two\",\n\"number\":2}\n"][..],
            vec![on_t("one", 1), on_t("two", 2)],
        ),
        ("/notes/t", &[], vec![]),
        ("/texts/t", &["\"one\"", "\"two\""], vec![b"\x0a\x01t\x12\x03one".to_vec(), b"\x0a\x01t\x12\x03two".to_vec()]),
        ("/texts/t?number=5", &["\"one\""], vec![b"\x0a\x01t\x18\x05\x12\x03one".to_vec()]),
    ] {
        let mut socket = opened(&gateway, target);
        frames.iter().for_each(|frame| socket.send(frame));
        socket.send("");
        let expected = match messages.len() {
            0 => r#"{"result":{"text":"got"}}"#.to_owned(),
            count => format!(r#"{{"result":{{"text":"got","number":{count}}}}}"#),
        };
        assert_eq!(socket.rest(), [text(&expected), text(OK), closed(1000, "OK")], "{target} {frames:?}");
        assert_eq!(*seen.lock().unwrap(), messages, "{target} {frames:?}");
    }
}

#[test]
fn http_body_data_is_carried_in_binary_frames() {
    let (uploads, seen) = collecting(|count| note("got", count as u8));
    let gateway_of_uploads = gateway(&uploads, OPEN);
    // A `talk.Piece`: its content of a content type, and its name.
    let piece = |content_type: &str, data: &[u8]| {
        let field = |number: u8, bytes: &[u8]| match bytes.len() {
            0 => vec![],
            length => [&[number << 3 | 2, u8::try_from(length).unwrap()][..], bytes].concat(),
        };
        let content = [field(1, content_type.as_bytes()), field(2, data)].concat();
        [vec![0x0a, 1, b'n', 0x12, u8::try_from(content.len()).unwrap()], content].concat()
    };
    for (headers, frames, messages) in [
        (&[][..], &[&b"\x00\xff"[..], b"", b"two"][..], vec![piece("", b"\x00\xff"), piece("", b"two")]),
        (&[("Content-Type", "image/png")], &[b"one"], vec![piece("image/png", b"one")]),
        (&[("Content-Type", "image/png")], &[], vec![piece("image/png", b"")]),
    ] {
        let mut socket = open(gateway_of_uploads.address, "/files/n", headers).ok().unwrap();
        frames.iter().for_each(|frame| socket.send_bytes(frame));
        socket.send("");
        let result = format!(r#"{{"result":{{"text":"got","number":{}}}}}"#, messages.len());
        assert_eq!(socket.rest(), [text(&result), text(OK), closed(1000, "OK")], "{frames:?}");
        let mut seen = seen.lock().unwrap().clone();
        seen.iter_mut().for_each(|message| message.sort_unstable());
        let mut messages = messages;
        messages.iter_mut().for_each(|message| message.sort_unstable());
        assert_eq!(seen, messages, "{frames:?}");
    }

    let downloads = backend(|_, _, replies| async move {
        replies.send(b"\x0a\x01x\x12\x03\x00\xffa").await;
        replies.send(b"\x12\x02bc").await;
        replies.end("14", "gone").await;
    });
    let gateway = gateway(&downloads, OPEN);
    let binary = |bytes: &[u8]| Got::Binary(bytes.to_vec());
    let frames = [binary(b"\x00\xffa"), binary(b"bc"), error(14, "gone"), closed(4014, "UNAVAILABLE")];
    assert_eq!(opened(&gateway, "/downloads/t").rest(), frames);
}

/// One of several backends in a table of them.
#[derive(Clone, Copy, Debug)]
enum Does {
    Refuses,
    Fails,
    Cuts,
    EndsWithoutStatus,
    SendsRubbish,
    SendsTooMuch,
}

#[test]
fn a_backend_error_is_the_last_frame_and_sets_the_close_code() {
    let lost = "the connection to the backend was lost during the call; its outcome is unknown";
    let unreadable = "the backend's answer cannot be read; the outcome of the call is unknown";
    let undecodable = "a message of the backend cannot be read; the outcome of the call is unknown";
    for (does, code, message, name) in [
        (Does::Refuses, 5, "no such topic", "NOT_FOUND"),
        (Does::Fails, 9, "the account is closed!", "FAILED_PRECONDITION"),
        (Does::Cuts, 2, lost, "UNKNOWN"),
        (Does::EndsWithoutStatus, 2, unreadable, "UNKNOWN"),
        (Does::SendsRubbish, 13, undecodable, "INTERNAL"),
        (Does::SendsTooMuch, 8, "the backend's reply is larger than the limit of 1024 bytes", "RESOURCE_EXHAUSTED"),
    ] {
        let backend = backend(move |_, _, replies| async move {
            if matches!(does, Does::Refuses) {
                return replies.end("5", "no such topic").await;
            }
            replies.send(&note("one", 1)).await;
            match does {
                Does::Fails => return replies.end("9", "the account is closed%21").await,
                Does::Cuts => return replies.cut().await,
                Does::EndsWithoutStatus => return,
                Does::SendsRubbish => drop(replies.send(&[0x12, 0x05, 0xff]).await),
                Does::SendsTooMuch => drop(replies.raw(vec![0, 0, 0, 4, 1]).await),
                Does::Refuses => {}
            }
            replies.end("0", "").await;
        });
        let limited = "rpcs: {talk.Talk.Watch: {websocket: {}, reply_limit: 1KiB}}";
        let gateway = gateway(&backend, limited);
        let all = opened(&gateway, "/notes/t").rest();
        let mut expected = vec![text(r#"{"result":{"text":"one","number":1}}"#)];
        expected.retain(|_| !matches!(does, Does::Refuses));
        expected.extend([error(code, message), closed(4000 + u16::from(code), name)]);
        assert_eq!(all, expected, "{does:?}");
    }
}

#[test]
fn a_client_streaming_websocket_call_needs_exactly_one_reply_message() {
    for (count, status) in [(0, "0"), (2, "0"), (1, "14")] {
        let backend = backend(move |_, mut requests, replies| async move {
            requests.all().await;
            for _ in 0..count {
                replies.send(&note("one", 1)).await;
            }
            replies.end(status, "gone").await;
        });
        let gateway = gateway(&backend, OPEN);
        let mut socket = opened(&gateway, "/notes/t");
        socket.send("");
        let expected = match status {
            "14" => [error(14, "gone"), closed(4014, "UNAVAILABLE")],
            _ => {
                let message = "the backend's answer cannot be read; the outcome of the call is unknown";
                [error(13, message), closed(4013, "INTERNAL")]
            }
        };
        assert_eq!(socket.rest(), expected, "{count} {status}");
    }
}

#[test]
fn a_websocket_that_outlasts_the_drain_timeout_ends_with_the_reason() {
    let backend = backend(|_, _, replies| async move {
        replies.send(&note("one", 1)).await;
        replies.given_up().await;
    });
    let mut gateway = hasty_gateway(&backend, WATCH);
    let mut socket = opened(&gateway, "/notes/t");
    assert_eq!(socket.next(), text(r#"{"result":{"text":"one","number":1}}"#));
    gateway.stop();
    let message = "the gateway is shutting down and has ended the call; its outcome is unknown";
    assert_eq!(socket.rest(), [error(14, message), closed(4014, "UNAVAILABLE")]);
    gateway.join();
}

#[test]
fn a_websocket_deadline_error_says_how_many_messages_had_arrived() {
    let backend = backend(|_, _, replies| async move {
        replies.send(&note("one", 1)).await;
        replies.send(&note("two", 2)).await;
        replies.given_up().await;
    });
    let gateway = gateway(&backend, "streams: {deadline: 500ms}\nrpcs: {talk.Talk.Watch: {websocket: {}}}");
    let message = "the stream did not end within the gateway's deadline of 500ms; 2 messages had arrived, and the outcome of the call is unknown";
    let rest = opened(&gateway, "/notes/t").rest();
    assert_eq!(rest[2..], [error(4, message), closed(4004, "DEADLINE_EXCEEDED")]);
}

/// Frames as they stand on the wire.
fn write(socket: &mut Socket, bytes: &[u8]) {
    let stream: &mut TcpStream = socket.frames.get_mut();
    stream.write_all(bytes).unwrap();
}

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const TEXT_BEGINS: u8 = 0x01;
const MIDDLE: u8 = 0x00;
const LAST: u8 = 0x80;
const PING: u8 = 0x89;

#[test]
fn an_invalid_websocket_message_or_frame_ends_the_call_with_an_error() {
    let backend = backend(|_, mut requests, replies| async move {
        requests.all().await;
        std::future::pending::<()>().await;
        drop(replies);
    });
    let config = format!("requests: {{body_limit: 64}}\n{OPEN}");
    let gateway = gateway(&backend, &config);
    let unknown = "; the call was cancelled after 1 message, and its outcome is unknown";
    let large = "message 1: a message is larger than the limit of 64 bytes";
    let no_frames = "message 1: the WebSocket frames break a rule of RFC 6455";
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(80));
    // Only the beginning of a frame of 16 EiB.
    let huge = [&[TEXT, 0xff][..], &u64::MAX.to_be_bytes(), &[0; 4]].concat();
    for (target, bytes, message, code) in [
        (
            "/notes/t",
            frame(TEXT, b"{"),
            "message 1: the body: expected a member name in double quotes, got the end of the JSON (line 1, column 2)".to_owned(),
            4003,
        ),
        (
            "/notes/t",
            [frame(TEXT, b"{}"), frame(TEXT, b"{\"number\":\"x\"}")].concat(),
            format!("message 2: field \"number\": expected an int32, got \"x\" (line 1, column 11){unknown}"),
            4003,
        ),
        (
            "/notes/t",
            frame(TEXT, b"{\"topic\":\"other\"}"),
            "message 1: field \"topic\": the path and the body have different values for it; leave it out of the body, or send the same value".to_owned(),
            4003,
        ),
        (
            "/notes/t",
            [frame(TEXT, b"{}"), frame(BINARY, b"{}")].concat(),
            format!("message 2: expected text frames with JSON, got a binary frame{unknown}"),
            4003,
        ),
        (
            "/files/n",
            frame(TEXT, b"{}"),
            "message 1: expected binary frames, and an empty text frame as the last one, got a text frame".to_owned(),
            4003,
        ),
        (
            "/notes/t",
            [frame(TEXT, b""), frame(TEXT, b"{}")].concat(),
            "the call takes no more messages, but another one arrived".to_owned(),
            4003,
        ),
        (
            "/texts",
            [frame(TEXT, b"{}"), frame(TEXT, b"{}")].concat(),
            "the call takes no more messages, but another one arrived".to_owned(),
            4003,
        ),
        ("/downloads/t", frame(TEXT, b"{}"), "the call takes no more messages, but another one arrived".to_owned(), 4003),
        ("/notes/t", frame(TEXT, long.as_bytes()), large.to_owned(), 1009),
        ("/files/n", frame(BINARY, &[0; 65]), large.to_owned(), 1009),
        (
            "/notes/t",
            [frame(TEXT_BEGINS, &[b' '; 40]), frame(MIDDLE, &[b' '; 20]), frame(LAST, &[b' '; 5])].concat(),
            large.to_owned(),
            1009,
        ),
        ("/notes/t", huge, large.to_owned(), 1009),
        (
            "/texts",
            frame(TEXT, &[b' '; 65]),
            "a message is larger than the limit of 64 bytes".to_owned(),
            1009,
        ),
        (
            "/notes/t",
            frame(TEXT, b"{\"text\":\"\xff\"}"),
            "message 1: a text frame is not valid UTF-8".to_owned(),
            1007,
        ),
        (
            "/notes/t",
            [frame(TEXT_BEGINS, b"\"\xc3"), frame(LAST, b"\"")].concat(),
            "message 1: a text frame is not valid UTF-8".to_owned(),
            1007,
        ),
        // Not masked; with a bit of an extension; of an unknown kind; a piece of nothing; a message within another.
        ("/notes/t", [&[TEXT, 2][..], b"{}"].concat(), no_frames.to_owned(), 1002),
        ("/notes/t", frame(TEXT | 0x40, b"{}"), no_frames.to_owned(), 1002),
        ("/notes/t", frame(0x83, b"{}"), no_frames.to_owned(), 1002),
        ("/notes/t", frame(LAST, b"{}"), no_frames.to_owned(), 1002),
        ("/notes/t", [frame(TEXT_BEGINS, b"{"), frame(TEXT, b"{}")].concat(), no_frames.to_owned(), 1002),
        ("/notes/t", frame(PING | 0x10, &[0; 100]), no_frames.to_owned(), 1002),
        ("/notes/t", frame(0x09, b""), no_frames.to_owned(), 1002),
        ("/downloads/t", frame(0x83, b""), "the WebSocket frames break a rule of RFC 6455".to_owned(), 1002),
    ] {
        let mut socket = opened(&gateway, target);
        // Control frames may be longer than messages here.
        write(&mut socket, &[frame(PING, &[0; 125]), bytes].concat());
        let all = socket.rest();
        let [Got::Text(told), end] = all.as_slice() else { panic!("{all:?}") };
        let json: serde_json::Value = serde_json::from_str(told).unwrap();
        assert_eq!((json["error"]["code"].as_i64(), json["error"]["message"].as_str()), (Some(3), Some(&*message)));
        assert_eq!(*end, closed(code, "INVALID_ARGUMENT"), "{message}");
    }
}

#[test]
fn a_message_can_be_split_over_frames_with_control_frames_between() {
    let backend = echoing();
    let gateway = gateway(&backend, OPEN);
    let mut socket = opened(&gateway, "/chat");
    let bytes = [
        frame(TEXT_BEGINS, b"{\"text\":\"\xc3"),
        frame(PING, b"one"),
        frame(MIDDLE, b"\xa9\",\"num"),
        frame(0x8a, b"a pong that nobody asked for"),
        frame(MIDDLE, b""),
        frame(LAST, b"ber\":1}"),
        frame(TEXT, b""),
    ];
    // Byte by byte.
    for byte in bytes.concat() {
        write(&mut socket, &[byte]);
    }
    use tokio_tungstenite::tungstenite::protocol::Message;
    assert_eq!(socket.frames.read().unwrap(), Message::Pong("one".into()));
    let result = text("{\"result\":{\"text\":\"\u{e9}\",\"number\":1}}");
    assert_eq!(socket.rest(), [result, text(OK), closed(1000, "OK")]);
}

#[test]
fn frames_sent_together_with_the_handshake_are_read() {
    let backend = echoing();
    let gateway = gateway(&backend, OPEN);
    let mut stream = support::http::connect(gateway.address);
    let head: String = support::socket::ASKING.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("GET /chat HTTP/1.1\r\nHost: gateway.test\r\n{head}\r\n");
    stream.write_all(&[head.as_bytes(), &frame(TEXT, b"{\"number\":1}"), &frame(TEXT, b"")].concat()).unwrap();
    let mut socket = support::socket::over(stream).ok().unwrap();
    assert_eq!(socket.rest(), [text(r#"{"result":{"number":1}}"#), text(OK), closed(1000, "OK")]);
}

#[test]
fn a_call_that_the_backend_ends_early_closes_the_websocket() {
    let backend = backend(|_, mut requests, replies| async move {
        requests.next().await;
        replies.send(&note("enough", 1)).await;
        replies.end("0", "").await;
    });
    let gateway = gateway(&backend, OPEN);
    let mut socket = opened(&gateway, "/chat");
    socket.send("{}");
    let enough = text(r#"{"result":{"text":"enough","number":1}}"#);
    assert_eq!(socket.rest(), [enough, text(OK), closed(1000, "OK")]);
}
