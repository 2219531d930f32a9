//! Streaming calls, in one direction or both.

use bytes::Bytes;
use http::Version;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::{timeout, timeout_at};

use super::convert::{content_type, is_long};
use super::stream::{self, Asking, Failure, Format, Stopping, StreamingCall};
use crate::caller::ReceivedBody;
use crate::gateway::answer::{Body, Response};
use crate::gateway::call::{Call, Intake};
use crate::gateway::error::{Exposure, Reason, Refusal};
use crate::gateway::forward::{OpenCall, RequestMessage};
use crate::gateway::record::StreamNotes;
use crate::gateway::request::inbound::RequestBody;
use crate::gateway::state::Gateway;
use crate::limits::pace::Pace;
use crate::route::policy::Policy;
use crate::upstream;

/// This header stops nginx from buffering a response until it has a full buffer.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

impl Gateway {
    pub(super) async fn stream<B: RequestBody>(
        &self,
        call: &Call<'_>,
        intake: &mut Intake<'_, B>,
    ) -> Result<Response, Refusal> {
        let route = call.route;
        let told = self.told(call)?;
        let mut streaming = self.open(call, intake, told).await?;
        if let Some(wait) = told.wait {
            return self.polled(call, streaming, (told, wait)).await;
        }
        let first = self.first(&mut streaming, call, told.format).await;
        let first = first.map_err(|failure| {
            let refusal = self.failed(failure, call, streaming.notes());
            if told.format == Some(Format::GrpcGateway) { refusal.as_only_line() } else { refusal }
        })?;
        if !route.rpc.streaming.server {
            return self.only(call, streaming, first).await;
        }
        Ok(self.streamed(call, streaming, first, told))
    }

    /// How the response is written.
    fn told(&self, call: &Call<'_>) -> Result<Told, Refusal> {
        let format = self.format(call)?;
        let wait = self.wait(call, format);
        let is_numbered = format == Some(Format::Sse) || wait.is_some();
        let resumes = is_numbered && call.route.rpc.policy.last_event_id.is_some();
        let after = if resumes { stream::last_event(&call.head.headers) } else { Ok(0) };
        after.map(|after| Told { format, after, wait }).map_err(|error| Refusal::header(error.to_string()))
    }

    /// The format of the response; `None` for raw bytes, or if the rpc does not stream replies.
    fn format(&self, call: &Call<'_>) -> Result<Option<Format>, Refusal> {
        if !call.route.rpc.streaming.server || call.route.is_raw_reply {
            return Ok(None);
        }
        let asking = if self.polls(call) { Asking::Poll } else { Asking::Stream };
        let chosen = stream::chosen(&call.head.headers, self.config.streams.format, asking);
        chosen.map(Some).ok_or_else(|| {
            let types = Format::ALL.map(Format::content_type).join(", ");
            let message =
                format!("header accept: this stream has none of the requested formats; accept one of {types}");
            Refusal::new(Reason::NotAcceptable, message)
        })
    }

    /// Opens the call. Its request has been sent, or a task is sending it.
    async fn open<B: RequestBody>(
        &self,
        call: &Call<'_>,
        intake: &mut Intake<'_, B>,
        told: Told,
    ) -> Result<StreamingCall, Refusal> {
        let Call { head, query, route, captures, terms, .. } = *call;
        if !route.rpc.streaming.client {
            let body = self.receive(call, intake).await?;
            let admitted = self.admitted(call, ReceivedBody::Whole(body.as_deref().unwrap_or_default()))?;
            let RequestMessage { bytes, json } = self.message(call, body).await?;
            let bytes = self.validate(call, bytes, json.as_deref(), intake.exchange).await?;
            // Errors of a stream do not look up fields in the JSON, so it can be freed.
            drop(json);
            let opened = self.opened(call, &admitted, told.after, intake.exchange).await?;
            let OpenCall { mut outgoing, incoming, notes } = opened;
            // A backend that stops reading reports why in its reply. One that never reads exceeds the deadline, which
            // is reported there too.
            if let Ok(Ok(())) = timeout_at(terms.deadline, outgoing.send(&bytes)).await {
                outgoing.finish();
            }
            return Ok(StreamingCall::sent(incoming, self.ended_with_gateway(), notes));
        }
        let admitted = self.admitted(call, ReceivedBody::Streamed)?;
        let reading = self.reading(route, &head.headers, intake.body.is_read())?;
        let texts = route.prepare(captures, query).map_err(|error| Refusal::encode(&error))?;
        let OpenCall { outgoing, incoming, notes } = self.opened(call, &admitted, told.after, intake.exchange).await?;
        // Over HTTP/1.1, no reply is sent before the whole request has arrived, so no caller waits for a reply to
        // continue.
        let is_conversation = route.rpc.streaming.server && head.version >= Version::HTTP_2;
        let (body, read) = intake.body.take();
        read.into_iter().for_each(|read| intake.exchange.uploads(read));
        let upload = stream::Upload { body, pace: Pace::new(self.config.least_rate), is_conversation };
        let sending = reading.send(upload, route.clone(), texts, outgoing);
        Ok(StreamingCall::sending(incoming, self.ended_with_gateway(), notes, sending))
    }

