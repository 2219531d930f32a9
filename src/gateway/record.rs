//! What is known of one request and what became of it: data, which [`Exchange`](super::exchange::Exchange) fills and its sinks read.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use http::header::HeaderValue;
use http::{Method, StatusCode};
use tokio::time::Instant;
use tonic::Code;

use super::error::{Party, Reason};
use super::metadata::TraceId;
use super::observers::Observers;
use crate::caller::{Denied, Peer};
use crate::observe::access::WorkerLog;
use crate::observe::metrics::WorkerMetrics;
use crate::observe::seldom::Seldom;
use crate::route::{Route, Routes};
use crate::upstream::{CallError, Fate, Trail};

/// What records are told with. Each worker has its own, so that its requests share no counter with those of others.
#[derive(Debug)]
pub(crate) struct Sinks {
    pub(crate) routes: Arc<Routes>,
    /// When the log had its last line about a refused request: there is one a second at most.
    pub(crate) refusals: Arc<Seldom>,
    /// Where each request has a line, if anywhere.
    pub(crate) access: Option<WorkerLog>,
    /// Where each request is counted, if anywhere.
    pub(crate) metrics: Option<WorkerMetrics>,
    /// Names of the upstreams.
    pub(crate) upstreams: Arc<[String]>,
    /// Each record, in words.
    #[cfg(test)]
    pub(crate) seen: Option<std::sync::Mutex<Vec<String>>>,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) sinks: Arc<Sinks>,
    /// `None` where the head was malformed.
    pub(crate) method: Option<Method>,
    /// `None` where the head was malformed: the listener knows who that was.
    pub(crate) peer: Option<Arc<Peer>>,
    /// Its place among all routes; `None` before one is found. Its rpc is that of the route.
    pub(crate) route: Option<usize>,
    /// The trace that the backend is told that the call belongs to.
    pub(crate) trace: Option<TraceId>,
    /// The id that its caller is told.
    pub(crate) request_id: Option<HeaderValue>,
    /// Where the call was tried.
    pub(crate) trail: Trail,
    pub(crate) call: CallRecord,
    pub(crate) refused: Option<RefusalNote>,
    /// Why its caller was not admitted, if that is why it was refused.
    pub(crate) denied: Option<Arc<Denied>>,
    /// The HTTP status of the answer; `None` where the caller has gone before there was one.
    pub(crate) status: Option<StatusCode>,
    /// Whether the caller went away before the answer, and the call goes on without it.
    pub(crate) is_unawaited: bool,
    /// Bytes of the request's body that were read, as they came.
    pub(crate) bytes_in: u64,
    /// Bytes of the answer's body that the connection has taken.
    pub(crate) bytes_out: u64,
    /// The rest of a body that is read by a task of its own.
    pub(crate) upload: Option<Arc<UploadNotes>>,
    pub(crate) times: Times,
    pub(crate) end: End,
}

/// When a request reached each of its phases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// Its head has come.
    pub(crate) begun: Instant,
    /// All of its body has come, where it has one and that is read before the call.
    pub(crate) read: Option<Instant>,
    /// The call goes to the backend.
    pub(crate) called: Option<Instant>,
}

/// How the answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Its last byte was given to the connection.
    Whole,
    /// It was cut short by the gateway: what it is made of failed.
    Cut,
    /// The caller has gone away, or the connection has ended.
    Dropped,
    /// A fault of ours, and no answer.
    Panicked,
}

/// The call of a request.
#[derive(Debug)]
pub(crate) enum CallRecord {
    /// There was none.
    No,
    /// One message each way; its end, once it has come.
    Unary(Option<CallEnd>),
    /// Several messages one way or both.
    Streaming(Arc<StreamNotes>),
}

/// What the task that carries a stream notes of it.
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
    /// The error, where a line of the log has it.
    pub(crate) text: Option<String>,
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    /// A reply.
    Replied,
    /// A status of the backend's.
    Status(Code),
    /// There are too many calls already, of which the upstream tells the number.
    TooMany,
    /// No answer that could be read.
    Failed,
}

/// A refusal, as it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefusalNote {
    pub(crate) status: StatusCode,
    pub(crate) code: Code,
    pub(crate) fate: Fate,
    pub(crate) by: Party,
    /// `None` where the backend refuses.
    pub(crate) reason: Option<Reason>,
}

/// What was read of a body by a task of its own.
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
            upstreams: observers.upstreams.clone(),
            #[cfg(test)]
            seen: Some(std::sync::Mutex::default()),
        }
    }
}

impl Sinks {
    /// Whether somebody reads the times of every request.
    pub(crate) fn is_observed(&self) -> bool {
        self.access.is_some()
    }
}

impl Record {
    /// Its route, if one was found.
    pub(crate) fn route(&self) -> Option<&Route> {
        self.route.map(|index| &*self.sinks.routes.all()[index])
    }

    /// The end of its call, if it has come.
    pub(crate) fn call_end(&self) -> Option<&CallEnd> {
        match &self.call {
            CallRecord::No => None,
            CallRecord::Unary(end) => end.as_ref(),
            CallRecord::Streaming(stream) => stream.end.get(),
        }
    }

    /// Bytes of the request's body that were read, by whatever task.
    pub(crate) fn received(&self) -> u64 {
        self.bytes_in + self.upload.as_ref().map_or(0, |upload| upload.bytes.load(Ordering::Relaxed))
    }
}

impl StreamNotes {
    /// Notes a message of the backend.
    pub(crate) fn count(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a part of it was enough.
    pub(crate) fn left(&self) {
        self.is_partial.store(true, Ordering::Relaxed);
    }

    /// Notes the end.
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
    /// That of a call with this error, or with a reply.
    pub(crate) fn of(error: Option<&CallError>) -> Self {
        let (fate, outcome) = match error {
            None => (Fate::Answered, CallOutcome::Replied),
            Some(error @ CallError::Status { status, .. }) => (error.fate(), CallOutcome::Status(status.code())),
            Some(error) if error.is_too_many() => (error.fate(), CallOutcome::TooMany),
            Some(error) => (error.fate(), CallOutcome::Failed),
        };
        // Made only for those who read it: refusals may be many.
        let text = error.filter(|_| outcome == CallOutcome::Failed || tracing::enabled!(tracing::Level::DEBUG));
        Self { at: Instant::now(), fate, outcome, text: text.map(ToString::to_string) }
    }
}

/// All that is known, without a word of the caller's.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.method.as_ref().map_or("-", Method::as_str);
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
        if let CallRecord::Streaming(stream) = &self.call {
            write!(f, ", messages {}", stream.messages())?;
        }
        Ok(())
    }
}
