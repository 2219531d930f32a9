//! One record per request. It begins when the request arrives, and ends when the last byte of the response is sent or
//! the request is aborted or dropped.
//!
//! Everything that happens to a request is recorded here. When the exchange ends, [`telemetry`] reports the record;
//! nothing else reports requests. An exchange costs one allocation and four clock readings.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;
use tonic::Code;

use super::answer::{Body, Cut, Response};
use super::error::{Party, Reason, Refusal, put_quotas};
use super::metadata::{SpanIds, TraceId};
use super::rate::limits::Taken;
use super::record::{CallEnd, CallRecord, End, Record, RefusalNote, Sinks, StreamNotes, Times, UploadNotes};
use super::spoken::Spoken;
use super::telemetry;
use crate::caller::{Identified, Peer};
use crate::upstream::{CallError, Fate, Trail};

/// A response header: the request was executed before, and this is the first response again.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The record of a request in progress. Dropping it ends it. After [`hand_over`](Self::hand_over) it records nothing
/// more.
pub(crate) struct Exchange(Option<Box<Record>>);

impl Exchange {
    /// Begins the record of a request that arrived at `begun`.
    pub(crate) fn begin(sinks: Arc<Sinks>, method: Method, peer: Arc<Peer>, begun: Instant) -> Self {
        Self::new(sinks, Some(method), Some(peer), begun)
    }

    /// Records a request whose head was malformed. It is refused and ends at once.
    pub(crate) fn malformed(sinks: Arc<Sinks>, refusal: &Refusal) {
        let mut exchange = Self::new(sinks, None, None, Instant::now());
        exchange.traced(&HeaderMap::new());
        exchange.refused(refusal);
        exchange.answered(refusal.http_status());
        exchange.end(End::Whole);
    }

    fn new(sinks: Arc<Sinks>, method: Option<Method>, peer: Option<Arc<Peer>>, begun: Instant) -> Self {
        let trail = Trail::new(sinks.is_observed());
        if let Some(metrics) = &sinks.metrics {
            metrics.begun();
        }
        Self(Some(Box::new(Record {
            sinks,
            method,
            peer,
            route: None,
            trace: None,
            spans: None,
            request_id: None,
            protocol: None,
            trail,
            call: CallRecord::No,
            refused: None,
            caller: None,
            denied: None,
            counted: None,
            status: None,
            is_unawaited: false,
            is_replay: false,
            is_invalid: false,
            bytes_in: 0,
            bytes_out: 0,
            upload: None,
            times: Times { begun, read: None, called: None },
            end: End::Dropped,
        })))
    }

    /// Moves the record out, to a new owner that will end it.
    pub(crate) fn hand_over(&mut self) -> Self {
        Self(self.0.take())
    }

    fn note(&mut self, note: impl FnOnce(&mut Record)) {
        if let Some(record) = &mut self.0 {
            note(record);
        }
    }

    /// Decides by the head of the request whether it is traced.
    pub(crate) fn traced(&mut self, headers: &HeaderMap) {
        self.note(|record| {
            if let Some(tracer) = &record.sinks.traces {
                record.spans = SpanIds::of(headers, || tracer.records_new()).map(Box::new);
            }
        });
    }

    /// Makes the span of the call the parent of what the backend does, if the request is traced.
    pub(crate) fn lead(&self, metadata: &mut HeaderMap) {
        if let Some(spans) = self.0.as_ref().and_then(|record| record.spans.as_ref()) {
            spans.lead(metadata);
        }
    }

    /// Records the protocol of the request.
    pub(super) fn speaks(&mut self, protocol: Spoken) {
        self.note(|record| record.protocol = protocol.name());
    }

    /// Records the request id.
    pub(crate) fn identified(&mut self, id: HeaderValue) {
        self.note(|record| record.request_id = Some(id));
    }

    /// The trail in which attempts at the call are recorded.
    ///
    /// # Panics
    /// After [`hand_over`](Self::hand_over): whoever hands a record over makes no call with it.
    pub(crate) fn trail(&mut self) -> &mut Trail {
        &mut self.0.as_mut().expect("a record that was handed over belongs to no call").trail
    }

    /// Records the attempts at the call.
    pub(crate) fn tried(&mut self, trail: Trail) {
        self.note(|record| record.trail = trail);
    }

    /// Records the verified caller, if somebody will read it.
    pub(crate) fn called_by(&mut self, caller: &Identified) {
        self.note(|record| {
            if record.sinks.access.is_some() {
                record.caller = caller.caller();
            }
        });
    }

    /// Keeps what limits have counted until the record ends.
    pub(crate) fn counted(&mut self, taken: Taken) {
        if taken.is_kept() {
            self.note(|record| record.counted = Some(Box::new(taken)));
        }
    }

