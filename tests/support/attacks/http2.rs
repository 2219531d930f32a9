//! Those of HTTP/2, frame by frame: RFC 9113.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::{Kind, PATIENCE, STEP, Target, Tls};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

pub(super) fn all() -> Vec<Kind> {
    Vec::from(kinds![
        4 rapid_resets,
        4 made_resets,
        4 endless_heads,
        2 empty_data,
        2 pings,
        2 settings,
        2 priorities,
        2 window_updates,
        20 zero_windows,
        20 tiny_windows,
        4 unfolding_heads,
        100 begun_heads,
        20 many_bodies,
        20 unread_refusals,
    ])
}

/// The kind, the flags and the payload of the next frame that comes.
pub(super) async fn read_frame(read: &mut (impl AsyncRead + Unpin)) -> Option<(u8, u8, Vec<u8>)> {
    let mut head = [0; 9];
    read.read_exact(&mut head).await.ok()?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    read.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[4], payload))
}

/// RST_STREAM with CANCEL.
pub(super) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header that goes into no table: RFC 7541, section 6.2.2.
fn header(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let mut encoded = Vec::new();
        match u8::try_from(text.len()).ok().filter(|&length| length < 127) {
            Some(length) => encoded.push(length),
            None => {
                encoded.push(127);
                prost::encoding::encode_varint((text.len() - 127) as u64, &mut encoded);
            }
        }
        encoded.extend(text.as_bytes());
        encoded
    };
    [vec![0], text(name), text(value)].concat()
}

fn head(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "https"), (":authority", "gateway.test"), (":path", path)];
    pseudo.iter().chain(more).flat_map(|(name, value)| header(name, value)).collect()
}

pub(super) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &head("GET", path, &[]))
}

/// The numbers of streams, each once.
pub(super) fn streams() -> impl Iterator<Item = u32> {
    (0..).map(|number| 2 * number + 1)
}

pub(super) async fn begin(target: &Target, settings: &[u8]) -> Tls {
    let mut stream = target.connect(&target.http2).await;
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, settings)[..]].concat();
    let _ = stream.write_all(&preface).await;
    stream
}

/// Sends what `make` gives, and reads what comes, until the gateway ends the connection.
pub(super) async fn flood(target: &Target, settings: &[u8], mut make: impl FnMut(u32) -> Vec<u8>) {
    let (mut read, mut write) = tokio::io::split(begin(target, settings).await);
    let reading = async {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(1..) = read.read(&mut buffer).await {}
    };
    let sending = async {
        for stream in streams() {
            if !matches!(timeout(PATIENCE, write.write_all(&make(stream))).await, Ok(Ok(()))) {
                return;
            }
            if stream % 200 == 1 {
                let _ = write.flush().await;
                sleep(Duration::from_millis(20)).await;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = sending => {}
    }
    sleep(STEP).await;
}

///
async fn rapid_resets(target: Target, _: usize) {
    loop {
        let call = |stream| [get(stream, "/balance/a"), reset(stream)].concat();
        flood(&target, &[], call).await;
    }
}

/// a window that grows by nothing makes the gateway reset the stream.
async fn made_resets(target: Target, _: usize) {
    loop {
        let call = |stream| [get(stream, "/balance/a"), frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat();
        flood(&target, &[], call).await;
    }
}

///
async fn endless_heads(target: Target, _: usize) {
    loop {
        let begun = frame(HEADERS, END_STREAM, 1, &head("GET", "/balance/a", &[]));
        let more = frame(CONTINUATION, 0, 1, &header("x", "y"));
        flood(&target, &[], |stream| if stream == 1 { begun.clone() } else { more.clone() }).await;
    }
}

async fn empty_data(target: Target, _: usize) {
    let json = [("content-type", "application/json")];
    loop {
        let begun = frame(HEADERS, END_HEADERS, 1, &head("POST", "/put", &json));
        flood(&target, &[], |stream| if stream == 1 { begun.clone() } else { frame(DATA, 0, 1, &[]) }).await;
    }
}

async fn pings(target: Target, _: usize) {
    loop {
        flood(&target, &[], |_| frame(PING, 0, 0, &[0; 8])).await;
    }
}

async fn settings(target: Target, _: usize) {
    loop {
        flood(&target, &[], |_| frame(SETTINGS, 0, 0, &[])).await;
    }
}

async fn priorities(target: Target, _: usize) {
    loop {
        flood(&target, &[], |stream| frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 9])).await;
    }
}

async fn window_updates(target: Target, _: usize) {
    loop {
        flood(&target, &[], |_| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())).await;
    }
}

