//! Streams through a real nginx, which speaks HTTP/1.1 to the gateway: they come message by message, and what was cut is seen.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::http;
use crate::support::nginx::{KEPT_CONNECTIONS, Nginx, UPGRADES};
use crate::support::socket::{OK, closed, open, text};
use crate::support::talk::{Reader, backend, gateway, note};

#[test]
fn through_nginx_stream_messages_arrive_at_once_and_the_end_is_visible() {
    let (asked, asking) = channel::<()>();
    let asking = Arc::new(Mutex::new(asking));
    let backend = backend(move |_, mut requests, replies| {
        let asking = asking.clone();
        async move {
            let request = requests.next().await.unwrap();
            replies.send(&note("one", 1)).await;
            let wait = move || asking.lock().unwrap().recv_timeout(Duration::from_secs(20));
            let _ = tokio::task::spawn_blocking(wait).await;
            replies.send(&note("two", 2)).await;
            replies.end(if request.ends_with(b"bad") { "14" } else { "0" }, "gone").await;
        }
    });
    let gateway = gateway(&backend, "");
    let Some(nginx) = Nginx::start("", KEPT_CONNECTIONS, gateway.address) else { return };
    let one = "{\"text\":\"one\",\"number\":1}";
    let two = "{\"text\":\"two\",\"number\":2}";
    for (accept, topic, first, rest, is_whole) in [
        (
            "application/x-ndjson",
            "good",
            format!("{{\"result\":{one}}}\n"),
            format!("{{\"result\":{two}}}\n{{\"status\":{{\"code\":0}}}}\n"),
            true,
        ),
        (
            "application/x-ndjson",
            "bad",
            format!("{{\"result\":{one}}}\n"),
            format!("{{\"result\":{two}}}\n{{\"error\":{{\"code\":14,\"message\":\"gone\"}}}}\n"),
            true,
        ),
        (
            "text/event-stream",
            "good",
            format!("id: 1\ndata: {one}\n\n"),
            format!("id: 2\ndata: {two}\n\nevent: end\ndata: {{\"code\":0}}\n\n"),
            true,
        ),
        ("application/json", "good", format!("[{one}"), format!(",{two}]"), true),
        ("application/json", "bad", format!("[{one}"), format!(",{two}"), false),
    ] {
        let mut stream = http::connect(nginx.address);
        http::write(&mut stream, "GET", &format!("/notes/{topic}"), &[("Accept", accept)], None);
        let mut reader = Reader::new(stream);
        assert_eq!((reader.answer.status, reader.answer.header("content-type")), (200, Some(accept)));
        // nginx holds nothing back: the second message is sent only when the first has been read.
        assert_eq!(String::from_utf8(reader.chunk().unwrap()).unwrap(), first, "{accept} {topic}");
        asked.send(()).unwrap();
        let (bytes, whole) = reader.bytes();
        assert_eq!((String::from_utf8(bytes).unwrap(), whole), (rest, is_whole), "{accept} {topic}");
    }
}

#[test]
fn through_nginx_websockets_work_if_nginx_forwards_upgrades() {
    let backend = backend(|_, mut requests, replies| async move {
        while let Some(message) = requests.next().await {
            replies.send(&message).await;
        }
        replies.end("0", "").await;
    });
    let page = "https://app.bank.example";
    let websocket = format!("rpcs: {{talk.Talk.Chat: {{websocket: {{origins: [\"{page}\"]}}}}}}");
    let gateway = gateway(&backend, &websocket);
    let Some(nginx) = Nginx::start("", UPGRADES, gateway.address) else { return };
    let mut socket = open(nginx.address, "/chat", &[("Origin", page)]).ok().unwrap();
    for number in 1..=20 {
        socket.send(&format!("{{\"number\":{number}}}"));
        assert_eq!(socket.next(), text(&format!("{{\"result\":{{\"number\":{number}}}}}")));
    }
    socket.send("");
    assert_eq!(socket.rest(), [text(OK), closed(1000, "OK")]);
    let refused = open(nginx.address, "/chat", &[("Origin", "https://evil.example")]).err().unwrap();
    assert_eq!((refused.status, refused.refusal().0), (403, 7));

    // One that is told nothing asks for nothing.
    let Some(nginx) = Nginx::start("", KEPT_CONNECTIONS, gateway.address) else { return };
    let refused = open(nginx.address, "/chat", &[]).err().unwrap();
    assert_eq!((refused.status, refused.header("allow")), (405, Some("OPTIONS, POST")));
}

/// nginx asks with HTTP/1.0 unless it is told otherwise: an answer without a length ends with its connection.
#[test]
fn through_nginx_with_defaults_callers_notice_an_interrupted_download() {
    let backend = backend(|_, mut requests, replies| async move {
        let request = requests.next().await.unwrap();
        for piece in [&b"AAAA\n"[..], b"HTTP/1.1 404 x\r\ncontent-length: 0\r\n\r\n", b"BBBB\n"] {
            // A `google.api.HttpBody` with its data alone.
            replies.send(&[&[0x12, u8::try_from(piece.len()).unwrap()][..], piece].concat()).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        replies.end(if request.ends_with(b"half") { "14" } else { "0" }, "gone").await;
    });
    let gateway = gateway(&backend, "");
    let Some(nginx) = Nginx::start("", "", gateway.address) else { return };
    for (topic, is_whole) in [("all", true), ("half", false)] {
        let mut stream = http::connect(nginx.address);
        http::write(&mut stream, "GET", &format!("/downloads/{topic}"), &[], None);
        let (bytes, whole) = Reader::new(stream).bytes();
        assert_eq!(whole, is_whole, "{topic}");
        if is_whole {
            let text = "AAAA\nHTTP/1.1 404 x\r\ncontent-length: 0\r\n\r\nBBBB\n";
            assert_eq!(String::from_utf8(bytes).unwrap(), text);
        }
    }
}
