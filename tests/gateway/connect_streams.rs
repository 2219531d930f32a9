//! Streams of Connect: messages in envelopes, the last of which tells the end, and what is wrong with a request.

use serde_json::{Value, json};

use crate::support::connect::{Got, gateway, gunzip, gzip, is, send, told};
use crate::support::grpc::{flagged, frame};
use crate::support::talk::{backend, note};
use crate::support::{Backend, Gateway};

const PROTO: (&str, &str) = ("content-type", "application/connect+proto");
const JSON: (&str, &str) = ("content-type", "application/connect+json");

/// Sends each message back as it comes. The text `fail` fails the call, `wait` waits.
fn echo() -> Backend {
    backend(|_, mut requests, replies| async move {
        while let Some(message) = requests.next().await {
            if message.ends_with(b"fail") {
                return replies.end_with("9", "no funds", &[("x-ended", "yes")]).await;
            }
            if message.ends_with(b"wait") {
                return replies.given_up().await;
            }
            replies.send(&message).await;
        }
        replies.end_with("0", "", &[("x-ended", "yes"), ("x-hidden", "yes")]).await;
    })
}

/// The messages of a stream, each with whether it was compressed, and what its end says.
#[derive(Debug)]
struct Streamed {
    messages: Vec<(bool, Vec<u8>)>,
    end: Value,
}

fn streamed(got: &Got) -> Streamed {
    let (mut body, mut messages) = (&got.body[..], Vec::new());
    loop {
        let length = u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize;
        let (message, rest) = body[5..].split_at(length);
        match body[0] {
            flag @ (0 | 1) => messages.push((flag == 1, message.to_vec())),
            2 => {
                assert!(rest.is_empty(), "nothing comes behind the end: {got:?}");
                return Streamed { messages, end: serde_json::from_slice(message).unwrap() };
            }
            flag => panic!("{flag}: {got:?}"),
        }
        body = rest;
    }
}

fn call(gateway: &Gateway, rpc: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
    send(gateway, false, ("POST", &format!("/talk.Talk/{rpc}")), headers, Some(body))
}

#[test]
fn messages_pass_in_envelopes_in_every_kind_of_connect_stream() {
    let backend = echo();
    let gateway = gateway(&backend, "rest, connect", "");
    let (one, two) = (note("one", 1), note(&"x".repeat(70_000), 2));
    let json = |text: &str, number: u8| format!("{{\"text\":\"{text}\",\"number\":{number}}}").into_bytes();
    let (json_one, json_two) = (json("one", 1), json(&"x".repeat(70_000), 2));
    // From here on, a message is converted outside the worker thread.
    let (long, json_long) = (note(&"y".repeat(300_000), 3), json(&"y".repeat(300_000), 3));
    for (content_type, one, two, long) in [(PROTO, one, two, long), (JSON, json_one, json_two, json_long)] {
        for (rpc, messages) in [
            ("Watch", vec![&one]),
            ("Watch", vec![&two]),
            ("Watch", vec![&long]),
            ("Collect", vec![&one]),
            ("Chat", vec![]),
            ("Chat", vec![&one, &two, &long, &one]),
        ] {
            let body: Vec<u8> = messages.iter().flat_map(|message| frame(message)).collect();
            for is_http2 in [false, true] {
                let input = format!("{content_type:?} {rpc} {}, HTTP/2: {is_http2}", messages.len());
                let got =
                    send(&gateway, is_http2, ("POST", &format!("/talk.Talk/{rpc}")), &[content_type], Some(&body));
                assert_eq!((got.status, got.header("content-type")), (200, Some(content_type.1)), "{input}");
                let metadata = ["x-started", "x-ended", "connect-accept-encoding"].map(|name| got.header(name));
                assert_eq!(metadata, [Some("yes"), None, Some("identity")], "{input}");
                let Streamed { messages: came, end } = streamed(&got);
                assert!(came.iter().map(|(_, message)| message).eq(messages.iter().copied()), "{input}");
                assert_eq!(end, json!({"metadata": {"x-ended": ["yes"]}}), "{input}");
            }
        }
    }
}

