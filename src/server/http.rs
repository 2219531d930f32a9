//! Speaks HTTP on one connection, from its first byte to its end.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::answerer::{Answerer, Arrived};
use super::drain::Watcher;
use super::handshakes::Handshakes;
use super::head_clock::HEAD_TIMEOUT;
use super::http1::head::Limits;
use super::http1::strict::{Strict, Verdict};
use super::http2::broken::broken;
use super::http2::metered::Metered;
use super::http2::request;
use super::patience::{Patient, PatientBounds, Progress};
use super::refusal::{Answer, refusal};
use super::served::{Current, Ready};
use super::standing::PeerStanding;
use super::streams::{Held, Streams};
use super::transport::Transport;
use super::upgrade::{LastUpgrade, Next, Switched};
use super::violation::Violation;
use crate::caller::Protocol;
use crate::limits::memory::{Account, Share};
use crate::observe::refused::{PeerRefusals, Refusals, Stage};

/// The target of these log lines, independent of the file that writes them.
const LOG: &str = "towbar::server";

/// The most concurrent requests on an HTTP/2 connection: RFC 9113, section 6.5.2, "no smaller than 100".
const STREAMS: u32 = 100;
/// How many bytes of their bodies one request, and all requests of a connection together, may send before they are
/// read.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;

/// The most headers of a request; hyper reads no more.
const FIELDS: usize = 100;
/// The longest request target, in bytes; `http::Uri` holds no longer one.
const TARGET: usize = 65_534;
/// For how long, and how many bytes, data is still read from a caller that keeps sending after its answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;
/// The bytes that a head may have besides its headers: a request line with a target of 64 KiB, and what HTTP/2 counts
/// for each of 100 fields (RFC 9113, section 6.5.2).
const ROOM: usize = 72 << 10;

/// What a worker needs to speak HTTP on a connection.
#[derive(Clone)]
pub(super) struct Http<S> {
    pub(super) current: Current<S>,
    pub(super) memory: Share,
    pub(super) handshakes: Handshakes,
    pub(super) refusals: Refusals,
}

/// One connection while HTTP is spoken on it.
struct Spoken<'a, S> {
    http: &'a Http<S>,
    standing: &'a PeerStanding,
    is_http2: bool,
    head_limit: usize,
    account: Arc<Account>,
    progress: Arc<Progress>,
    /// Used over HTTP/2.
    streams: Streams,
    /// Used over HTTP/1.1.
    upgrade: LastUpgrade,
    verdict: Arc<Verdict>,
    refusals: PeerRefusals,
}

impl<S: Answerer> Http<S> {
    /// Speaks the protocol of the peer until the connection ends.
    pub(super) async fn speak(self, stream: impl Transport, standing: &PeerStanding, draining: Watcher) {
        let header_limit = self.current.load().header_limit;
        let spoken = Spoken::new(&self, standing, header_limit + ROOM);
        let (memory, account, head_limit) = (self.memory.clone(), spoken.account.clone(), spoken.head_limit);
        let stream = Patient::new(stream, spoken.progress.clone(), PatientBounds { memory, account, head_limit });
        let refusals = spoken.refusals.clone();
        let ended = match spoken.is_http2 {
            true => spoken.http2(stream, draining).await,
            false => spoken.http1(stream, header_limit, draining).await,
        };
        if let Err(error) = ended {
            if let Some(reason) = broken(&error) {
                refusals.note(Stage::Connection, &reason);
            }
            tracing::debug!(target: LOG, %error, "a connection ended");
        }
    }
}

impl<'a, S: Answerer> Spoken<'a, S> {
    fn new(http: &'a Http<S>, standing: &'a PeerStanding, head_limit: usize) -> Self {
        let account = http.memory.account(standing.id(), STREAMS as usize);
        Self {
            http,
            standing,
            is_http2: standing.peer().protocol() == Protocol::Http2,
            head_limit,
            progress: Arc::default(),
            streams: Streams::new(&http.memory, &account),
            account,
            upgrade: LastUpgrade::default(),
            verdict: Arc::default(),
            refusals: PeerRefusals { all: http.refusals.clone(), peer: standing.peer().ip() },
        }
    }

    async fn http2(self, stream: Patient<impl Transport>, mut draining: Watcher) -> hyper::Result<()> {
        let mut builder = http2::Builder::new(self.streams.clone());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            // `Metered` counts these instead, together with other frames that are not calls.
            .max_local_error_reset_streams(None)
            .max_header_list_size(u32::try_from(self.head_limit).unwrap_or(u32::MAX));
        builder.keep_alive_interval(Duration::from_secs(30)).keep_alive_timeout(Duration::from_secs(10));
        let stream = TokioIo::new(Metered::new(stream, self.head_limit, self.refusals.clone()));
        let mut connection = Box::pin(builder.serve_connection(stream, service_fn(|request| self.answer(request))));
        let signals = &self.standing.signals;
        tokio::select! {
            ended = draining.drive(connection.as_mut(), true, signals) => ended,
            () = self.progress.idle(&signals.retired) => {
                tracing::debug!(target: LOG, "an idle connection did not close");
                Ok(())
            }
        }
    }

