//! Makes spans from the record of a request: one of the request, and one of its call.
//!
//! Names and attributes are those of the OpenTelemetry semantic conventions, and some of `towbar.`. A span contains path
//! templates and names of the schema. It never contains the path, the query, a header, a body or an address of a caller.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tonic::Code;

use super::access::{end, fate, outcome, party, reason};
use super::metadata::SpanIds;
use super::record::{CallOutcome, CallRecord, Record};
use crate::caller::{Peer, Protocol};
use crate::observe::access::Outcome;
use crate::observe::traces::Tracer;
use crate::observe::traces::otlp::{Attribute, CLIENT, ERROR, KNOWS_PARENT, REMOTE_PARENT, SERVER, Span, SpanStatus};
use crate::route::Route;

/// The flag of `traceparent` that every span here has: it is recorded.
const SAMPLED: u32 = 1;

/// Queues the spans of a request that has ended.
pub(crate) fn export(tracer: &Tracer, ids: &SpanIds, record: &Record) {
    let clock = Clock::now();
    let request = request(ids, record, &clock);
    let spans = match record.route() {
        Some(route) if !matches!(record.call, CallRecord::No) => {
            vec![request, call(tracer, ids, &CalledRpc { record, route, clock })]
        }
        _ => vec![request],
    };
    tracer.queue.push(spans);
}

/// What the span of a call is made of.
struct CalledRpc<'a> {
    record: &'a Record,
    route: &'a Route,
    clock: Clock,
}

/// The span of the request.
fn request(ids: &SpanIds, record: &Record, clock: &Clock) -> Span {
    let (method, route) = (record.method_name(), record.route());
    // The semantic conventions name a method that nobody registered so in a span's name, and `_OTHER` as an attribute.
    let shown = method.filter(|method| *method != "OTHER").unwrap_or("HTTP");
    let name = route.map_or_else(|| shown.to_owned(), |route| format!("{shown} {}", route.path()));
    let mut attributes = Vec::with_capacity(14);
    attributes.extend(
        method.map(|method| Attribute::text("http.request.method", if method == "OTHER" { "_OTHER" } else { method })),
    );
    attributes.extend(route.map(|route| Attribute::text("http.route", route.path())));
    if let Some(peer) = record.peer.as_deref() {
        let version = match peer.protocol() {
            Protocol::Http1 => "1.1",
            Protocol::Http2 => "2",
        };
        attributes.push(Attribute::text("url.scheme", if Peer::tls(peer).is_some() { "https" } else { "http" }));
        attributes.push(Attribute::text("network.protocol.version", version));
    }
    attributes.extend(record.status.map(|status| Attribute::number("http.response.status_code", status.as_u16())));
    attributes.push(Attribute::number("http.request.body.size", record.received()));
    attributes.push(Attribute::number("http.response.body.size", record.bytes_out));
    attributes.extend(fate(record).map(|fate| Attribute::text("towbar.fate", fate)));
    attributes.push(Attribute::text("towbar.end", end(record.end)));
    if let Some(refused) = record.refused {
        attributes.push(Attribute::text("towbar.refused_by", party(refused.by)));
        attributes.push(Attribute::text("towbar.reason", reason(refused.reason)));
    }
    let is_error = outcome(record) == Outcome::Failed;
    if is_error {
        let kind = record.refused.map_or(end(record.end), |refused| reason(refused.reason));
        attributes.push(Attribute::text("error.type", kind));
    }
    let remote = if ids.parent.is_some() { REMOTE_PARENT } else { 0 };
    Span {
        trace_id: ids.trace.bytes().to_vec(),
        span_id: ids.server.to_be_bytes().to_vec(),
        parent_span_id: ids.parent.map_or_else(Vec::new, |parent| parent.to_be_bytes().to_vec()),
        name,
        kind: SERVER,
        start_time_unix_nano: clock.nanos(record.times.begun),
        end_time_unix_nano: clock.nanos(clock.instant),
        attributes,
        status: is_error.then_some(SpanStatus { code: ERROR }),
        flags: SAMPLED | KNOWS_PARENT | remote,
    }
}

/// The span of the call: all attempts at it.
fn call(tracer: &Tracer, ids: &SpanIds, CalledRpc { record, route, clock }: &CalledRpc<'_>) -> Span {
    let (service, method) = route.rpc.name.rsplit_once('.').unwrap_or(("", &route.rpc.name));
    let (ended, upstream) = (record.call_end(), route.rpc.upstream);
    let code = ended.and_then(|ended| match ended.outcome {
        CallOutcome::Replied => Some(Code::Ok),
        CallOutcome::Status(code) => Some(code),
        CallOutcome::TooMany | CallOutcome::Failed => record.refused.map(|refused| refused.code),
    });
    let mut attributes = Vec::with_capacity(12);
    attributes.push(Attribute::text("rpc.system", "grpc"));
    attributes.push(Attribute::text("rpc.service", service));
    attributes.push(Attribute::text("rpc.method", method));
    attributes.extend(code.map(|code| Attribute::number("rpc.grpc.status_code", code as i32)));
    if let Some(server) = tracer.servers.get(upstream).and_then(Option::as_ref) {
        attributes.push(Attribute::text("server.address", &server.host));
        attributes.push(Attribute::number("server.port", server.port));
    }
    if let Some(address) = record.trail.address {
        attributes.push(Attribute::text("network.peer.address", &address.ip().to_string()));
        attributes.push(Attribute::number("network.peer.port", address.port()));
    }
    let name = record.sinks.upstreams.get(upstream);
    attributes.extend(name.map(|name| Attribute::text("towbar.upstream", name)));
    attributes.push(Attribute::number("towbar.attempts", record.trail.attempts));
    if let CallRecord::Streaming(stream) = &record.call {
        attributes.push(Attribute::number("towbar.messages", stream.messages()));
    }
    let is_error = code.is_some_and(|code| code != Code::Ok);
    if is_error {
        let kind = record.refused.map_or("BACKEND_STATUS", |refused| reason(refused.reason));
        attributes.push(Attribute::text("error.type", kind));
    }
    Span {
        trace_id: ids.trace.bytes().to_vec(),
        span_id: ids.client.to_be_bytes().to_vec(),
        parent_span_id: ids.server.to_be_bytes().to_vec(),
        name: format!("{service}/{method}"),
        kind: CLIENT,
        start_time_unix_nano: clock.nanos(record.times.called.unwrap_or(record.times.begun)),
        end_time_unix_nano: clock.nanos(ended.map_or(clock.instant, |ended| ended.at)),
        attributes,
        status: is_error.then_some(SpanStatus { code: ERROR }),
        flags: SAMPLED | KNOWS_PARENT,
    }
}

/// The wall clock at the end of a request, from which all its times are counted back.
struct Clock {
    instant: Instant,
    since_1970: Duration,
}

impl Clock {
    fn now() -> Self {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { instant: Instant::now(), since_1970 }
    }

    /// Nanoseconds since 1970.
    fn nanos(&self, at: Instant) -> u64 {
        let before = self.instant.saturating_duration_since(at);
        u64::try_from(self.since_1970.saturating_sub(before).as_nanos()).unwrap_or(u64::MAX)
    }
}