#[test]
fn a_refused_connect_stream_says_why_in_its_last_envelope() {
    let backend = echo();
    let gateway = gateway(&backend, "rest, connect", "requests: {body_limit: 100}\n");
    let cut = |bytes| format!("the message is cut short after {bytes} bytes, its prefix included");
    let packed = "the message is compressed, and the header connect-content-encoding does not say how";
    let malformed = |message: &str| is("internal", message, "MALFORMED_MESSAGE_FRAME");
    let count = |found: &str| {
        is("unimplemented", &format!("this call takes one request message, got {found}"), "WRONG_MESSAGE_COUNT")
    };
    let end = flagged(2, b"{}");
    for (rpc, body, expected) in [
        ("None", frame(b""), is("unimplemented", "no rpc with this path is served", "RPC_NOT_FOUND")),
        ("Watch", vec![], count("none")),
        ("Watch", [frame(b""), frame(b"")].concat(), count("several")),
        ("Watch", b"\0\0\0".to_vec(), malformed(&cut(3))),
        ("Watch", frame(b"abc")[..7].to_vec(), malformed(&cut(7))),
        ("Watch", flagged(1, b"abc"), malformed(packed)),
        // The end of a stream is told by answers only.
        ("Watch", end.clone(), malformed("the flag before the message is 2; expected 0 or 1")),
        ("Watch", flagged(128, b""), malformed("the flag before the message is 128; expected 0 or 1")),
        (
            "Watch",
            b"\0\x7f\xff\xff\xff".to_vec(),
            is("resource_exhausted", "the message is larger than the limit of 100 bytes", "BODY_TOO_LARGE"),
        ),
        ("Chat", end.clone(), malformed("message 1: the flag before the message is 2; expected 0 or 1")),
        (
            "Chat",
            [end.clone(), end].concat(),
            malformed("message 1: the flag before the message is 2; expected 0 or 1"),
        ),
        ("Chat", frame(b"abc")[..6].to_vec(), malformed(&format!("message 1: {}", cut(6)))),
        ("Chat", flagged(1, b"abc"), malformed(&format!("message 1: {packed}"))),
        ("Watch", note_frame("fail"), is("failed_precondition", "no funds", "")),
        ("Chat", note_frame("fail"), is("failed_precondition", "no funds", "")),
    ] {
        for is_http2 in [false, true] {
            let got = send(&gateway, is_http2, ("POST", &format!("/talk.Talk/{rpc}")), &[PROTO], Some(&body));
            let input = format!("{rpc} {body:?}, HTTP/2: {is_http2}");
            // "The HTTP status of a stream is always 200".
            assert_eq!((got.status, got.header("content-type")), (200, Some(PROTO.1)), "{input}");
            let Streamed { messages, end } = streamed(&got);
            assert_eq!((messages.len(), told(&end["error"])), (0, expected.clone()), "{input}");
        }
    }
    // JSON is read under the rules of REST.
    for (rpc, json, expected) in [
        ("Watch", "{\"txt\":1}", "unknown field \"txt\" (did you mean \"text\"?) (line 1, column 8)"),
        ("Chat", "{\"txt\":1}", "message 1: unknown field \"txt\" (did you mean \"text\"?) (line 1, column 8)"),
    ] {
        let got = call(&gateway, rpc, &[JSON], &frame(json.as_bytes()));
        assert_eq!((got.status, got.header("content-type")), (200, Some(JSON.1)), "{rpc}");
        assert_eq!(told(&streamed(&got).end["error"]), is("invalid_argument", expected, "UNKNOWN_FIELD"), "{rpc}");
    }
    // What HTTP has a status for has that status.
    for (method, rpc, content_type, status, types) in [
        ("POST", "Watch", "application/connect+xml", 415, Some("application/connect+json, application/connect+proto")),
        ("POST", "Ask", PROTO.1, 415, Some("application/json, application/proto")),
        ("PUT", "Watch", PROTO.1, 405, None),
    ] {
        let path = format!("/talk.Talk/{rpc}");
        let got = send(&gateway, false, (method, &path), &[("content-type", content_type)], Some(&frame(b"")));
        assert_eq!((got.status, got.header("accept-post")), (status, types), "{method} {rpc} {content_type}");
        assert!(got.json()["code"].is_string(), "{got:?}");
    }
}

