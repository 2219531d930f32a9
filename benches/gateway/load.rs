//! The load generator: HTTP/1.1 over kept-alive connections, one request at a time on each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::messages;
use crate::process::{Deployment, Gateway};

/// How many requests are in flight at a time.
const CONNECTIONS: usize = 32;
/// How long the backend holds the calls of `--memory`, in seconds.
pub(crate) const HELD: u64 = 3;
const ACCOUNT: &str = "account.swift.bic=IRONUSCA000&account.swift.account=iban%3A3814827";

/// A request that is sent repeatedly.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    request: Arc<[u8]>,
    /// Where a number of 16 digits stands that each request has anew.
    number_at: Option<usize>,
}

impl Case {
    pub(crate) fn all() -> Vec<Self> {
        ["balance", "transfer", "list"].map(Self::named).into()
    }

    pub(crate) fn named(name: &str) -> Self {
        match name {
            "balance" => Self::get("balance", "/accounts/balance"),
            "list" => Self::get("list", "/accounts/transactions"),
            "hold" => Self::get("hold", "/hold"),
            "transfer" => {
                let json = messages::transfer(&messages::bank()).json;
                let head = format!(
                    "POST /transfers HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    json.len()
                );
                Self { name: "transfer", request: [head.as_bytes(), &json].concat().into(), number_at: None }
            }
            "keyed" => {
                let transfer = Self::named("transfer");
                let (line, header) = (b"POST /transfers HTTP/1.1\r\n", b"idempotency-key: 0000000000000000\r\n");
                let request = [line, &header[..], &transfer.request[line.len()..]].concat().into();
                Self { name: "keyed", request, number_at: Some(line.len() + "idempotency-key: ".len()) }
            }
            _ => panic!("{name} is no case: balance, transfer and list are"),
        }
    }

    fn get(name: &'static str, path: &str) -> Self {
        let request = format!("GET {path}?{ACCOUNT} HTTP/1.1\r\nhost: bench\r\n\r\n").into_bytes().into();
        Self { name, request, number_at: None }
    }
}

/// The CPU time that the gateway needs for one request, in microseconds. Measured for `seconds` seconds after one
/// second of warm-up.
pub(crate) fn cpu_per_request(gateway: &Gateway, case: &Case, seconds: u64) -> f64 {
    run(async {
        drive(gateway.address, case, Duration::from_secs(1)).await;
        let before = gateway.cpu_micros();
        let count = drive(gateway.address, case, Duration::from_secs(seconds)).await;
        (gateway.cpu_micros() - before) / count as f64
    })
}

/// Keeps `idle` connections open, each after one request, and `in_flight` calls in flight until the backend answers
/// them.
pub(crate) fn hold(gateway: &Gateway, deployment: &Deployment, idle: usize, in_flight: usize) {
    let tls = gateway.tls.then(|| TlsConnector::from(deployment.client_tls()));
    run(async {
        let mut kept = Vec::new();
        for _ in 0..idle {
            let mut connection = connect(gateway.address, tls.as_ref()).await;
            exchange(&mut connection, &Case::named("balance"), &mut Vec::new()).await;
            kept.push(connection);
        }
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..in_flight {
            let mut connection = connect(gateway.address, tls.as_ref()).await;
            calls.spawn(async move { exchange(&mut connection, &Case::named("hold"), &mut Vec::new()).await });
        }
        calls.join_all().await;
    });
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// How many requests were answered within `time`.
async fn drive(address: SocketAddr, case: &Case, time: Duration) -> u64 {
    let end = Instant::now() + time;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let case = case.clone();
        callers.spawn(async move {
            let mut connection = connect(address, None).await;
            let (mut count, mut answer) = (0, Vec::new());
            while Instant::now() < end {
                exchange(&mut connection, &case, &mut answer).await;
                count += 1;
            }
            count
        });
    }
    callers.join_all().await.into_iter().sum()
}

trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

async fn connect(address: SocketAddr, tls: Option<&TlsConnector>) -> Box<dyn Connection> {
    let tcp = TcpStream::connect(address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    match tls {
        None => Box::new(tcp),
        Some(tls) => Box::new(tls.connect(ServerName::try_from("gateway.test").unwrap(), tcp).await.unwrap()),
    }
}

/// Sends the request and reads its response, which must have a Content-Length.
///
/// # Panics
/// If the response is not a success.
async fn exchange(connection: &mut (impl Connection + ?Sized), case: &Case, answer: &mut Vec<u8>) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    match case.number_at {
        None => connection.write_all(&case.request).await.unwrap(),
        Some(at) => {
            let mut request = case.request.to_vec();
            let number = format!("{:016x}", NUMBER.fetch_add(1, Ordering::Relaxed));
            request[at..at + number.len()].copy_from_slice(number.as_bytes());
            connection.write_all(&request).await.unwrap();
        }
    }
    answer.clear();
    let mut whole = None;
    while whole.is_none_or(|whole| answer.len() < whole) {
        let read = connection.read_buf(answer).await.unwrap();
        assert!(read > 0, "{}: the gateway closed the connection", case.name);
        whole = whole.or_else(|| length(answer));
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}: {}", case.name, String::from_utf8_lossy(answer));
}

/// The length of the whole response, once its head has arrived.
fn length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).unwrap().to_ascii_lowercase();
    let (_, length) = text.split_once("content-length: ").expect("an answer with its length");
    Some(head + length.lines().next().unwrap().trim().parse::<usize>().unwrap())
}