    async fn http1(
        self,
        mut stream: Patient<impl Transport>,
        header_limit: usize,
        mut draining: Watcher,
    ) -> hyper::Result<()> {
        let limits = Limits { bytes: self.head_limit, fields: FIELDS, target: TARGET, told: header_limit };
        let mut builder = http1::Builder::new();
        // `Strict` rejects anything larger before it gets here.
        // `Patient` has a timeout for heads that costs requests less.
        builder.header_read_timeout(None).max_buf_size(2 * self.head_limit);
        stream.expect_heads(true);
        let stream = TokioIo::new(Strict::new(stream, limits, self.verdict.clone()));
        let mut connection = Box::pin(builder.serve_connection(stream, service_fn(|request| self.answer(request))));
        let ended = draining.drive(connection.as_mut(), false, &self.standing.signals).await;
        let http1::Parts { io, read_buf, .. } = Pin::into_inner(connection).into_parts();
        let stream = io.into_inner();
        if stream.is_preface() {
            self.http.handshakes.preface(self.standing.peer().ip());
        }
        // A caller that has sent no part of a request gets no answer.
        if stream.get_ref().is_late() && stream.is_in_head() {
            self.refusals.note(Stage::Head, &format_args!("its head did not come within {HEAD_TIMEOUT:?}"));
        }
        Box::pin(leave(stream, read_buf, &ended, self.upgrade.next())).await;
        ended
    }

    /// Answers one request, or rejects it.
    fn answer(
        &self,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Held<Answer<S::Body>>>, Infallible>> + Send + use<S> {
        let call = Progress::begin(&self.progress);
        let number = self.progress.requests();
        let current = self.http.current.load();
        self.upgrade.note(&mut request);
        let is_old = !current.speaks(self.standing.server());
        let violation = self.violation(&request, number, &current, is_old);
        let signals = &self.standing.signals;
        signals.is_used.store(true, Ordering::Relaxed);
        let is_http2 = self.is_http2;
        if is_http2 && (is_old || self.http.current.is_stopping()) {
            signals.retired.notify_one();
        }
        let answer = match violation {
            None => {
                let (peer, account) = (self.standing.peer().clone(), self.account.clone());
                Ok(current.service.answer(Arrived { request, peer, account }))
            }
            Some(violation) => {
                self.refusals.note(Stage::Head, &violation);
                Err(refusal(current.malformed.as_ref(), violation))
            }
        };
        let taking = is_http2.then(|| self.streams.begin());
        // Over HTTP/1.1 the answer says whether it is the last one, and a stop may begin before it is made.
        let http1 = (!is_http2).then(|| (self.http.current.clone(), self.verdict.clone()));
        async move {
            let (mut response, is_refused) = match answer {
                Ok(answer) => (answer.await?.map(Answer::Service), false),
                Err(refusal) => (refusal, true),
            };
            if let Some((current, verdict)) = http1 {
                let is_last = is_old || is_refused || current.is_stopping() || verdict.is_broken();
                let leaves = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                verdict.answered(number, leaves);
                if is_last && !leaves {
                    // `Connection: close` tells the caller, so that it sends nothing into a closed connection.
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
            }
            Ok(response.map(|body| Held::new(body, call, taking)))
        }
    }

    fn violation(
        &self,
        request: &Request<Incoming>,
        number: usize,
        current: &Ready<S>,
        is_old: bool,
    ) -> Option<Violation> {
        let is_over = self.standing.signals.is_over.load(Ordering::Relaxed);
        let is_refused = is_over || (is_old && !self.standing.is_accepted_by(current.tls.as_ref()));
        match is_refused {
            true => Some(Violation::Certificate),
            false if self.is_http2 => request::violation(request),
            false => self.verdict.of(number),
        }
    }
}

/// Ends an HTTP/1.1 connection: switches to another protocol, or makes sure that the caller sees how it ended.
async fn leave<S: Transport>(stream: Strict<Patient<S>>, read: Bytes, ended: &hyper::Result<()>, next: Option<Next>) {
    let is_unfinished = stream.is_unfinished();
    let (mut stream, held) = stream.into_parts();
    match (ended, next) {
        (Ok(()), Some(next)) => {
            stream.expect_heads(false);
            let begun = if held.is_empty() { read } else { [read, held].concat().into() };
            next(Switched { stream: Box::new(stream), begun }).await;
        }
        // An answer without a length is complete when its connection ends, unless the connection is seen to break (RFC
        // 9112, section 8).
        (Err(error), _) if error.is_user() => stream.get_ref().reset_on_close(),
        // Closing while the caller still sends would reset the connection, and the answer could be lost.
        (Ok(()), None) if is_unfinished => linger(&mut stream).await,
        _ => {}
    }
}

/// Reads what a caller still sends after its answer, for a short time and up to a bound (RFC 9112, section 9.6).
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
