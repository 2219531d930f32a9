//! A bank that counts: its calls, its connections, and the names it is called by. It speaks HTTP/2 without TLS.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file has it as a module and uses a part")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use tokio::runtime::Runtime;

use super::ports;

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What it says of its health when it has no such service.
pub const NO_HEALTH_SERVICE: i32 = -1;

/// A bank; when it is dropped, its connections and its port are gone.
pub struct Bank {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
pub struct Seen {
    /// Calls that came, health checks not among them.
    calls: AtomicUsize,
    checks: AtomicUsize,
    opened: AtomicUsize,
    closed: AtomicUsize,
    /// Milliseconds before each answer.
    delay: AtomicU64,
    /// `ServingStatus`.
    health: AtomicI32,
    authorities: Mutex<BTreeSet<String>>,
}

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Bank {
    /// At an address such as `127.0.0.2:1234`.
    pub fn start(address: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen { health: AtomicI32::new(1), ..Seen::default() });
        let shared = Arc::clone(&seen);
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, seen, runtime: Some(runtime) }
    }

    /// One at each address, all at one port.
    pub fn several(addresses: &[&str]) -> Vec<Self> {
        let port = ports::free_at(addresses);
        addresses.iter().map(|address| Self::start(&format!("{address}:{port}"))).collect()
    }

    pub fn calls(&self) -> usize {
        self.seen.calls.load(Ordering::SeqCst)
    }

    pub fn checks(&self) -> usize {
        self.seen.checks.load(Ordering::SeqCst)
    }

    /// Connections that were made.
    pub fn opened(&self) -> usize {
        self.seen.opened.load(Ordering::SeqCst)
    }

    /// Those that are there.
    pub fn open(&self) -> usize {
        self.opened() - self.seen.closed.load(Ordering::SeqCst)
    }

    pub fn authorities(&self) -> Vec<String> {
        self.seen.authorities.lock().unwrap().iter().cloned().collect()
    }

    /// Answers so late from now on.
    pub fn delay(&self, time: Duration) {
        self.seen.delay.store(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Says this of its health from now on.
    pub fn say(&self, health: i32) {
        self.seen.health.store(health, Ordering::SeqCst);
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

async fn serve(stream: tokio::net::TcpStream, seen: Arc<Seen>) {
    seen.opened.fetch_add(1, Ordering::SeqCst);
    if let Ok(mut connection) = h2::server::handshake(stream).await {
        while let Some(Ok((request, answer))) = connection.accept().await {
            tokio::spawn(answer_to(request, answer, Arc::clone(&seen)));
        }
    }
    seen.closed.fetch_add(1, Ordering::SeqCst);
}

async fn answer_to(request: Request<h2::RecvStream>, mut answer: SendResponse<Bytes>, seen: Arc<Seen>) {
    let is_check = request.uri().path() == "/grpc.health.v1.Health/Check";
    let (status, health) = if is_check {
        seen.checks.fetch_add(1, Ordering::SeqCst);
        let health = seen.health.load(Ordering::SeqCst);
        (if health == NO_HEALTH_SERVICE { "12" } else { "0" }, health)
    } else {
        seen.calls.fetch_add(1, Ordering::SeqCst);
        let authority = request.uri().authority().unwrap().to_string();
        seen.authorities.lock().unwrap().insert(authority);
        tokio::time::sleep(Duration::from_millis(seen.delay.load(Ordering::SeqCst))).await;
        ("0", 1)
    };
    // The one who called may be gone.
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let Ok(mut body) = answer.send_response(head, false) else { return };
    if status == "0" {
        // HealthCheckResponse, of the bank's own service and of gRPC's: the status is field 1.
        let _ = body.send_data(Bytes::from(vec![0, 0, 0, 0, 2, 8, u8::try_from(health).unwrap()]), false);
    }
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())]);
    let _ = body.send_trailers(trailers);
}
