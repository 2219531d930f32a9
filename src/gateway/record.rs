//! The record of one request. [`Exchange`](super::exchange::Exchange) fills it, and its sinks read it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use http::header::HeaderValue;
use http::{Method, StatusCode};
use tokio::time::Instant;
use tonic::Code;

use super::error::{Party, Reason};
use super::metadata::{SpanIds, TraceId};
use super::observers::Observers;
use super::rate::limits::Taken;
use crate::caller::{Denied, Peer, VerifiedCaller};
use crate::observe::access::WorkerLog;
use crate::observe::metrics::WorkerMetrics;
use crate::observe::seldom::Seldom;
use crate::observe::traces::Tracer;
use crate::route::{Route, Routes};
use crate::upstream::{CallError, Fate, Trail};

/// Where records are reported. Each worker has its own, so that requests of different workers share no counter.
#[derive(Debug)]
pub(crate) struct Sinks {
    pub(crate) routes: Arc<Routes>,
    /// Limits log lines about refused requests to one per second.
    pub(crate) refusals: Arc<Seldom>,
    /// The access log, if there is one.
    pub(crate) access: Option<WorkerLog>,
    /// The metrics that count every request, if there are any.
    pub(crate) metrics: Option<WorkerMetrics>,
    /// Where spans go, if requests are traced.
    pub(crate) traces: Option<Tracer>,
    /// The names of the upstreams, by index.
    pub(crate) upstreams: Arc<[String]>,
    /// Each record as text, for tests.
    #[cfg(test)]
    pub(crate) seen: Option<std::sync::Mutex<Vec<String>>>,
}

/// The record of one request.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) sinks: Arc<Sinks>,
    /// `None` if the head was malformed.
    pub(crate) method: Option<Method>,
    /// `None` if the head was malformed; the listener knows the peer then.
    pub(crate) peer: Option<Arc<Peer>>,
    /// The index of the route; `None` until one is found. The route determines the rpc.
    pub(crate) route: Option<usize>,
    /// The trace id that is sent to the backend.
    pub(crate) trace: Option<TraceId>,
    /// The spans of the request, if it is traced.
    pub(crate) spans: Option<Box<SpanIds>>,
    /// The request id that is sent to the caller.
    pub(crate) request_id: Option<HeaderValue>,
    /// The name of the protocol on top of HTTP.
    pub(crate) protocol: Option<&'static str>,
    /// The attempts at the call.
    pub(crate) trail: Trail,
    pub(crate) call: CallRecord,
    pub(crate) refused: Option<RefusalNote>,
    /// The caller, if its token was verified and there is an access log.
    pub(crate) caller: Option<VerifiedCaller>,
    /// Why the caller was not admitted, if the request was refused for that.
    pub(crate) denied: Option<Arc<Denied>>,
    /// What limits have counted for the request. They count it as in progress until the record is dropped.
    pub(crate) counted: Option<Box<Taken>>,
    /// The HTTP status of the response; `None` if the caller went away before there was one.
    pub(crate) status: Option<StatusCode>,
    /// Whether the caller went away before the response and the call went on.
    pub(crate) is_unawaited: bool,
    /// Whether the response to an earlier request with the same idempotency key was returned again.
    pub(crate) is_replay: bool,
    /// Whether the message of the unary call violates validation rules.
    pub(crate) is_invalid: bool,
    /// Bytes of the request body that were read, before decompression.
    pub(crate) bytes_in: u64,
    /// Bytes of the response body that the connection accepted.
    pub(crate) bytes_out: u64,
    /// What a separate task read of the request body, if there is one.
    pub(crate) upload: Option<Arc<UploadNotes>>,
    pub(crate) times: Times,
    pub(crate) end: End,
}

/// When a request reached each of its phases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// The head had arrived.
    pub(crate) begun: Instant,
    /// The whole body had arrived. `None` for a request without a body, or if the body is read during the call.
    pub(crate) read: Option<Instant>,
    /// The call was sent to the backend.
    pub(crate) called: Option<Instant>,
}

/// How the response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The connection accepted its last byte.
    Whole,
    /// The gateway cut it short, because its source failed.
    Cut,
    /// The caller went away, or the connection ended.
    Dropped,
    /// Towbar panicked, and there was no response.
    Panicked,
}

/// The call of a request, and how it ended.
#[derive(Debug)]
pub(crate) enum CallRecord {
    /// There was no call.
    No,
    /// A unary call; its end, once there is one.
    Unary(Option<CallEnd>),
    /// A streaming call.
    Streaming(Arc<StreamNotes>),
}

/// What the task of a streaming call records.
#[derive(Debug, Default)]
pub(crate) struct StreamNotes {
    messages: AtomicU64,
    is_partial: AtomicBool,
    end: OnceLock<CallEnd>,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct CallEnd {
    pub(crate) at: Instant,
    pub(crate) fate: Fate,
    pub(crate) outcome: CallOutcome,
    /// The text of the error, if the log will print it.
    pub(crate) text: Option<String>,
}

/// The outcome of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    /// The backend replied.
    Replied,
    /// The backend returned a status.
    Status(Code),
    /// The call was refused because too many calls are in flight; the upstream counts these itself.
    TooMany,
    /// There was no readable response.
    Failed,
}

