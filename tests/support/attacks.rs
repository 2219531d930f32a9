//! Callers who mean ill, all of them bounded: each goes on until it is dropped, and waits between what it does, so that a gateway
//! that holds out is not judged by how fast the machine is.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whom they call.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    /// From which address of this machine.
    pub from: [u8; 4],
    pub http1: Arc<ClientConfig>,
    pub http2: Arc<ClientConfig>,
    /// One who shows a chain of 40 intermediates that have one name.
    pub chain: Arc<ClientConfig>,
    /// A body of JSON that becomes 1 MiB when it is decompressed.
    pub gzip: Arc<Vec<u8>>,
    /// How many bytes the attackers have sent.
    pub sent: Arc<AtomicUsize>,
}

type Attack = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One kind of them: its name, how many do it at one time, and what.
pub struct Kind {
    pub name: &'static str,
    pub count: usize,
    pub start: fn(Target, usize) -> Attack,
}

macro_rules! kinds {
    ($($count:literal $name:ident),* $(,)?) => {
        [$(Kind { name: stringify!($name), count: $count, start: |target, index| Box::pin($name(target, index)) }),*]
    };
}

#[path = "attacks/front.rs"]
mod front;
#[path = "attacks/http2.rs"]
mod http2;

/// All of them.
pub fn all() -> Vec<Kind> {
    let mut kinds = basic();
    kinds.extend(front::all());
    kinds
}

/// Those that each have a run of their own.
pub fn alone() -> Vec<Kind> {
    front::all()
}

/// in their order.
fn basic() -> Vec<Kind> {
    let mut kinds = Vec::from(kinds![
        1000 slow_heads,
        200 slow_bodies,
        100 unread_replies,
        100 unread_streams,
        100 half_handshakes,
        20 garbage_handshakes,
        100 long_client_hellos,
        1500 idle_connections,
        12 json_bombs,
        10 long_queries,
        24 hostile_replies,
        10 gzip_bombs,
    ]);
    kinds.extend(http2::all());
    kinds
}

/// Time between two steps of one attacker.
const STEP: Duration = Duration::from_millis(100);
/// Longest wait for a connection, or for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub type Tls = TlsStream<Counted>;