    /// Records the route, by its index.
    pub(crate) fn routed(&mut self, route: usize) {
        self.note(|record| record.route = Some(route));
    }

    /// Records that this many bytes of the request body were read.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.note(|record| record.bytes_in += bytes as u64);
    }

    /// Records that the whole request body was read.
    pub(crate) fn read(&mut self) {
        self.note(|record| record.times.read = Some(Instant::now()));
    }

    /// Records that a separate task reads the request body.
    pub(crate) fn uploads(&mut self, upload: Arc<UploadNotes>) {
        self.note(|record| record.upload = Some(upload));
    }

    /// Records that the call was made before, and its first response is returned again.
    pub(crate) fn replays(&mut self) {
        self.note(|record| record.is_replay = true);
    }

    /// Records that the request message violates validation rules.
    pub(crate) fn violates(&mut self) {
        self.note(|record| record.is_invalid = true);
    }

    /// Records that a unary call begins.
    pub(crate) fn calls(&mut self, trace: Option<TraceId>) {
        self.begin_call(trace, CallRecord::Unary(None));
    }

    /// Records that a streaming call begins.
    pub(crate) fn streams(&mut self, trace: Option<TraceId>) -> Arc<StreamNotes> {
        let stream = Arc::<StreamNotes>::default();
        self.begin_call(trace, CallRecord::Streaming(stream.clone()));
        stream
    }

    fn begin_call(&mut self, trace: Option<TraceId>, call: CallRecord) {
        self.note(|record| {
            (record.trace, record.call) = (trace, call);
            record.times.called = Some(Instant::now());
        });
    }

    /// Records the end of a unary call.
    pub(crate) fn called(&mut self, error: Option<&CallError>) {
        self.note(|record| record.call = CallRecord::Unary(Some(CallEnd::of(error))));
    }

    /// Records that the caller has gone away while its call goes on.
    pub(crate) fn unawaited(&mut self) {
        self.note(|record| record.is_unawaited = true);
    }

    /// Records that the request is refused.
    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        self.note(|record| {
            record.denied = refusal.why_denied().cloned();
            record.refused = Some(RefusalNote {
                status: refusal.http_status(),
                code: refusal.code(),
                fate: refusal.fate(),
                by: refusal.party(),
                reason: refusal.reason(),
            });
        });
    }

    /// Records the status of the response.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.note(|record| record.status = Some(status));
    }

    /// Records that this many bytes of the response were sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.note(|record| record.bytes_out += bytes as u64);
    }

    /// Attaches the record to the response, until its last byte is sent.
    pub(crate) fn carry(mut self, mut response: Response) -> http::Response<Recorded> {
        self.answered(response.status());
        if self.0.as_ref().is_some_and(|record| record.is_replay) {
            response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        }
        self.tell_quotas(response.headers_mut());
        response.map(|body| Recorded { body, exchange: self, is_cut: false })
    }

    /// Says in the headers of the response what is left of quotas, where limits say so.
    pub(crate) fn tell_quotas(&self, headers: &mut HeaderMap) {
        if let Some(taken) = self.0.as_ref().and_then(|record| record.counted.as_ref()) {
            put_quotas(&taken.quotas, headers);
        }
    }

    /// Ends the record and reports it.
    pub(crate) fn end(&mut self, end: End) {
        let Some(mut record) = self.0.take() else { return };
        record.end = end;
        if end == End::Panicked {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            record.status = Some(status);
            let (code, fate) = (Code::Internal, Fate::Unknown);
            let reason = Some(Reason::InternalError);
            record.refused = Some(RefusalNote { status, code, fate, by: Party::Gateway, reason });
        }
        telemetry::ended(&record);
        #[cfg(test)]
        if let Some(seen) = &record.sinks.seen {
            seen.lock().unwrap().push(record.to_string());
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.end(if thread::panicking() { End::Panicked } else { End::Dropped });
    }
}

/// The body of a response, with the record of its exchange.
pub struct Recorded {
    body: Body,
    exchange: Exchange,
    is_cut: bool,
}

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => this.exchange.sent(frame.data_ref().map_or(0, Bytes::len)),
            Poll::Ready(Some(Err(Cut))) => this.is_cut = true,
            // A body in parts shows only now that it is complete.
            Poll::Ready(None) => this.exchange.end(if this.is_cut { End::Cut } else { End::Whole }),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let end = match (self.is_cut, self.body.is_end_stream()) {
            (true, _) => End::Cut,
            (false, true) => End::Whole,
            (false, false) => End::Dropped,
        };
        // The body may record something when it is dropped. That still belongs to this record.
        drop(std::mem::take(&mut self.body));
        self.exchange.end(end);
    }
}
