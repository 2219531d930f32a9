//! Writes the record of a request as a line of the access log.
//!
//! A line contains path templates and names of the schema. It never contains the path, the query, a header or a body,
//! which may hold account numbers and tokens.

use std::time::SystemTime;

use tonic::Code;

use super::error::{Party, Reason};
use super::metadata::TraceId;
use super::record::{CallOutcome, CallRecord, End, Record};
use crate::caller::{Peer, Protocol, VerifiedCaller};
use crate::observe::access::{Line, Outcome, WorkerLog};
use crate::upstream::Fate;

/// Writes the line for a request that has ended.
pub(crate) fn tell(log: &WorkerLog, record: &Record) {
    let total = record.times.begun.elapsed();
    let began = SystemTime::now().checked_sub(total).unwrap_or(SystemTime::UNIX_EPOCH);
    let since = |at: Option<tokio::time::Instant>| at.map(|at| at.saturating_duration_since(record.times.begun));
    let route = record.route();
    let (peer, call) = (record.peer.as_deref(), record.call_end());
    let (tried, trail) = (record.trail.attempts > 0, &record.trail);
    log.write(&Line {
        began,
        outcome: outcome(record),
        request_id: record.request_id.as_ref().and_then(|id| id.to_str().ok()),
        trace_id: trace(record).map(TraceId::as_str),
        peer: peer.and_then(Peer::ip),
        certificate: peer.and_then(Peer::certificate).map(crate::caller::Certificate::sha256),
        issuer: record.caller.as_ref().map(VerifiedCaller::issuer),
        subject: record.caller.as_ref().and_then(VerifiedCaller::subject),
        http: peer.map(|peer| match peer.protocol() {
            Protocol::Http1 => "1.1",
            Protocol::Http2 => "2",
        }),
        protocol: record.protocol,
        tls: peer.and_then(Peer::tls).and_then(|tls| tls.version),
        method: record.method_name(),
        route: route.map(|route| route.path()),
        rpc: route.map(|route| route.rpc.name.as_str()),
        upstream: route.and_then(|route| record.sinks.upstreams.get(route.rpc.upstream)).map(String::as_str),
        address: trail.address,
        attempts: tried.then_some(trail.attempts),
        status: record.status.map(|status| status.as_u16()),
        grpc_code: grpc_code(record).map(|code| code as u32),
        fate: fate(record),
        refused_by: record.refused.map(|refused| party(refused.by)),
        reason: record.refused.map(|refused| reason(refused.reason)),
        end: end(record.end),
        bytes_in: record.received(),
        bytes_out: record.bytes_out,
        messages: match &record.call {
            CallRecord::Streaming(stream) => Some(stream.messages()),
            CallRecord::No | CallRecord::Unary(_) => None,
        },
        read: since(record.times.read),
        called: since(record.times.called),
        first_byte: since(trail.heard),
        call_ended: since(call.map(|end| end.at)),
        total,
    });
}

/// The trace of the call, or that of a request which has no call.
fn trace(record: &Record) -> Option<&TraceId> {
    record.trace.as_ref().or(record.spans.as_ref().map(|spans| &spans.trace))
}

/// The name of an end.
pub(crate) fn end(end: End) -> &'static str {
    match end {
        End::Whole => "whole",
        End::Cut => "cut",
        End::Dropped => "dropped",
        End::Panicked => "panicked",
    }
}

/// The outcome class of the request, which decides its sampling and level.
pub(crate) fn outcome(record: &Record) -> Outcome {
    // An answer of gRPC has status 200, whatever became of the call.
    let status = record.refused.map(|refused| refused.status).or(record.status);
    match (record.end, status) {
        (End::Cut | End::Panicked, _) => Outcome::Failed,
        (_, Some(status)) if status.is_server_error() => Outcome::Failed,
        (_, Some(status)) if status.is_client_error() => Outcome::Refused,
        (End::Dropped, _) | (_, None) => Outcome::Abandoned,
        (End::Whole, Some(_)) => Outcome::Answered,
    }
}

/// The gRPC code of the refusal, or else of the call.
pub(crate) fn grpc_code(record: &Record) -> Option<Code> {
    let called = || match record.call_end()?.outcome {
        CallOutcome::Replied => Some(Code::Ok),
        CallOutcome::Status(code) => Some(code),
        CallOutcome::TooMany | CallOutcome::Failed => None,
    };
    record.refused.map(|refused| refused.code).or_else(called)
}

/// What is known about the call's fate: from the refusal, or else from the call. `None` if there was no call.
pub(crate) fn fate(record: &Record) -> Option<&'static str> {
    let called = || match (&record.call, record.call_end()) {
        (_, Some(end)) => Some(end.fate),
        (CallRecord::No, None) => None,
        (CallRecord::Unary(_) | CallRecord::Streaming(_), None) => Some(Fate::Unknown),
    };
    record.refused.map(|refused| refused.fate).or_else(called).map(|fate| match fate {
        Fate::NotSent => "not_sent",
        Fate::Unknown => "unknown",
        Fate::Answered => "answered",
    })
}

/// The name of the party that refused the request.
pub(crate) fn party(party: Party) -> &'static str {
    match party {
        Party::Gateway => "gateway",
        Party::Upstream => "upstream",
        Party::Backend => "backend",
    }
}

/// The name of the reason. If the backend refused, its status is the reason.
pub(crate) fn reason(reason: Option<Reason>) -> &'static str {
    reason.map_or("BACKEND_STATUS", Reason::name)
}
