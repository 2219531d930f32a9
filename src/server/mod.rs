//! Connections of callers: accepted, TLS made, HTTP spoken, drained at the end.
//!
//! Over TLS the caller chooses HTTP/1.1 or HTTP/2 by ALPN; a plain connection speaks HTTP/1.1. What the service does
//! with a request is not known here.

mod admission;
mod answerer;
mod drain;
mod handshakes;
pub mod http1;
mod http2;
mod own;
mod pace;
mod patience;
mod port;
mod served;
mod standing;
mod stop;
mod streams;
mod turns;
mod upgrade;
mod violation;
mod worker;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Parts;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::caller::forwarded::Proxies;
use crate::caller::{Certificate, Peer, Protocol, Tls};
use crate::limits::memory::Share;
use crate::observe::refused::{PeerRefusals, Refusals, Stage};
use crate::tls::{self, Client, IdentityFiles, Server};

pub use admission::Bounds;
use admission::{Admission, Admissions};
pub use answerer::{Answerer, Arrived};
use drain::{Draining, Watcher};
pub use drain::{Ending, Hold, Holder};
pub use handshakes::HANDSHAKES_OF_ONE_ADDRESS;
use handshakes::{Failure, Handshakes};
use http1::{Limits, Strict, Verdict};
use http2::Metered;
pub use own::Malformed;
use own::{Answer, refusal};
use patience::{Patient, Progress};
pub use port::BACKLOG;
use served::Current;
pub use served::{Handover, Recipe, Served};
use standing::Standing;
pub use stop::{Drain, Phase, Stop};
use streams::{Held, Streams};
use turns::Turns;
use upgrade::{Asked, Next};
pub use upgrade::{Duplex, Switched, Upgrade};
pub use violation::Violation;
use worker::Workers;

/// Where callers come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `host:port`.
    pub address: String,
    /// Files for TLS; without them the connection is plain.
    pub tls: Option<TlsFiles>,
    /// The proxies in front that say where callers are.
    pub proxies: Option<Proxies>,
    /// How it ends.
    pub drain: Drain,
    /// Most connections at one time; without it as many as files and memory allow.
    pub connections: Option<usize>,
    /// Most TLS handshakes of one address at one time.
    pub handshakes: usize,
    /// Most connections that wait to be accepted.
    pub backlog: u32,
}

/// The files of [`Config::tls`], and who comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// What the gateway shows to callers.
    pub identity: IdentityFiles,
    /// Callers whose certificate this bundle trusts come in.
    pub client_ca: Option<PathBuf>,
    /// So do these, by their pins. Without either, nobody is asked for a certificate.
    pub clients: Vec<Client>,
    /// Callers without a certificate come in too.
    pub client_optional: bool,
}

/// What is spoken on a plain connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge (RFC 9113, section 3.3).
    Http2,
}

/// A bound listener.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Server>,
    plain: Plain,
}

/// Longest time from a connection's first byte to the end of the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for a request's head, and for an idle connection to wait for the next.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time for the calls in flight when a listener stops that serves on the runtime of its caller.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The end of a notice, in which no connection begins any more, and those that have begun are made: more than a round trip takes from
/// any box that stands near.
const HANDSHAKES: Duration = Duration::from_millis(100);

/// Most requests on a connection of HTTP/2 at one time: RFC 9113, section 6.5.2, "no smaller than 100".
const STREAMS: u32 = 100;
/// What one of them, and all of them together, may send of their bodies before they are read, in bytes.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;

/// Most headers of a request; hyper reads no more.
const FIELDS: usize = 100;
/// The longest request target, in bytes; `http::Uri` holds no longer one.
const TARGET: usize = 65_534;
/// Time for a caller who sends on though it has its answer, and how many bytes of that are read.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// What the headers of a request may have, in bytes, where nothing is said of it.
const HEADER_LIMIT: usize = 32 << 10;
/// What a head may have besides its headers: a request line with a target of 64 KiB, and what HTTP/2 counts for each of 100
/// fields (RFC 9113, section 6.5.2).
const ROOM: usize = 72 << 10;