/// How a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefusalNote {
    pub(crate) status: StatusCode,
    pub(crate) code: Code,
    pub(crate) fate: Fate,
    pub(crate) by: Party,
    /// `None` if the backend refused.
    pub(crate) reason: Option<Reason>,
}

/// What a separate task has read of a request body.
#[derive(Debug, Default)]
pub(crate) struct UploadNotes {
    pub(crate) bytes: AtomicU64,
    pub(crate) is_whole: AtomicBool,
}

impl Sinks {
    pub(crate) fn new(routes: Arc<Routes>, refusals: Arc<Seldom>, observers: &Observers) -> Self {
        Self {
            routes,
            refusals,
            access: observers.access.as_ref().map(crate::observe::access::AccessLog::for_worker),
            metrics: None,
            traces: observers.traces.clone(),
            upstreams: observers.upstreams.clone(),
            #[cfg(test)]
            seen: Some(std::sync::Mutex::default()),
        }
    }
}

impl Sinks {
    /// Whether the times of every request are needed.
    pub(crate) fn is_observed(&self) -> bool {
        self.access.is_some()
    }
}

impl Record {
    /// The method if it is a registered one, else `OTHER`: callers can make up methods. `None` where the head was
    /// malformed.
    pub(crate) fn method_name(&self) -> Option<&'static str> {
        let known = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "PATCH", "TRACE"];
        let method = self.method.as_ref()?;
        Some(known.into_iter().find(|known| method == *known).unwrap_or("OTHER"))
    }

    /// The route, if one was found.
    pub(crate) fn route(&self) -> Option<&Route> {
        self.route.and_then(|index| self.sinks.routes.way(index)).map(|route| &**route)
    }

    /// How the call ended, if it has.
    pub(crate) fn call_end(&self) -> Option<&CallEnd> {
        match &self.call {
            CallRecord::No => None,
            CallRecord::Unary(end) => end.as_ref(),
            CallRecord::Streaming(stream) => stream.end.get(),
        }
    }

    /// Bytes of the request body that were read, by any task.
    pub(crate) fn received(&self) -> u64 {
        self.bytes_in + self.upload.as_ref().map_or(0, |upload| upload.bytes.load(Ordering::Relaxed))
    }
}

impl StreamNotes {
    /// Counts a message of the backend.
    pub(crate) fn count(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that the response is only a part of the stream, as a polling caller asked for.
    pub(crate) fn left(&self) {
        self.is_partial.store(true, Ordering::Relaxed);
    }

    /// Records the end of the call.
    pub(crate) fn ended(&self, error: Option<&CallError>) {
        self.end.get_or_init(|| CallEnd::of(error));
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    pub(crate) fn is_partial(&self) -> bool {
        self.is_partial.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) -> Option<&CallEnd> {
        self.end.get()
    }
}

impl CallEnd {
    /// The end of a call with this error, or with a reply if there is none.
    pub(crate) fn of(error: Option<&CallError>) -> Self {
        let (fate, outcome) = match error {
            None => (Fate::Answered, CallOutcome::Replied),
            Some(error @ CallError::Status { status, .. }) => (error.fate(), CallOutcome::Status(status.code())),
            Some(error) if error.is_too_many() => (error.fate(), CallOutcome::TooMany),
            Some(error) => (error.fate(), CallOutcome::Failed),
        };
        // Created only if it is printed: there may be many refusals.
        let text = error.filter(|_| outcome == CallOutcome::Failed || tracing::enabled!(tracing::Level::DEBUG));
        Self { at: Instant::now(), fate, outcome, text: text.map(ToString::to_string) }
    }
}

/// Everything that is known, without any text from the caller.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.method_name().unwrap_or("-");
        let rpc = self.route().map_or("-", |route| &route.rpc.name);
        let status = self.status.map_or(0, |status| status.as_u16());
        write!(f, "{method} {rpc} {status} {:?}, in {}, out {}", self.end, self.received(), self.bytes_out)?;
        if let Some(RefusalNote { status, code, fate, by, reason }) = self.refused {
            let reason = reason.map_or("-", Reason::name);
            write!(f, ", refused {} {code:?} {fate:?} by {by:?}: {reason}", status.as_u16())?;
        }
        if let Some(CallEnd { outcome, fate, .. }) = self.call_end() {
            write!(f, ", call {outcome:?} {fate:?}")?;
        }
        if self.is_replay {
            write!(f, ", answered again")?;
        }
        if let CallRecord::Streaming(stream) = &self.call {
            write!(f, ", messages {}", stream.messages())?;
        }
        Ok(())
    }
}
