//! How WebSockets end when somebody goes away, is silent or slow, when their time is over, and when the gateway stops.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};

use crate::support;
use crate::support::socket::{Got, OK, Socket, closed, frame, open, text};
use crate::support::talk::{backend, gateway, note, shared};
use crate::support::{Backend, Gateway, http};

const OPEN: &str =
    "rpcs: {talk.Talk.Chat: {websocket: {}}, talk.Talk.Watch: {websocket: {}}, talk.Talk.Texts: {websocket: {}}}";

fn opened(gateway: &Gateway, target: &str) -> Socket {
    open(gateway.address, target, &[]).unwrap_or_else(|answer| panic!("{answer:?}"))
}

/// Sends one message, and then nothing until the call is given up, which it tells.
fn holding() -> (Backend, Receiver<()>) {
    let (ended, ends) = channel();
    let ended = Arc::new(Mutex::new(ended));
    let backend = backend(move |_, mut requests, replies| {
        let ended = ended.clone();
        async move {
            replies.send(&note("one", 1)).await;
            // A stream that is reset ends with an error.
            requests.all().await;
            while replies.send(&[]).await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let _ = ended.lock().unwrap().send(());
        }
    });
    (backend, ends)
}

#[test]
fn closing_or_dropping_a_websocket_ends_the_call_at_the_backend() {
    let (backend, ends) = holding();
    let gateway = gateway(&backend, OPEN);
    let one = text(r#"{"result":{"text":"one","number":1}}"#);
    for closes in [false, true] {
        let mut socket = opened(&gateway, "/chat");
        assert_eq!(socket.next(), one);
        if closes {
            let frame = CloseFrame { code: 1001.into(), reason: "off".into() };
            socket.frames.close(Some(frame)).unwrap();
            // What it says is said back.
            assert_eq!(socket.rest(), [closed(1001, "off")]);
        }
        drop(socket);
        ends.recv_timeout(Duration::from_secs(20)).unwrap();
    }
}

#[test]
fn a_dropped_websocket_does_not_count_as_the_end_of_the_request() {
    let (ended, ends) = channel();
    let ended = Arc::new(Mutex::new(ended));
    let backend = backend(move |_, requests, replies| {
        let ended = ended.clone();
        async move {
            let whole = requests.whole().await;
            ended.lock().unwrap().send(whole).unwrap();
            drop(replies);
        }
    });
    let gateway = gateway(&backend, "rpcs: {talk.Talk.Collect: {websocket: {}}}");
    for (says_so, whole) in [(true, Some(2)), (false, None)] {
        let mut socket = opened(&gateway, "/notes/t");
        socket.send("{}");
        socket.send("{}");
        if says_so {
            socket.send("");
        } else {
            drop(socket);
        }
        assert_eq!(ends.recv_timeout(Duration::from_secs(20)).unwrap(), whole, "{says_so}");
    }
}

#[test]
fn a_websocket_call_ends_at_its_deadline() {
    let (backend, ends) = holding();
    let gateway = gateway(&backend, &format!("streams: {{deadline: 300ms}}\n{OPEN}"));
    let mut socket = opened(&gateway, "/chat");
    let late = r#"{"error":{"code":4,"message":"the stream did not end within the gateway's deadline of 300ms; 1 message had arrived, and the outcome of the call is unknown","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"DEADLINE_EXCEEDED","domain":"towbar"}]}}"#;
    let one = text(r#"{"result":{"text":"one","number":1}}"#);
    assert_eq!(socket.rest(), [one, text(late), closed(4004, "DEADLINE_EXCEEDED")]);
    ends.recv_timeout(Duration::from_secs(20)).unwrap();
    // The caller may say that it has less time. Where its only message has not come, nothing was done.
    let mut socket = open(gateway.address, "/texts", &[("grpc-timeout", "200m")]).ok().unwrap();
    let silent = r#"{"error":{"code":4,"message":"no message arrived within the caller's timeout of 200ms (grpc-timeout)","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"BODY_TIMEOUT","domain":"towbar"}]}}"#;
    let one = text(r#"{"result":"one"}"#);
    assert_eq!(socket.rest(), [one, text(silent), closed(4004, "DEADLINE_EXCEEDED")]);
}

#[test]
fn a_websocket_that_answers_no_pings_is_closed() {
    let (backend, ends) = holding();
    let gateway = gateway(&backend, &format!("streams: {{keep_alive: 500ms}}\n{OPEN}"));
    // One that answers its pings stays, for more than twice the time.
    let mut socket = opened(&gateway, "/chat");
    let begun = Instant::now();
    let mut pings = 0;
    while begun.elapsed() < Duration::from_millis(3000) {
        match socket.frames.read().unwrap() {
            Message::Ping(data) => {
                assert_eq!(data.len(), 0);
                pings += 1;
            }
            Message::Text(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((2..=6).contains(&pings), "{pings} pings in 3 s");
    assert!(ends.try_recv().is_err());
    drop(socket);
    ends.recv_timeout(Duration::from_secs(20)).unwrap();
    // One that answers none is gone; the connection is closed without a word.
    let mut stream = opened(&gateway, "/chat").frames.into_inner();
    ends.recv_timeout(Duration::from_secs(20)).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    let one = br#"{"result":{"text":"one","number":1}}"#;
    assert_eq!(rest, [&[0x81, one.len() as u8], &one[..], &[0x89, 0]].concat());
}

/// A `talk.Note` with a text of 60 KiB.
fn large() -> Vec<u8> {
    let mut message = vec![0x12, 0x80, 0xe0, 0x03];
    message.resize(message.len() + (60 << 10), b'x');
    message
}

/// Waits until nothing changes any more.
fn settled(count: &Arc<Mutex<usize>>) -> usize {
    let mut before = 0;
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = *count.lock().unwrap();
        if now == before {
            return now;
        }
        before = now;
    }
}

#[test]
fn a_slow_websocket_reader_slows_the_backend() {
    let (sent, count) = shared::<usize>();
    let backend = backend(move |_, _, replies| {
        let sent = sent.clone();
        async move {
            for _ in 0..800 {
                replies.send(&large()).await;
                *sent.lock().unwrap() += large().len();
            }
            replies.end("0", "").await;
        }
    });
    let gateway = gateway(&backend, OPEN);
    let mut socket = opened(&gateway, "/notes/t");
    let before = settled(&count);
    // Windows, and the buffers of two sockets.
    assert!(before < 12 << 20, "{before} bytes are under way though nobody reads");
    // All of it comes to one who reads after all.
    let all = socket.rest();
    assert_eq!((all.len(), &all[800..]), (802, &[text(OK), closed(1000, "OK")][..]));
}

#[test]
fn a_slow_backend_slows_the_websocket_sender() {
    let (go, going) = channel::<()>();
    let going = Arc::new(Mutex::new(going));
    let (came, count) = shared::<usize>();
    let backend = backend(move |_, mut requests, replies| {
        let (came, going) = (came.clone(), going.clone());
        async move {
            let wait = move || going.lock().unwrap().recv_timeout(Duration::from_secs(30));
            let _ = tokio::task::spawn_blocking(wait).await;
            *came.lock().unwrap() = requests.all().await.len();
            replies.end("0", "").await;
        }
    });
    let gateway = gateway(&backend, &format!("streams: {{keep_alive: 200ms}}\n{OPEN}"));
    let mut socket = opened(&gateway, "/chat");
    let stream = socket.frames.get_mut();
    stream.set_write_timeout(Some(Duration::from_millis(1500))).unwrap();
    let message = frame(0x81, format!("{{\"text\":\"{}\"}}", "x".repeat(500 << 10)).as_bytes());
    let mut written = 0;
    // Until there is no room any more.
    let left = loop {
        match stream.write(&message[written % message.len()..]) {
            Ok(count) => written += count,
            Err(_) => break message.len() - written % message.len(),
        }
        assert!(written < 40 << 20, "{written} bytes are under way though nobody reads");
    };
    // Nobody read the caller, and so nobody says that it is silent.
    go.send(()).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(&message[message.len() - left..]).unwrap();
    stream.write_all(&frame(0x81, b"")).unwrap();
    assert_eq!(socket.rest(), [text(OK), closed(1000, "OK")]);
    assert_eq!(*count.lock().unwrap(), written.div_ceil(message.len()));
}

#[test]
fn a_caller_that_reads_no_pongs_cannot_send_pings_without_limit() {
    let (backend, ends) = holding();
    let gateway = gateway(&backend, OPEN);
    let mut socket = opened(&gateway, "/notes/t");
    let stream: &mut TcpStream = socket.frames.get_mut();
    stream.set_write_timeout(Some(Duration::from_millis(1500))).unwrap();
    let pings = frame(0x89, &[0; 125]).repeat(1000);
    let mut written = 0;
    // Nothing is read here, so the answers wait; and with them the rest of the pings.
    while let Ok(count) = stream.write(&pings) {
        written += count;
        assert!(written < 40 << 20, "{written} bytes of pings are taken though no answer is");
    }
    drop(socket);
    ends.recv_timeout(Duration::from_secs(20)).unwrap();
}

#[test]
fn a_stopping_gateway_waits_for_open_websockets() {
    let (go, going) = channel::<()>();
    let going = Arc::new(Mutex::new(going));
    let backend = backend(move |_, mut requests, replies| {
        let going = going.clone();
        async move {
            replies.send(&note("one", 1)).await;
            let wait = move || going.lock().unwrap().recv_timeout(Duration::from_secs(20));
            let _ = tokio::task::spawn_blocking(wait).await;
            requests.all().await;
            replies.send(&note("two", 2)).await;
            replies.end("0", "").await;
        }
    });
    let mut gateway = gateway(&backend, OPEN);
    let mut socket = opened(&gateway, "/chat");
    assert_eq!(socket.next(), text(r#"{"result":{"text":"one","number":1}}"#));
    gateway.stop();
    // Nobody else is let in.
    while TcpStream::connect(gateway.address).is_ok() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!gateway.has_stopped());
    socket.send("");
    go.send(()).unwrap();
    let two = text(r#"{"result":{"text":"two","number":2}}"#);
    assert_eq!(socket.rest(), [two, text(OK), closed(1000, "OK")]);
    gateway.join();
}

#[test]
fn a_websocket_whose_caller_never_answers_the_close_is_dropped() {
    let backend = backend(|_, _, replies| async move { replies.end("0", "").await });
    let gateway = gateway(&backend, OPEN);
    let mut stream = http::connect(gateway.address);
    http::write(&mut stream, "GET", "/notes/t", &support::socket::ASKING, None);
    assert_eq!(http::head(&mut stream).status, 101);
    let mut rest = Vec::new();
    let begun = Instant::now();
    stream.read_to_end(&mut rest).unwrap();
    let frames = [&[0x81, OK.len() as u8], OK.as_bytes(), &[0x88, 4, 0x03, 0xe8], b"OK"].concat();
    assert_eq!(rest, frames);
    assert!(begun.elapsed() > Duration::from_secs(2), "it is given time to answer");
}

#[test]
fn a_caller_that_sends_a_too_large_message_still_receives_the_error() {
    let backend = backend(|_, mut requests, replies| async move {
        requests.all().await;
        replies.end("0", "").await;
    });
    let gateway = gateway(&backend, &format!("requests: {{body_limit: 1KiB}}\n{OPEN}"));
    let mut socket = opened(&gateway, "/chat");
    // It goes on sending what is too large, and reads when it is done.
    let stream = socket.frames.get_mut();
    stream.write_all(&frame(0x81, &vec![b' '; 8 << 20])).unwrap();
    let message = "message 1: a message is larger than the limit of 1024 bytes";
    let error = Got::Text(format!("{{\"error\":{{\"code\":3,\"message\":\"{message}\"}}}}"));
    assert_eq!(socket.rest(), [error, closed(1009, "INVALID_ARGUMENT")]);
}