impl Listener {
    /// Binds `address`. With `tls`, [`Listener::serve`] speaks it.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn bind(address: &str, tls: Option<Arc<ServerConfig>>, plain: Plain) -> io::Result<Self> {
        Self::bind_with(address, BACKLOG, tls, plain).await
    }

    /// Binds `address` as [`Listener::bind`] does. At most `backlog` connections wait to be accepted (listen(2)).
    ///
    /// # Errors
    /// The operating system's.
    pub async fn bind_with(
        address: &str,
        backlog: u32,
        tls: Option<Arc<ServerConfig>>,
        plain: Plain,
    ) -> io::Result<Self> {
        Ok(Self { tcp: port::bind(address, backlog).await?, tls: tls.map(Server::from), plain })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// The operating system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves on the runtime of the caller until `stop` is ready, then finishes the calls in flight.
    pub async fn serve(self, service: impl Answerer, stop: impl Future<Output = ()>) {
        let draining = Draining::new();
        let Self { tcp, tls, plain } = self;
        let served = Served { tls, malformed: None, header_limit: HEADER_LIMIT, service };
        let current = Current::new(served);
        let handshakes = Handshakes::unbounded();
        let (memory, refusals) = (Share::unbounded(), Refusals::default());
        let connection = Connection { plain, current, memory, handshakes, refusals, turns: None };
        let mut admissions = Admissions::unbounded();
        let give = |stream, _| drop(tokio::spawn(connection.clone().serve(stream, draining.watcher())));
        port::accept(&tcp, stop, &mut admissions, give).await;
        port::close(tcp, &mut admissions, give);
        draining.finish(tokio::time::sleep(TIMEOUT)).await;
    }

    /// Serves on a thread for each core until the `stop`, then finishes the calls in flight, in the time that the `handover`
    /// has for both. Each thread follows its recipe, and each connection has one thread. All of them keep within the `bounds`.
    ///
    /// # Errors
    /// The operating system's, when a thread cannot be started.
    pub async fn serve_on_all_cores<S: Answerer>(
        self,
        handover: &Handover<S>,
        bounds: &Bounds,
        stop: &Stop,
    ) -> io::Result<()> {
        let workers = Workers::start(self.plain, handover, stop, bounds)?;
        let mut admissions = Admissions::within(bounds);
        let give = |stream, admission| workers.give(stream, admission);
        port::accept(&self.tcp, stop.reached(Phase::Notice), &mut admissions, give).await;
        let Drain { notice, timeout } = handover.drain();
        if stop.phase() == Phase::Notice && !notice.is_zero() {
            tracing::info!("stopping: connections are accepted for {notice:?}, then calls in flight have {timeout:?}");
            let last = HANDSHAKES.min(notice);
            port::accept(&self.tcp, stop.reached_within(Phase::Draining, notice - last), &mut admissions, give).await;
            if stop.phase() == Phase::Notice {
                port::begin_no_more(&self.tcp);
                port::accept(&self.tcp, stop.reached_within(Phase::Draining, last), &mut admissions, give).await;
            }
        }
        port::close(self.tcp, &mut admissions, give);
        stop.raise(Phase::Draining);
        let finished = workers.finish();
        tokio::pin!(finished);
        let cut = match tokio::time::timeout(timeout, &mut finished).await {
            Ok(cut) => cut,
            Err(_) => {
                stop.raise(Phase::Over);
                finished.await
            }
        };
        if cut > 0 {
            let connections = if cut == 1 { "1 connection".to_owned() } else { format!("{cut} connections") };
            tracing::warn!("stopped: cut {connections} with calls in flight");
        }
        Ok(())
    }
}

#[derive(Clone)]
struct Connection<S> {
    plain: Plain,
    current: Current<S>,
    memory: Share,
    handshakes: Handshakes,
    refusals: Refusals,
    /// The time that handshakes have, if there is a bound.
    turns: Option<Turns>,
}