    /// Resolves when the gateway stops and the time for calls in flight is over.
    pub(crate) fn ended_with_gateway(&self) -> Stopping {
        let ending = self.holder.ending();
        Box::pin(async move { ending.reached().await })
    }

    /// Waits for the first message. A failure before it is an ordinary error response. A stream of events does not wait
    /// long: it can report a failure later too, and its comments show meanwhile that it is alive.
    async fn first(
        &self,
        streaming: &mut StreamingCall,
        call: &Call<'_>,
        format: Option<Format>,
    ) -> Result<First, Failure> {
        let first = if format == Some(Format::Sse) {
            match timeout(self.config.streams.keep_alive, streaming.message()).await {
                Ok(first) => First::of(first?),
                Err(_) => First::Pending,
            }
        } else {
            First::of(streaming.message().await?)
        };
        // HTTP/1.1 is half duplex: a caller may read nothing before it has sent everything.
        if call.head.version < Version::HTTP_2 && !matches!(first, First::End) {
            streaming.request_ended().await?;
        }
        Ok(first)
    }

    /// The response to a call whose reply is a single message.
    async fn only(&self, call: &Call<'_>, mut streaming: StreamingCall, first: First) -> Result<Response, Refusal> {
        let first = match first {
            First::Message(message) => Some(message),
            First::End | First::Pending => None,
        };
        let message = streaming.only(first).await;
        let message = message.map_err(|failure| self.failed(failure, call, streaming.notes()))?;
        streaming.notes().count();
        streaming.notes().ended(None);
        let (metadata, trailers) = (streaming.metadata().clone(), HeaderMap::new());
        let reply = upstream::Reply { message, metadata, trailers, memory: None };
        if is_long(call.route, &reply) { self.long_reply(call, reply).await } else { self.reply(call, &reply) }
    }

    fn streamed(&self, call: &Call<'_>, streaming: StreamingCall, first: First, told: Told) -> Response {
        let metadata = streaming.metadata().clone();
        let first = match first {
            First::Message(message) => Some(message),
            First::End | First::Pending => None,
        };
        let content_type = match told.format {
            Some(format) => HeaderValue::from_static(format.content_type()),
            None => {
                let first = first.as_deref().unwrap_or_default();
                let named = call.route.raw_reply(first, |body| content_type(body.content_type));
                // A message that cannot be decoded is reported when it is written.
                named.unwrap_or(HeaderValue::from_static("application/octet-stream"))
            }
        };
        let Call { route, query, deadline, .. } = *call;
        let (schema, route_of, timer) = (self.schema.clone(), route.clone(), deadline.timer.clone());
        let streamed = stream::Streamed { schema, route: route_of, system: query.system(), timer };
        let Policy { errors, closing_line, .. } = &route.rpc.policy;
        let reply = stream::Reply::new(streaming, first, streamed, (told.format, errors.form)).after(told.after);
        let reply =
            reply.kept_alive(self.config.streams.keep_alive).exposing(Exposure::of(errors)).in_table(errors.statuses);
        let reply = reply.closing(*closing_line);
        let mut response = Response::new(Body::Parts(Box::pin(reply)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
        self.metadata.tell_caller(&metadata, headers);
        response
    }

    pub(crate) fn failed(&self, failure: Failure, call: &Call<'_>, notes: &StreamNotes) -> Refusal {
        notes.ended(failure.call_error());
        failure.into_refusal(self.named(call, None))
    }
}

/// How the response is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    /// `None` for raw bytes, and for a reply of a single message.
    format: Option<Format>,
    /// The number of the last event that the caller has seen; 0 if it has seen none.
    pub(super) after: u64,
    /// For a polling caller, the seconds to wait; `None` for a stream.
    wait: Option<u64>,
}

/// How the reply begins.
enum First {
    Message(Bytes),
    /// The call succeeded without any message.
    End,
    /// No message has arrived yet.
    Pending,
}

impl First {
    fn of(message: Option<Bytes>) -> Self {
        message.map_or(Self::End, Self::Message)
    }
}