#[test]
fn an_error_behind_messages_comes_behind_them() {
    let backend = echo();
    let gateway = gateway(&backend, "connect", "");
    let body = [frame(&note("a", 1)), note_frame("fail")].concat();
    let Streamed { messages, end } = streamed(&call(&gateway, "Chat", &[PROTO], &body));
    assert_eq!(messages, [(false, note("a", 1))]);
    let error = json!({"code": "failed_precondition", "message": "no funds"});
    assert_eq!(end, json!({"error": error, "metadata": {"x-ended": ["yes"]}}));
    let body = [frame(&note("a", 1)), flagged(3, b"")].concat();
    let Streamed { end, .. } = streamed(&call(&gateway, "Chat", &[PROTO], &body));
    let message = "message 2: the flag before the message is 3; expected 0 or 1; the call was cancelled after 1 message, and its \
                   outcome is unknown";
    assert_eq!(told(&end["error"]), is("internal", message, "MALFORMED_MESSAGE_FRAME"));
    // A time limit.
    let Streamed { end, .. } =
        streamed(&call(&gateway, "Watch", &[PROTO, ("connect-timeout-ms", "100")], &note_frame("wait")));
    assert_eq!(told(&end["error"]).code, "deadline_exceeded");
    // What is no message of its type cannot be written as JSON.
    let broken = backend_of(b"\xff\xff");
    let gateway = self::gateway(&broken, "connect", "");
    let Streamed { messages, end } = streamed(&call(&gateway, "Watch", &[JSON], &frame(b"{}")));
    assert_eq!((messages.len(), told(&end["error"]).reason.as_deref()), (0, Some("INVALID_STREAM_MESSAGE")));
}

#[test]
fn messages_in_envelopes_are_compressed_where_both_sides_allow_it() {
    let backend = echo();
    let more = "requests: {gzip: true, gzip_ratio: 2000, body_limit: 300000}\nreplies: {compression: true}\n";
    let gateway = gateway(&backend, "connect", more);
    let (short, middle, long) = (note("a", 1), note(&"b".repeat(5_000), 2), note(&"c".repeat(200_000), 3));
    let body: Vec<u8> = [&short, &middle, &long]
        .into_iter()
        .flat_map(|message| flagged(1, &gzip(message)))
        .chain(frame(&short))
        .collect();
    let packed = ("connect-content-encoding", "gzip");
    for rpc in ["Chat", "Watch"] {
        let body = if rpc == "Watch" { flagged(1, &gzip(&middle)) } else { body.clone() };
        let got = call(&gateway, rpc, &[PROTO, packed, ("connect-accept-encoding", "gzip")], &body);
        let encodings = ["connect-content-encoding", "connect-accept-encoding", "content-encoding"];
        assert_eq!(encodings.map(|name| got.header(name)), [Some("gzip"), Some("identity,gzip"), None], "{rpc}");
        let messages = streamed(&got).messages;
        let plain = |(is_packed, message): &(bool, Vec<u8>)| if *is_packed { gunzip(message) } else { message.clone() };
        let sent = if rpc == "Watch" { vec![&middle] } else { vec![&short, &middle, &long, &short] };
        assert!(messages.iter().map(plain).eq(sent.iter().map(|message| (*message).clone())), "{rpc}");
        // Neither short ones nor those that would take long.
        let is_packed: Vec<bool> = messages.iter().map(|(is_packed, _)| *is_packed).collect();
        assert_eq!(is_packed, if rpc == "Watch" { vec![true] } else { vec![false, true, false, false] }, "{rpc}");
        // Nobody asked for it.
        let got = call(&gateway, rpc, &[PROTO, packed], &body);
        assert!(streamed(&got).messages.iter().all(|(is_packed, _)| !is_packed), "{rpc}");
    }
    let bomb = flagged(1, &gzip(&[0; 300_001]));
    for (headers, body, code, reason) in [
        ([PROTO, ("connect-content-encoding", "br")], frame(b""), "unimplemented", "MESSAGE_ENCODING_NOT_SUPPORTED"),
        ([PROTO, ("content-encoding", "gzip")], frame(b""), "invalid_argument", "UNSUPPORTED_CONTENT_ENCODING"),
        ([PROTO, packed], bomb, "resource_exhausted", "BODY_TOO_LARGE"),
        ([PROTO, packed], flagged(1, b"abc"), "invalid_argument", "MALFORMED_GZIP"),
    ] {
        let Streamed { end, .. } = streamed(&call(&gateway, "Watch", &headers, &body));
        let told = told(&end["error"]);
        assert_eq!((told.code.as_str(), told.reason.as_deref()), (code, Some(reason)), "{headers:?}");
    }
}

fn note_frame(text: &str) -> Vec<u8> {
    frame(&[&[0x12, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat())
}

fn backend_of(reply: &'static [u8]) -> Backend {
    backend(move |_, mut requests, replies| async move {
        requests.all().await;
        replies.send(reply).await;
        replies.end("0", "").await;
    })
}
