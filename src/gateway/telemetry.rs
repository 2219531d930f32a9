//! Logs a request when it has ended: at most one line for its refusal, and one or two for its call.
//!
//! Lines contain the path template, never the path or the query, which may hold account numbers and tokens.

use std::fmt;

use http::StatusCode;
use tokio::time::Instant;
use tonic::Code;
use tracing::field::display;

use super::access;
use super::counted;
use super::error::Party;
use super::metadata::TraceId;
use super::record::{CallEnd, CallOutcome, CallRecord, Record, StreamNotes, Times};
use super::traced;
use crate::route::Route;

/// Reports a request that has ended: to the access log, metrics, traces and the log.
pub(crate) fn ended(record: &Record) {
    if let Some(log) = &record.sinks.access {
        access::tell(log, record);
    }
    if let Some(metrics) = &record.sinks.metrics {
        counted::count(metrics, record);
    }
    if let (Some(tracer), Some(spans)) = (&record.sinks.traces, &record.spans) {
        traced::export(tracer, spans, record);
    }
    let Times { begun, read, called } = record.times;
    let ms = |at: Option<Instant>| at.map(|at| (at - begun).as_millis());
    let (called_ms, call_ended_ms) = (|| ms(called), || ms(record.call_end().map(|end| end.at)));
    let peer = || record.peer.as_ref().and_then(|peer| peer.ip()).map(display);
    tracing::trace!(
        peer = peer(),
        read_ms = ms(read),
        called_ms = called_ms(),
        call_ended_ms = call_ended_ms(),
        ended_ms = begun.elapsed().as_millis(),
        "an exchange has ended: {record}"
    );
    // The listener logs requests with malformed heads.
    let Some(method) = record.method_name() else { return };
    refused(record, method);
    let Some(route) = record.route() else { return };
    let line = Line { method, route, trace: record.trace, record };
    match &record.call {
        CallRecord::No => {}
        CallRecord::Unary(end) if record.is_unawaited => line.unawaited(end.as_ref()),
        CallRecord::Unary(end) => end.iter().for_each(|end| line.called(end)),
        CallRecord::Streaming(stream) => line.streamed(stream),
    }
}

/// Logs a request that the gateway refused, if no call failed.
fn refused(record: &Record, method: &str) {
    let Some(refused) = &record.refused else { return };
    let is_told = refused.status.is_client_error() || refused.status == StatusCode::SERVICE_UNAVAILABLE;
    if is_told
        && refused.by == Party::Gateway
        && let Some(left_out) = record.sinks.refusals.line()
    {
        let rpc = record.route().map(|route| route.rpc.name.as_str());
        let (status, code) = (refused.status.as_u16(), refused.code as i32);
        let why = record.denied.as_deref().map(display);
        tracing::info!(%method, rpc, status, code, why, "a request was refused{left_out}");
    }
}

/// What all log lines of a call have in common.
struct Line<'a> {
    method: &'static str,
    route: &'a Route,
    trace: Option<TraceId>,
    record: &'a Record,
}

impl Line<'_> {
    fn ms(&self, end: &CallEnd) -> u128 {
        (end.at - self.record.times.begun).as_millis()
    }

    /// Logs the end of a unary call.
    fn called(&self, end: &CallEnd) {
        let Self { method, route, trace, .. } = self;
        let (rpc, trace_id) = (&route.rpc.name, trace.map(display));
        // Evaluated only if a line is written.
        let (template, ms) = (|| route.path(), || self.ms(end));
        let error = Text(end.text.as_deref());
        match end.outcome {
            CallOutcome::Replied => {
                tracing::debug!(%method, template = template(), rpc, ms = ms(), trace_id, "answered");
            }
            CallOutcome::Status(_) | CallOutcome::TooMany => {
                tracing::debug!(%method, template = template(), rpc, ms = ms(), trace_id, %error, "refused");
            }
            CallOutcome::Failed => {
                tracing::warn!(%method, template = template(), rpc, ms = ms(), trace_id, %error, "failed");
            }
        }
    }

    fn streamed(&self, stream: &StreamNotes) {
        let Self { method, route, record, .. } = self;
        let (rpc, messages) = (&route.rpc.name, stream.messages());
        let ms = || record.times.begun.elapsed().as_millis();
        if stream.is_partial() {
            tracing::debug!(%method, rpc, ms = ms(), messages, "sent a part of a stream");
        } else if let Some(end) = stream.end() {
            tracing::debug!(rpc, messages, "a stream ended");
            self.called(end);
        } else if record.refused.is_none() {
            let trace_id = self.trace.map(display);
            tracing::debug!(%method, rpc, ms = ms(), trace_id, messages, "cancelled by the caller");
        }
    }

    /// Logs a unary call that went on after its caller had gone away. No response reports its outcome, so the log does.
    fn unawaited(&self, end: Option<&CallEnd>) {
        let Self { method, route, trace, record } = self;
        let (rpc, trace_id) = (&route.rpc.name, trace.map(display));
        let Some(end) = end else {
            let ms = record.times.begun.elapsed().as_millis();
            tracing::warn!(%method, rpc, ms, trace_id, "cancelled because Towbar stopped: the outcome of the call is unknown");
            return;
        };
        let ms = self.ms(end);
        let code = record.refused.map_or(Code::Ok, |refused| refused.code) as i32;
        match end.outcome {
            CallOutcome::Replied | CallOutcome::Status(_) => {
                tracing::info!(%method, rpc, code, ms, trace_id, "the caller disconnected before the end of its call: answered");
            }
            CallOutcome::TooMany | CallOutcome::Failed => {
                let error = end.text.as_deref();
                tracing::warn!(%method, rpc, code, ms, trace_id, error, "the caller disconnected before the end of its call: failed");
            }
        }
    }
}

/// The text of an error, if there is one.
struct Text<'a>(Option<&'a str>);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.unwrap_or_default())
    }
}