/// SETTINGS_INITIAL_WINDOW_SIZE.
pub(super) fn window(bytes: u32) -> Vec<u8> {
    [&[0, 4][..], &bytes.to_be_bytes()].concat()
}

/// Large replies on a connection that takes nothing, or next to nothing.
async fn unread(target: &Target, bytes: u32) {
    let (mut read, mut write) = tokio::io::split(begin(target, &window(bytes)).await);
    for stream in streams().take(100) {
        let _ = write.write_all(&get(stream, "/large")).await;
    }
    let _ = write.flush().await;
    let mut buffer = vec![0; 16 << 10];
    let _ = timeout(PATIENCE, async { while let Ok(1..) = read.read(&mut buffer).await {} }).await;
}

async fn zero_windows(target: Target, _: usize) {
    loop {
        unread(&target, 0).await;
    }
}

async fn tiny_windows(target: Target, _: usize) {
    loop {
        unread(&target, 1).await;
    }
}

///
async fn unfolding_heads(target: Target, _: usize) {
    loop {
        let mut first = header("x", &"a".repeat(4000));
        first[0] = 0x40;
        let block = [head("GET", "/balance/a", &[]), first, vec![0xbe; 12_000]].concat();
        flood(&target, &[], |stream| frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)).await;
    }
}

/// heads that do not end, of nearly as many bytes as may be, which are then held.
async fn begun_heads(target: Target, _: usize) {
    let value = "a".repeat(8000);
    loop {
        let mut stream = begin(&target, &[]).await;
        let _ = stream.write_all(&frame(HEADERS, END_STREAM, 1, &head("GET", "/balance/a", &[]))).await;
        for number in 0..12 {
            let more = frame(CONTINUATION, 0, 1, &header(&format!("x-{number}"), &value));
            let _ = stream.write_all(&more).await;
            let _ = stream.flush().await;
            sleep(STEP).await;
        }
        let mut buffer = [0; 4096];
        let _ = timeout(PATIENCE, async { while let Ok(1..) = stream.read(&mut buffer).await {} }).await;
    }
}

/// as many calls on a connection as may be, each with a body that does not end.
async fn many_bodies(target: Target, _: usize) {
    let head = head("POST", "/put", &[("content-type", "application/json")]);
    loop {
        let (mut read, mut write) = tokio::io::split(begin(&target, &[]).await);
        let sending = async {
            for stream in streams().take(100) {
                write.write_all(&frame(HEADERS, END_HEADERS, stream, &head)).await?;
            }
            // As much as each connection takes without a word of the gateway.
            for _ in 0..600 {
                for stream in streams().take(100) {
                    write.write_all(&frame(DATA, 0, stream, &[b' '; 600])).await?;
                }
                write.flush().await?;
                sleep(Duration::from_millis(50)).await;
            }
            std::io::Result::Ok(())
        };
        let reading = async {
            let mut buffer = vec![0; 16 << 10];
            while let Ok(1..) = read.read(&mut buffer).await {}
        };
        tokio::select! {
            _ = timeout(PATIENCE, sending) => {}
            () = reading => {}
        }
        sleep(STEP).await;
    }
}

/// Answers without a call that nobody takes, on a connection that is not read at all.
async fn unread_refusals(target: Target, _: usize) {
    loop {
        let mut stream = begin(&target, &window(1)).await;
        for number in streams().take(2000) {
            let call = if number % 4 == 1 { get(number, "/nothing") } else { get(number, "/balance/a") };
            if !matches!(timeout(PATIENCE, stream.write_all(&call)).await, Ok(Ok(()))) {
                break;
            }
        }
        let _ = stream.flush().await;
        sleep(PATIENCE).await;
    }
}
