//! What the release binary did not hold against once: each is one example of its kind.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::http2::{self, get, reset};
use super::{Kind, PATIENCE, STEP, Target, Tls, ask_on_and_on, request};

pub(super) fn all() -> Vec<Kind> {
    Vec::from(kinds![
        2 mask_bombs,
        4 zero_windows_with_pings,
        4 one_byte_windows_with_pings,
        4 drops_of_window,
        2 ping_acks,
        10 long_chains,
        4 paced_resets,
        4 slow_doubles,
        40 unread_websockets,
        10 websocket_pings,
        10 huge_websocket_frames,
        20 dripping_readers,
        20 hostile_streams,
        8 dripping_replies,
    ])
}

/// A PATCH whose mask would have every leaf's whole path: a type that can hold itself, deep, and then wide.
async fn mask_bombs(target: Target, _: usize) {
    let name = "\"aFieldWithALongNameSoThatThePathOfEachLeafBelowItIsLong\":{";
    let mut bush = String::from("\"leaf\":1");
    for _ in 0..13 {
        bush = format!("\"left\":{{{bush}}},\"right\":{{{bush}}}");
    }
    let body = format!("{{{}{bush}{}}}", name.repeat(45), "}".repeat(45));
    loop {
        request(&target, ("PATCH", "/deep"), "", body.as_bytes()).await;
        sleep(STEP).await;
    }
}

/// Replies of 700 KB on a connection that takes nothing, and that answers all that keeps it open.
async fn zero_windows_with_pings(target: Target, _: usize) {
    loop {
        unread(&target, 0, None).await;
    }
}

async fn one_byte_windows_with_pings(target: Target, _: usize) {
    loop {
        unread(&target, 1, None).await;
    }
}

/// The same, and now and then a byte more.
async fn drops_of_window(target: Target, _: usize) {
    loop {
        unread(&target, 0, Some(1)).await;
    }
}

