//! Calls over WebSockets: both ways at once over HTTP/1.1, how they end, and who may open one.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use support::socket::{ACCEPT, Got, OK, Socket, closed, open, text};
use support::talk::{backend, gateway};
use support::{Backend, Gateway};

/// All rpcs that stream take WebSockets, but for one that has the path of another.
const OPEN: &str = "rpcs: {talk.Talk.Chat: {websocket: {}}, \
                    talk.Talk.Texts: {websocket: {}}, talk.Talk.Collect: {websocket: {}}, talk.Talk.Add: {websocket: {}}, \
                    talk.Talk.Upload: {websocket: {}}, talk.Talk.Download: {websocket: {}}, talk.Talk.Post: {websocket: {}}}";

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

#[test]
fn both_ways_are_open_at_once() {
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
