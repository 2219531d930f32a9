//! What is told of a call: one line when it ends.
//!
//! The template, never the path or the query, which hold account numbers and tokens.

use std::sync::Arc;

use http::Method;
use tokio::time::Instant;
use tracing::field::display;

use crate::gateway::metadata::TraceId;
use crate::observe::seldom::LeftOut;
use crate::route::Route;
use crate::upstream::CallError;

/// Which call it is that is told.
#[derive(Debug, Clone, Copy)]
pub struct Which<'a> {
    /// Of the request.
    pub method: &'a Method,
    /// Where it went.
    pub route: &'a Route,
    /// The trace that the backend is told that it belongs to.
    pub trace: Option<TraceId>,
}

/// Tells the end of a call of one message that began then.
pub fn called(which: Which<'_>, error: Option<&CallError>, started: Instant) {
    let Which { method, route, trace } = which;
    let (rpc, trace_id) = (&route.rpc.name, trace.map(display));
    // Asked only where a line is written.
    let (template, ms) = (|| route.path(), || started.elapsed().as_millis());
    match error {
        None => tracing::debug!(%method, template = template(), rpc, ms = ms(), trace_id, "answered"),
        // Of calls that are too many the upstream tells the number.
        Some(error) if matches!(error, CallError::Status { .. }) || error.is_too_many() => {
            tracing::debug!(%method, template = template(), rpc, ms = ms(), trace_id, %error, "refused")
        }
        Some(error) => tracing::warn!(%method, template = template(), rpc, ms = ms(), trace_id, %error, "failed"),
    }
}

/// Tells that a request was refused, and that so many others were since the last one was told.
pub fn refused(method: &Method, rpc: Option<&str>, (status, code): (u16, i32), left_out: LeftOut) {
    tracing::info!(%method, rpc, status, code, "a request was refused{left_out}");
}

/// A call of several messages that is under way. Its end is told, or that nobody waited for it.
#[derive(Debug)]
pub struct Called {
    method: Method,
    route: Arc<Route>,
    trace: Option<TraceId>,
    started: Instant,
    messages: u64,
    is_told: bool,
}

impl Called {
    /// Begins with the request.
    #[must_use]
    pub fn new(method: Method, route: Arc<Route>, started: Instant) -> Self {
        Self { method, route, trace: None, started, messages: 0, is_told: false }
    }

    /// Notes the trace that the backend is told.
    pub fn belongs_to(&mut self, trace: Option<TraceId>) {
        self.trace = trace;
    }

    /// Notes a message of the backend.
    pub fn count(&mut self) {
        self.messages += 1;
    }

    /// Tells that a part of it was enough.
    pub fn left(&mut self) {
        self.is_told = true;
        let (rpc, ms) = (&self.route.rpc.name, self.started.elapsed().as_millis());
        tracing::debug!(method = %self.method, rpc, ms, messages = self.messages, "a part of a stream was answered");
    }

    /// Tells the end.
    pub fn ended(&mut self, error: Option<&CallError>) {
        self.is_told = true;
        tracing::debug!(rpc = self.route.rpc.name, messages = self.messages, "a stream ended");
        called(Which { method: &self.method, route: &self.route, trace: self.trace }, error, self.started);
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        if !self.is_told {
            let (rpc, ms, trace_id) =
                (&self.route.rpc.name, self.started.elapsed().as_millis(), self.trace.map(display));
            tracing::debug!(method = %self.method, rpc, ms, trace_id, messages = self.messages, "given up by the caller");
        }
    }
}

/// A call of one message that goes on though its caller has gone away. No answer tells what became of it, so the log does.
#[derive(Debug)]
pub struct Unawaited {
    method: Method,
    route: Arc<Route>,
    trace: Option<TraceId>,
    started: Instant,
    is_told: bool,
}

impl Unawaited {
    /// Of a request that came at `started`, whose call belongs to this trace.
    #[must_use]
    pub fn new(method: Method, route: Arc<Route>, trace: Option<TraceId>, started: Instant) -> Self {
        Self { method, route, trace, started, is_told: false }
    }

    /// Tells the end: its gRPC code, and the error if that is not what the backend answered.
    pub fn ended(mut self, code: i32, error: Option<&str>) {
        self.is_told = true;
        let (method, rpc, ms) = (&self.method, &self.route.rpc.name, self.started.elapsed().as_millis());
        let trace_id = self.trace.map(display);
        match error {
            None => tracing::info!(%method, rpc, code, ms, trace_id, "the caller had gone away: answered"),
            Some(error) => tracing::warn!(%method, rpc, code, ms, trace_id, error, "the caller had gone away: failed"),
        }
    }
}

impl Drop for Unawaited {
    fn drop(&mut self) {
        if !self.is_told {
            let (method, rpc, ms) = (&self.method, &self.route.rpc.name, self.started.elapsed().as_millis());
            let trace_id = self.trace.map(display);
            tracing::warn!(%method, rpc, ms, trace_id, "given up when the gateway stopped: the outcome of the call is unknown");
        }
    }
}