impl<S: Answerer> Connection<S> {
    // Each step is boxed, so that a connection, which is idle for most of its life, has the memory of the step it is at and
    // not that of the largest.
    async fn serve(self, stream: TcpStream, draining: Watcher) {
        // A failure of one option of the socket is no reason to refuse the caller.
        let _ = stream.set_nodelay(true);
        let address = stream.peer_addr().ok();
        let Some(server) = self.current.load().tls.clone() else {
            let protocol = if self.plain == Plain::Http2 { Protocol::Http2 } else { Protocol::Http1 };
            let standing = Standing::new(Peer::new(address, protocol, None), None);
            return Box::pin(self.speak(stream, &standing, draining)).await;
        };
        let making = server.handshake();
        let ip = address.map(|address| address.ip());
        if let Some(stream) = Box::pin(self.handshake(&making, stream, ip)).await {
            let connection = stream.get_ref().1;
            making.done(connection);
            let alpn = alpn(connection);
            let certificate = Certificate::of(connection.peer_certificates().unwrap_or_default(), tls::sha256);
            let peer = Peer::new(address, alpn.unwrap_or_default(), Some(Tls { alpn, certificate }));
            let standing = Standing::new(peer, Some(server));
            let speaking = Box::pin(self.speak(stream, &standing, draining));
            match standing.watch().map(Box::pin) {
                None => speaking.await,
                Some(watching) => tokio::select! {
                    () = speaking => {}
                    () = watching => {}
                },
            }
        }
    }

    /// TLS as the caller chooses it, if that comes about in time.
    async fn handshake(
        &self,
        making: &tls::Handshake,
        stream: TcpStream,
        address: Option<IpAddr>,
    ) -> Option<Box<TlsStream<TcpStream>>> {
        let made = async {
            // Who has said nothing takes nobody's place.
            match stream.peek(&mut [0]).await {
                Ok(0) => return Err(Failure::Silent),
                Ok(_) => {}
                Err(error) => return Err(Failure::Io(error)),
            }
            let _place = match address {
                Some(address) => Some(self.handshakes.place(address).await),
                None => None,
            };
            let accepted = TlsAcceptor::from(making.config()).accept(stream);
            let accepted = match &self.turns {
                Some(turns) => turns.keep(accepted).await,
                None => accepted.await,
            };
            accepted.map(Box::new).map_err(Failure::Io)
        };
        let made = tokio::time::timeout(HANDSHAKE_TIMEOUT, made).await.unwrap_or(Err(Failure::TimedOut));
        made.map_err(|failure| self.handshakes.failed(address, &failure, making.refused())).ok()
    }