/// A connection that counts what is sent.
pub struct Counted {
    stream: TcpStream,
    sent: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.sent.fetch_add(count, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Target {
    /// A connection, once there is one.
    pub async fn connect(&self, tls: &Arc<ClientConfig>) -> Tls {
        loop {
            let connected = timeout(PATIENCE, async {
                let stream = self.tcp().await;
                let name = "gateway.test".try_into().unwrap();
                TlsConnector::from(tls.clone()).connect(name, stream).await.ok()
            });
            match connected.await {
                Ok(Some(stream)) => return stream,
                _ => sleep(STEP).await,
            }
        }
    }

    /// One try.
    async fn try_connect(&self, tls: &Arc<ClientConfig>) -> Option<Tls> {
        let stream = self.tcp().await;
        let mut stream =
            TlsConnector::from(tls.clone()).connect("gateway.test".try_into().unwrap(), stream).await.ok()?;
        // Over TLS 1.3 the other end looks at the chain afterwards.
        let _ = stream.read(&mut [0; 64]).await;
        Some(stream)
    }

    async fn tcp(&self) -> Counted {
        loop {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind((self.from, 0).into()).unwrap();
            match timeout(PATIENCE, socket.connect(self.address)).await {
                Ok(Ok(stream)) => return Counted { stream, sent: self.sent.clone() },
                _ => sleep(STEP).await,
            }
        }
    }
}

/// a head that does not end, of nearly as many bytes as may be.
async fn slow_heads(target: Target, index: usize) {
    loop {
        let mut stream = target.connect(&target.http1).await;
        let mut sent = stream.write_all(b"GET /balance/a HTTP/1.1\r\nHost: x\r\n").await;
        for number in 0..48 {
            if sent.is_err() {
                break;
            }
            sent = stream.write_all(format!("x-{number}: {}\r\n", "a".repeat(2000)).as_bytes()).await;
            let _ = stream.flush().await;
            sleep(STEP + Duration::from_millis(index as u64 % 50)).await;
        }
        wait_for_end(stream).await;
    }
}

/// bodies that nearly end.
async fn slow_bodies(target: Target, _: usize) {
    loop {
        let mut stream = target.connect(&target.http1).await;
        let head = "POST /put HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1048576\r\n\r\n";
        let mut sent = stream.write_all(head.as_bytes()).await;
        for _ in 0..63 {
            if sent.is_err() {
                break;
            }
            sent = stream.write_all(&[b' '; 16 << 10]).await;
            let _ = stream.flush().await;
            sleep(STEP).await;
        }
        wait_for_end(stream).await;
    }
}

/// replies of 4 MiB that nobody reads.
async fn unread_replies(target: Target, _: usize) {
    loop {
        let mut stream = target.connect(&target.http1).await;
        let _ = stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
        sleep(PATIENCE).await;
        drop(stream);
    }
}

/// streams that flood somebody who does not read.
async fn unread_streams(target: Target, _: usize) {
    loop {
        let mut stream = target.connect(&target.http1).await;
        let _ = stream.write_all(b"GET /watch HTTP/1.1\r\nHost: x\r\n\r\n").await;
        sleep(PATIENCE).await;
        drop(stream);
    }
}

/// the beginning of a handshake.
async fn half_handshakes(target: Target, index: usize) {
    loop {
        let mut stream = target.tcp().await;
        let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
        let _ = stream.write_all(&hello[..index % hello.len()]).await;
        sleep(3 * STEP).await;
        let _ = timeout(PATIENCE, stream.read(&mut [0; 64])).await;
    }
}

/// no TLS at all.
async fn garbage_handshakes(target: Target, index: usize) {
    loop {
        let mut stream = target.tcp().await;
        let _ = stream.write_all(&vec![u8::try_from(index).unwrap_or(0); 4096]).await;
        let _ = timeout(PATIENCE, stream.read(&mut [0; 64])).await;
        sleep(STEP).await;
    }
}

/// a ClientHello of 64 KiB less its last record.
async fn long_client_hellos(target: Target, _: usize) {
    loop {
        let mut stream = target.tcp().await;
        let mut hello = vec![1, 0, 0xff, 0xff];
        hello.resize(0xffff, 0);
        for part in hello.chunks(0x4000).take(3) {
            let length = u16::try_from(part.len()).unwrap().to_be_bytes();
            let _ = stream.write_all(&[&[0x16, 3, 1], &length[..], part].concat()).await;
        }
        let _ = timeout(PATIENCE, stream.read(&mut [0; 64])).await;
        sleep(STEP).await;
    }
}

/// connections without a request.
async fn idle_connections(target: Target, _: usize) {
    loop {
        wait_for_end(target.connect(&target.http1).await).await;
    }
}

/// a body of 1 MiB that becomes many times as large.
async fn json_bombs(target: Target, index: usize) {
    let most = (1 << 20) - 64;
    let repeated = |open: &str, element: &str, close: &str| {
        let mut body = open.to_owned() + &element.repeat(most / element.len());
        body.pop();
        body + close
    };
    let entries: String = (0..80_000).map(|key| format!("\"{key}\":{{}},")).collect();
    let bodies = [
        "{\"child\":".repeat(most / 9),
        repeated("{\"rates\":[", "0,", "]}"),
        repeated("{\"list\":[", "{},", "]}"),
        format!("{{\"data\":\"{}\"}}", "A".repeat(most / 4 * 4)),
        format!("{{\"children\":{{{}}}}}", entries.trim_end_matches(',')),
        repeated("{\"notes\":[", "\"\",", "]}"),
    ];
    let body = &bodies[index % bodies.len()];
    loop {
        request(&target, ("POST", "/put"), "", body.as_bytes()).await;
        sleep(STEP).await;
    }
}

///
async fn gzip_bombs(target: Target, _: usize) {
    loop {
        request(&target, ("POST", "/put"), "Content-Encoding: gzip\r\n", &target.gzip).await;
        sleep(STEP).await;
    }
}

/// queries of as many pairs, and as long, as may be.
async fn long_queries(target: Target, index: usize) {
    let target_of = |index: usize| match index % 3 {
        0 => format!("/query?{}", "notes=a&".repeat(500)),
        1 => format!("/query?{}=1", "child.".repeat(2500)),
        _ => format!("/query?{}", "%41".repeat(20_000)),
    };
    loop {
        let mut stream = target.connect(&target.http1).await;
        for turn in 0..10 {
            let head = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", target_of(index + turn));
            let _ = stream.write_all(head.as_bytes()).await;
            let mut buffer = [0; 4096];
            if !matches!(timeout(PATIENCE, stream.read(&mut buffer)).await, Ok(Ok(1..))) {
                break;
            }
            sleep(STEP).await;
        }
    }
}

/// whatever the bank can do.
async fn hostile_replies(target: Target, index: usize) {
    let kinds = ["huge", "bomb", "large", "message", "unknown", "cut"];
    let head = format!("GET /hostile/{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", kinds[index % kinds.len()]);
    ask_on_and_on(target, &head).await;
}

/// Asks, and takes the answer, again and again.
async fn ask_on_and_on(target: Target, head: &str) {
    loop {
        let mut stream = target.connect(&target.http1).await;
        let _ = stream.write_all(head.as_bytes()).await;
        let mut buffer = vec![0; 16 << 10];
        while let Ok(Ok(1..)) = timeout(PATIENCE, stream.read(&mut buffer)).await {}
        sleep(STEP).await;
    }
}

async fn request(target: &Target, (method, path): (&str, &str), headers: &str, body: &[u8]) {
    let mut head = Vec::new();
    let length = body.len();
    write!(
        head,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    )
    .unwrap();
    let mut stream = target.connect(&target.http1).await;
    let sent = timeout(PATIENCE, async {
        stream.write_all(&head).await?;
        stream.write_all(body).await?;
        let mut buffer = vec![0; 16 << 10];
        while stream.read(&mut buffer).await? > 0 {}
        io::Result::Ok(())
    });
    let _ = sent.await;
}

/// Until the gateway ends it.
async fn wait_for_end(mut stream: Tls) {
    let mut buffer = [0; 4096];
    while let Ok(1..) = stream.read(&mut buffer).await {}
    sleep(STEP).await;
}