async fn unread(target: &Target, window: u32, more: Option<u32>) {
    let (mut read, mut write) = tokio::io::split(http2::begin(target, &http2::window(window)).await);
    let (told, mut pings) = tokio::sync::mpsc::unbounded_channel();
    let reading = async {
        while let Some((kind, flags, payload)) = http2::read_frame(&mut read).await {
            if kind == http2::PING && flags == 0 {
                let _ = told.send(payload);
            }
        }
    };
    let writing = async {
        let mut streams = http2::streams();
        // Few at a time, so that each finds memory; and more than there may be, since some are refused.
        for turn in 0.. {
            let calls: Vec<u8> = streams
                .by_ref()
                .take(if turn < 40 { 5 } else { 1 })
                .flat_map(|stream| get(stream, "/medium"))
                .collect();
            if write.write_all(&calls).await.is_err() {
                return;
            }
            let sent = match timeout(STEP / 2, pings.recv()).await {
                Ok(Some(ping)) => write.write_all(&http2::frame(http2::PING, 1, 0, &ping)).await,
                _ => Ok(()),
            };
            let drops = more.into_iter().flat_map(|more| {
                http2::streams()
                    .take(100)
                    .flat_map(move |stream| http2::frame(http2::WINDOW_UPDATE, 0, stream, &more.to_be_bytes()))
            });
            let drops: Vec<u8> = drops.collect();
            if sent.is_err() || write.write_all(&drops).await.is_err() || write.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
    sleep(STEP).await;
}

/// Answers to PINGs that nobody has sent.
async fn ping_acks(target: Target, _: usize) {
    loop {
        http2::flood(&target, &[], |_| http2::frame(http2::PING, 1, 0, &[7; 8])).await;
    }
}

async fn long_chains(target: Target, _: usize) {
    loop {
        // Whatever becomes of it, the next one comes soon.
        let _ = timeout(PATIENCE, target.try_connect(&target.chain)).await;
        sleep(STEP).await;
    }
}

/// Calls of a bank that is slow, each given up at once: 500 in a second on each connection.
async fn paced_resets(target: Target, _: usize) {
    loop {
        let (mut read, mut write) = tokio::io::split(http2::begin(&target, &[]).await);
        let reading = async {
            let mut buffer = vec![0; 16 << 10];
            while let Ok(1..) = read.read(&mut buffer).await {}
        };
        let sending = async {
            for stream in http2::streams() {
                let call = [get(stream, "/slow"), reset(stream)].concat();
                if write.write_all(&call).await.is_err() || write.flush().await.is_err() {
                    return;
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            () = reading => {}
            () = sending => {}
        }
        sleep(STEP).await;
    }
}

/// Numbers that take the slow path of a parser, a whole body of them.
async fn slow_doubles(target: Target, _: usize) {
    let number = "17976931348623158079e289,";
    let mut body = "{\"rates\":[".to_owned() + &number.repeat(((1 << 20) - 64) / number.len());
    body.pop();
    body += "]}";
    loop {
        request(&target, ("POST", "/put"), "", body.as_bytes()).await;
        sleep(STEP).await;
    }
}

async fn open_websocket(target: &Target) -> Tls {
    let mut stream = target.connect(&target.http1).await;
    let handshake = "GET /watch HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let _ = stream.write_all(handshake.as_bytes()).await;
    let _ = stream.flush().await;
    stream
}

/// A stream that floods somebody who does not read.
async fn unread_websockets(target: Target, _: usize) {
    loop {
        let stream = open_websocket(&target).await;
        sleep(PATIENCE).await;
        drop(stream);
    }
}

/// Pings, whose answers nobody reads.
async fn websocket_pings(target: Target, _: usize) {
    let ping = [&[0x89, 0x80 | 125, 0, 0, 0, 0][..], &[b'a'; 125]].concat();
    loop {
        let mut stream = open_websocket(&target).await;
        let pings = ping.repeat(100);
        while matches!(timeout(PATIENCE, stream.write_all(&pings)).await, Ok(Ok(()))) {
            sleep(STEP / 5).await;
        }
    }
}

/// Frames that say that they are huge, and messages of many frames without an end.
async fn huge_websocket_frames(target: Target, index: usize) {
    let huge = [&[0x81, 0x80 | 127][..], &(1_u64 << 40).to_be_bytes(), &[0; 4], &[b'a'; 4096]].concat();
    let part = [&[0x00, 0x80 | 126][..], &60_000_u16.to_be_bytes(), &[0; 4], &[b'a'; 60_000]].concat();
    loop {
        let mut stream = open_websocket(&target).await;
        if index.is_multiple_of(2) {
            let _ = stream.write_all(&huge).await;
        } else {
            let _ = stream.write_all(&[0x01, 0x80, 0, 0, 0, 0]).await;
            while matches!(timeout(PATIENCE, stream.write_all(&part)).await, Ok(Ok(()))) {
                sleep(STEP / 5).await;
            }
        }
        let mut buffer = vec![0; 16 << 10];
        while let Ok(Ok(1..)) = timeout(STEP * 5, stream.read(&mut buffer)).await {}
    }
}

/// A reply of 4 MiB over HTTP/1.1, taken a few bytes at a time.
async fn dripping_readers(target: Target, _: usize) {
    loop {
        let mut stream = target.connect(&target.http1).await;
        let _ = stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
        while let Ok(Ok(1..)) = timeout(PATIENCE, stream.read(&mut [0; 64])).await {
            sleep(STEP).await;
        }
    }
}

/// A bank whose streams are wrong in every way that there is.
async fn hostile_streams(target: Target, index: usize) {
    let kinds = ["huge", "bomb", "large", "message", "unknown", "cut"];
    let head = format!("GET /streams/{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", kinds[index % kinds.len()]);
    ask_on_and_on(target, &head).await;
}

/// A bank that sends its reply byte by byte, or headers without end.
async fn dripping_replies(target: Target, index: usize) {
    let kinds = ["drip", "headers"];
    let head = format!("GET /hostile/{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", kinds[index % kinds.len()]);
    ask_on_and_on(target, &head).await;
}
