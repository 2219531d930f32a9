//! Transfers, one after the other, by several callers at once: each has an id of its own, and is sent once.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

const CALLERS: usize = 8;
/// What each of them waits between two transfers.
const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of a transfer.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub id: String,
    /// The status and the body, or what went wrong in place of an answer.
    pub answer: Result<(u16, String), String>,
}

impl Outcome {
    /// As the bank does.
    pub fn is_answered(&self) -> bool {
        let body = format!(r#"{{"transactionId":"{}"}}"#, self.id);
        self.answer.as_ref().is_ok_and(|answer| *answer == (200, body))
    }
}

/// Callers at work, until it is dropped.
pub struct Load {
    is_over: Arc<AtomicBool>,
    outcomes: Arc<Mutex<Vec<Outcome>>>,
    callers: Vec<JoinHandle<()>>,
}

fn body(id: &str) -> String {
    format!(r#"{{"transferId":"{id}"}}"#)
}

impl Load {
    /// Callers that keep their connections to a box.
    pub fn through(between: SocketAddr) -> Self {
        Self::direct(&[between])
    }

    /// Callers that keep their connections, each to one of these; where nobody listens, it goes to the next.
    pub fn direct(addresses: &[SocketAddr]) -> Self {
        Self::of(addresses, |mut places, next| {
            let mut kept = None;
            next(&mut |id| {
                let (answer, is_last) = match pay(&mut kept, &mut places, id) {
                    Ok((status, body, is_last)) => (Ok((status, body)), is_last),
                    Err(error) => (Err(error.to_string()), true),
                };
                if is_last {
                    kept = None;
                }
                answer
            });
        })
    }

    /// Callers that each have a connection of HTTP/2, and notice what comes over it when they call.
    pub fn http2(addresses: &[SocketAddr], tls: Arc<ClientConfig>) -> Self {
        Self::of(addresses, move |mut places, next| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let mut kept = None;
            next(&mut |id| runtime.block_on(pay_over_http2(&mut kept, &mut places, &tls, id)));
        })
    }

    /// Each caller begins with another address.
    fn of(addresses: &[SocketAddr], call: impl Fn(Vec<SocketAddr>, Next) + Clone + Send + 'static) -> Self {
        let (is_over, outcomes) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let caller = |number: usize| {
            let mut places = addresses.to_vec();
            places.rotate_left(number % addresses.len());
            let (is_over, outcomes, call) = (Arc::clone(&is_over), Arc::clone(&outcomes), call.clone());
            std::thread::spawn(move || {
                call(places, &mut |pay| {
                    for count in 0.. {
                        if is_over.load(Ordering::SeqCst) {
                            return;
                        }
                        let id = format!("t:{number}-{count}");
                        let answer = pay(&id);
                        outcomes.lock().unwrap().push(Outcome { id, answer });
                        std::thread::sleep(PAUSE);
                    }
                });
            })
        };
        let callers = (0..CALLERS).map(caller).collect();
        Self { is_over, outcomes, callers }
    }

    /// What went wrong so far.
    pub fn failures(&self) -> Vec<Outcome> {
        self.outcomes.lock().unwrap().iter().filter(|outcome| !outcome.is_answered()).take(5).cloned().collect()
    }

    /// Every outcome, once the last call is over.
    pub fn stop(mut self) -> Vec<Outcome> {
        self.is_over.store(true, Ordering::SeqCst);
        std::mem::take(&mut self.callers).into_iter().for_each(|caller| caller.join().unwrap());
        std::mem::take(&mut *self.outcomes.lock().unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

type Answer = Result<(u16, String), String>;
/// Pays again and again until the load is over.
type Next<'a> = &'a mut dyn FnMut(&mut dyn FnMut(&str) -> Answer);

/// Status and body, and whether the connection ends with it. Once it is written, a request is not sent again.
fn pay(kept: &mut Option<TcpStream>, places: &mut [SocketAddr], id: &str) -> io::Result<(u16, String, bool)> {
    let stream = match kept {
        Some(stream) => stream,
        None => kept.insert(connect(places)?),
    };
    let body = body(id);
    write!(
        stream,
        "POST /transfers HTTP/1.1\r\nHost: gateway.test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).map_err(io::Error::other)?.to_ascii_lowercase();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let status = head.get(9..12).and_then(|status| status.parse().ok());
    let length = field("content-length:").and_then(|length| length.parse().ok());
    let (Some(status), Some(length)) = (status, length) else { return Err(io::Error::other(head)) };
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((status, String::from_utf8_lossy(&body).into_owned(), field("connection:") == Some("close")))
}

/// To the first place where somebody listens.
fn connect(places: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut refused = io::Error::other("nowhere to go");
    for place in places {
        match TcpStream::connect(place) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// A connection that says that it goes away takes no more calls; one that it has not taken is made over another.
async fn pay_over_http2(
    kept: &mut Option<SendRequest<Bytes>>,
    places: &mut [SocketAddr],
    tls: &Arc<ClientConfig>,
    id: &str,
) -> Answer {
    for _ in 0..5 {
        let send = match kept.take() {
            Some(send) => send,
            None => connect_over_http2(places, tls).await.map_err(|error| error.to_string())?,
        };
        match tokio::time::timeout(PATIENCE, pay_once(&send, id)).await {
            Err(_) => return Err("no answer in time".to_owned()),
            Ok(Ok(answer)) => {
                *kept = Some(send);
                return Ok(answer);
            }
            // RFC 9113, section 6.8: streams above the last one that GOAWAY names were not acted on.
            Ok(Err(error)) if error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR) => {}
            Ok(Err(error)) => return Err(error.to_string()),
        }
    }
    Err("five connections went away".to_owned())
}

async fn connect_over_http2(places: &[SocketAddr], tls: &Arc<ClientConfig>) -> io::Result<SendRequest<Bytes>> {
    let mut refused = io::Error::other("nowhere to go");
    for place in places {
        match tokio::net::TcpStream::connect(place).await {
            Ok(stream) => {
                let name = ServerName::try_from("gateway.test").unwrap();
                let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
                let (send, connection) = h2::client::handshake(stream).await.map_err(io::Error::other)?;
                tokio::spawn(connection);
                return Ok(send);
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

async fn pay_once(send: &SendRequest<Bytes>, id: &str) -> Result<(u16, String), h2::Error> {
    let request = http::Request::post("https://gateway.test/transfers").header("content-type", "application/json");
    let request = request.body(()).unwrap();
    let (response, mut sending) = send.clone().ready().await?.send_request(request, false)?;
    sending.send_data(body(id).into(), true)?;
    let response = response.await?;
    let status = response.status().as_u16();
    let (mut incoming, mut text) = (response.into_body(), Vec::new());
    while let Some(part) = incoming.data().await {
        text.extend_from_slice(&part?);
    }
    Ok((status, String::from_utf8_lossy(&text).into_owned()))
}
