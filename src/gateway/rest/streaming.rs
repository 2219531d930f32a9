//! Calls of several messages, in one direction or both.

use bytes::Bytes;
use http::Version;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
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

/// nginx holds answers back until it has a buffer full of them, unless this header says otherwise.
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

    /// How the answer is told.
    fn told(&self, call: &Call<'_>) -> Result<Told, Refusal> {
        let format = self.format(call)?;
        let wait = self.wait(call, format);
        let is_numbered = format == Some(Format::Sse) || wait.is_some();
        let resumes = is_numbered && call.route.rpc.policy.last_event_id.is_some();
        let after = if resumes { stream::last_event(&call.head.headers) } else { Ok(0) };
        after.map(|after| Told { format, after, wait }).map_err(|error| Refusal::header(error.to_string()))
    }

    /// The form of the answer; none where it is bytes as they are, or not a stream.
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

    /// The call, its request sent or being sent.
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
            // A stream's errors do not look for fields in it.
            drop(json);
            let opened = self.opened(call, &admitted, told.after, intake.exchange).await?;
            let OpenCall { mut outgoing, incoming, notes } = opened;
            // Whoever stops reading says why in the answer; whoever never reads lets the deadline pass, which is told there.
            if let Ok(Ok(())) = timeout_at(terms.deadline, outgoing.send(&bytes)).await {
                outgoing.finish();
            }
            return Ok(StreamingCall::sent(incoming, self.ended_with_gateway(), notes));
        }
        let admitted = self.admitted(call, ReceivedBody::Streamed)?;
        let reading = self.reading(route, &head.headers, intake.body.is_read())?;
        let texts = route.prepare(captures, query).map_err(|error| Refusal::encode(&error))?;
        let OpenCall { outgoing, incoming, notes } = self.opened(call, &admitted, told.after, intake.exchange).await?;
        // Over HTTP/1.1 one way comes after the other: nothing is answered for which a caller could wait.
        let is_conversation = route.rpc.streaming.server && head.version >= Version::HTTP_2;
        let (body, read) = intake.body.take();
        read.into_iter().for_each(|read| intake.exchange.uploads(read));
        let upload = stream::Upload { body, pace: Pace::new(self.config.least_rate), is_conversation };
        let sending = reading.send(upload, route.clone(), texts, outgoing);
        Ok(StreamingCall::sending(incoming, self.ended_with_gateway(), notes, sending))
    }

    /// Ready when the gateway stops and the time for calls in flight is over.
    pub(super) fn ended_with_gateway(&self) -> Stopping {
        let ending = self.holder.ending();
        Box::pin(async move { ending.reached().await })
    }

    /// The first message: before it, a failure is an ordinary answer. Events do not wait for it for long, since they can
    /// tell a failure later as well, and show until then that the stream lives.
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
        // Over HTTP/1.1 a caller may not read before it has sent all: half duplex.
        if call.head.version < Version::HTTP_2 && !matches!(first, First::End) {
            streaming.request_ended().await?;
        }
        Ok(first)
    }

    /// The answer to a call that ends with one message of the backend.
    async fn only(&self, call: &Call<'_>, mut streaming: StreamingCall, first: First) -> Result<Response, Refusal> {
        let first = match first {
            First::Message(message) => Some(message),
            First::End | First::Pending => None,
        };
        let message = streaming.only(first).await;
        let message = message.map_err(|failure| self.failed(failure, call, streaming.notes()))?;
        streaming.notes().count();
        streaming.notes().ended(None);
        let reply = upstream::Reply { message, metadata: streaming.metadata().clone(), memory: None };
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
                // What cannot be read is told when it is to be written.
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

    pub(super) fn failed(&self, failure: Failure, call: &Call<'_>, notes: &StreamNotes) -> Refusal {
        notes.ended(failure.call_error());
        failure.into_refusal(self.named(call, None))
    }
}

/// How an answer is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    /// None for bytes as they are, and for one message.
    format: Option<Format>,
    /// The number of the event that the caller has seen last; 0 for none.
    pub(super) after: u64,
    /// The seconds after which it is told at the latest, if not as it comes.
    wait: Option<u64>,
}

/// How an answer begins.
enum First {
    Message(Bytes),
    /// With its end: all went well, and there was none.
    End,
    /// Nothing has come yet.
    Pending,
}

impl First {
    fn of(message: Option<Bytes>) -> Self {
        message.map_or(Self::End, Self::Message)
    }
}
