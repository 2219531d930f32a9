//! Streamed replies for callers that do not read streams: each request gets one complete array, and headers on how to
//! continue.

use std::time::Duration;

use http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue};

use super::stream::{self, Batch, BatchEnd, Format, StreamingCall};
use super::streaming::Told;
use crate::gateway::answer::{Body, Response};
use crate::gateway::call::Call;
use crate::gateway::error::Refusal;
use crate::gateway::state::Gateway;

/// Confirms `Prefer: wait` (RFC 7240, section 3).
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// `open`, or `ended` if another request would bring nothing more.
const STREAM_STATUS: HeaderName = HeaderName::from_static("stream-status");

impl Gateway {
    /// Whether the caller asks for the next messages, provided that it accepts an array.
    pub(super) fn polls(&self, call: &Call<'_>) -> bool {
        let may_poll = self.config.streams.long_poll.is_some() && !call.route.rpc.streaming.client;
        may_poll && stream::wait(&call.head.headers).is_some()
    }

    /// How many seconds the caller waits for the next messages, if it asks for them.
    pub(super) fn wait(&self, call: &Call<'_>, format: Option<Format>) -> Option<u64> {
        let most = self.config.streams.long_poll?;
        let may_poll = format == Some(Format::Array) && !call.route.rpc.streaming.client;
        let wanted = may_poll.then(|| stream::wait(&call.head.headers)).flatten()?;
        Some(wanted.min(most.as_secs()))
    }

    /// The messages that arrive until the time is over. Returns as soon as there are some.
    pub(super) async fn polled(
        &self,
        call: &Call<'_>,
        mut streaming: StreamingCall,
        (told, wait): (Told, u64),
    ) -> Result<Response, Refusal> {
        let Call { query, route, started, .. } = *call;
        let until = started + Duration::from_secs(wait);
        let Batch { json, messages, end } = Batch::collect(&mut streaming, until, route, query.system()).await;
        (0..messages).for_each(|_| streaming.notes().count());
        let resumes = route.rpc.policy.last_event_id.is_some();
        // A caller that continues after these messages gets the error with its next request. One that starts again
        // would get the same messages again, and never the error.
        let is_asked_next = resumes && messages > 0;
        match end {
            BatchEnd::Failed(failure) if !is_asked_next => return Err(self.failed(failure, call, streaming.notes())),
            BatchEnd::Unreadable if !is_asked_next => return Err(Refusal::undecodable_message()),
            BatchEnd::Whole => streaming.notes().ended(None),
            BatchEnd::Open | BatchEnd::Failed(_) | BatchEnd::Unreadable => streaming.notes().left(),
        }
        let status = if matches!(end, BatchEnd::Whole) { "ended" } else { "open" };
        let mut response = Response::new(Body::from(json));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(Format::Array.content_type()));
        self.metadata.tell_caller(streaming.metadata(), headers);
        // An `ETag` of the stream does not apply to a part of it.
        headers.remove(ETAG);
        let applied = HeaderValue::from_str(&format!("wait={wait}")).expect("a word and digits are a header value");
        headers.insert(PREFERENCE_APPLIED, applied);
        headers.insert(STREAM_STATUS, HeaderValue::from_static(status));
        if resumes {
            headers.insert(stream::LAST_EVENT_ID, (told.after + messages).into());
        }
        Ok(response)
    }
}