    async fn speak(self, stream: impl Transport, standing: &Standing, mut draining: Watcher) {
        let (peer, http2) = (standing.peer(), standing.peer().protocol() == Protocol::Http2);
        let limits = {
            let header_limit = self.current.load().header_limit;
            Limits { bytes: header_limit + ROOM, fields: FIELDS, target: TARGET, told: header_limit }
        };
        let head_limit = limits.bytes;
        let (told, asked, verdict) = (&standing.told, Asked::default(), Arc::new(Verdict::default()));
        let refusals = PeerRefusals { all: self.refusals.clone(), peer: peer.ip() };
        let account = self.memory.account(standing.id(), STREAMS as usize);
        let (progress, streams) = (Arc::new(Progress::default()), Streams::new(&self.memory, &account));
        let stream = Patient::new(stream, progress.clone(), (self.memory.clone(), account.clone()), head_limit);
        let service = service_fn(|mut request: Request<Incoming>| {
            let call = Progress::begin(&progress);
            let number = progress.requests();
            let current = self.current.load();
            asked.note(&mut request);
            let is_old = !current.speaks(standing.server());
            let is_over = told.is_over.load(Ordering::Relaxed);
            let is_refused = is_over || (is_old && !standing.is_accepted_by(current.tls.as_ref()));
            told.is_used.store(true, Ordering::Relaxed);
            if http2 && (is_old || self.current.is_stopping()) {
                told.retired.notify_one();
            }
            let violation = match is_refused {
                true => Some(Violation::Certificate),
                false if http2 => http2::violation(&request),
                false => verdict.of(number),
            };
            let answer = match violation {
                None => {
                    let (peer, account) = (peer.clone(), account.clone());
                    Ok(current.service.answer(Arrived { request, peer, account }))
                }
                Some(violation) => {
                    refusals.note(Stage::Head, &violation);
                    Err(refusal(current.malformed.as_ref(), violation))
                }
            };
            let taking = http2.then(|| streams.begin());
            // A stop may begin before the answer does.
            let (current, verdict) = (self.current.clone(), verdict.clone());
            async move {
                let (mut response, is_refused) = match answer {
                    Ok(answer) => (answer.await?.map(Answer::Service), false),
                    Err(refusal) => (refusal, true),
                };
                let is_last = !http2 && (is_old || is_refused || current.is_stopping() || verdict.is_broken());
                let leaves = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                verdict.answered(number, leaves);
                if is_last && !leaves {
                    // The caller is told with an answer, so it sends nothing into a closed connection.
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response.map(|body| Held::new(body, call, taking)))
            }
        });
        let ended = if http2 {
            let mut builder = hyper::server::conn::http2::Builder::new(streams.clone());
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS)
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                // They are counted against calls that are none: `Metered`.
                .max_local_error_reset_streams(None)
                .max_header_list_size(u32::try_from(head_limit).unwrap_or(u32::MAX));
            builder.keep_alive_interval(Duration::from_secs(30)).keep_alive_timeout(Duration::from_secs(10));
            let mut connection = Box::pin(
                builder.serve_connection(TokioIo::new(Metered::new(stream, head_limit, refusals.clone())), service),
            );
            tokio::select! {
                ended = draining.drive(connection.as_mut(), true, told) => ended,
                () = progress.idle(&told.retired) => return tracing::debug!("a connection without requests did not end"),
            }
        } else {
            let mut builder = hyper::server::conn::http1::Builder::new();
            // Whatever is too large for it is refused before it comes here.
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(2 * head_limit);
            let stream = TokioIo::new(Strict::new(stream, limits, verdict.clone()));
            let mut connection = Box::pin(builder.serve_connection(stream, service));
            let ended = draining.drive(connection.as_mut(), false, told).await;
            let Parts { io, read_buf, .. } = Pin::into_inner(connection).into_parts();
            let stream = io.into_inner();
            if stream.is_preface() {
                self.handshakes.preface(peer.ip());
            }
            Box::pin(leave(stream, read_buf, &ended, asked.next())).await;
            ended
        };
        if let Err(error) = ended {
            if let Some(reason) = http2::broken(&error) {
                refusals.note(Stage::Connection, &reason);
            }
            tracing::debug!(%error, "a connection ended");
        }
    }
}

fn alpn(connection: &ServerConnection) -> Option<Protocol> {
    match connection.alpn_protocol()? {
        b"h2" => Some(Protocol::Http2),
        _ => Some(Protocol::Http1),
    }
}

/// The end of a connection of HTTP/1.1: another protocol, or what the caller is to see of it.
async fn leave<S: Transport>(stream: Strict<Patient<S>>, read: Bytes, ended: &hyper::Result<()>, next: Option<Next>) {
    let is_unfinished = stream.is_unfinished();
    let (mut stream, held) = stream.into_parts();
    match (ended, next) {
        (Ok(()), Some(next)) => {
            let begun = if held.is_empty() { read } else { [read, held].concat().into() };
            next(Switched { stream: Box::new(stream), begun }).await;
        }
        // An answer without a length is whole where its connection ends, unless that is seen to break (RFC 9112, section 8).
        (Err(error), _) if error.is_user() => stream.get_ref().reset_on_close(),
        // What is still being sent would have the connection reset, and so the answer lost.
        (Ok(()), None) if is_unfinished => linger(&mut stream).await,
        _ => {}
    }
}

/// Reads, for a moment and up to a bound, what a caller still sends who has an answer already (RFC 9112, section 9.6).
async fn linger(stream: &mut (impl AsyncRead + Unpin)) {
    let reading = async {
        let (mut buffer, mut left) = ([0; 4 << 10], LINGER_BYTES);
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            left = left.saturating_sub(read);
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, reading).await;
}

/// What carries a connection.
trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Has the caller see a broken connection in place of an ended one.
    fn reset_on_close(&self);
}

impl Transport for TcpStream {
    fn reset_on_close(&self) {
        // Where it cannot be set, the connection ends as it would have.
        let _ = self.set_zero_linger();
    }
}

/// TLS tells a broken connection by itself: the end without close_notify. What lies below is reset all the same, for those who do
/// not look.
impl Transport for Box<TlsStream<TcpStream>> {
    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }
}
