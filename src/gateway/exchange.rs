//! One record for each request: it begins with the request and ends with the last byte of its answer, with its abort or its drop.
//!
//! Whatever becomes of a request is noted here and told when the exchange ends, by [`telemetry`]; nothing else tells it. It costs one
//! allocation and four readings of the clock.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Method, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;
use tonic::Code;

use super::answer::{Body, Cut, Response};
use super::error::{Party, Reason, Refusal};
use super::metadata::TraceId;
use super::record::{CallEnd, CallRecord, End, Record, RefusalNote, Sinks, StreamNotes, Times, UploadNotes};
use super::telemetry;
use crate::caller::Peer;
use crate::upstream::{CallError, Fate, Trail};

/// The record of a request under way. Dropping it ends it. Of one that was handed over nothing is noted any more.
pub(crate) struct Exchange(Option<Box<Record>>);

impl Exchange {
    /// Begins with a request that came then.
    pub(crate) fn begin(sinks: Arc<Sinks>, method: Method, peer: Arc<Peer>, begun: Instant) -> Self {
        Self::new(sinks, Some(method), Some(peer), begun)
    }

    /// A request whose head was malformed: it is refused, and has ended.
    pub(crate) fn malformed(sinks: Arc<Sinks>, refusal: &Refusal) {
        let mut exchange = Self::new(sinks, None, None, Instant::now());
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
            request_id: None,
            trail,
            call: CallRecord::No,
            refused: None,
            denied: None,
            status: None,
            is_unawaited: false,
            bytes_in: 0,
            bytes_out: 0,
            upload: None,
            times: Times { begun, read: None, called: None },
            end: End::Dropped,
        })))
    }

    /// The record, for whoever ends the exchange instead.
    pub(crate) fn hand_over(&mut self) -> Self {
        Self(self.0.take())
    }

    fn note(&mut self, note: impl FnOnce(&mut Record)) {
        if let Some(record) = &mut self.0 {
            note(record);
        }
    }

    /// It has this id.
    pub(crate) fn identified(&mut self, id: HeaderValue) {
        self.note(|record| record.request_id = Some(id));
    }

    /// Where the attempts at its call are noted; nowhere once it was handed over.
    pub(crate) fn trail(&mut self) -> Option<&mut Trail> {
        self.0.as_mut().map(|record| &mut record.trail)
    }

    /// The attempts at its call were these.
    pub(crate) fn tried(&mut self, trail: Trail) {
        self.note(|record| record.trail = trail);
    }

    /// Its route was found, at this place.
    pub(crate) fn routed(&mut self, route: usize) {
        self.note(|record| record.route = Some(route));
    }

    /// So many bytes of its body were read.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.note(|record| record.bytes_in += bytes as u64);
    }

    /// All of its body was read.
    pub(crate) fn read(&mut self) {
        self.note(|record| record.times.read = Some(Instant::now()));
    }

    /// Its body is read by a task of its own.
    pub(crate) fn uploads(&mut self, upload: Arc<UploadNotes>) {
        self.note(|record| record.upload = Some(upload));
    }

    /// It calls its rpc with one message, for one.
    pub(crate) fn calls(&mut self, trace: Option<TraceId>) {
        self.begin_call(trace, CallRecord::Unary(None));
    }

    /// It opens a call of several messages.
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

    /// Its call of one message has ended.
    pub(crate) fn called(&mut self, error: Option<&CallError>) {
        self.note(|record| record.call = CallRecord::Unary(Some(CallEnd::of(error))));
    }

    /// Its caller has gone away, and its call goes on.
    pub(crate) fn unawaited(&mut self) {
        self.note(|record| record.is_unawaited = true);
    }

    /// It is refused.
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

    /// It has an answer of this status.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.note(|record| record.status = Some(status));
    }

    /// So many bytes of its answer are out.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.note(|record| record.bytes_out += bytes as u64);
    }

    /// The answer, and the record with it until its last byte.
    pub(crate) fn carry(mut self, response: Response) -> http::Response<Recorded> {
        self.answered(response.status());
        response.map(|body| Recorded { body, exchange: self, is_cut: false })
    }

    /// Ends it.
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

/// The body of an answer, with the record of its exchange.
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
            // A body in parts says only now that it was all.
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
        // What the body notes as it is dropped belongs to it.
        drop(std::mem::take(&mut self.body));
        self.exchange.end(end);
    }
}
