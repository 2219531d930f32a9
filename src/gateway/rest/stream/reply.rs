//! The response body of a streaming call.
//!
//! It is produced when the connection has room for it. So a slow reader slows the backend down, and only one message is
//! held.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep};

use super::call::{Converting, Failure, StreamingCall};
use super::frames::{Format, Frames};
use crate::codec::DecodeError;
use crate::gateway::answer::Cut;
use crate::gateway::error::{CallContext, Exposure, Refusal, Timer};
use crate::limits::offload::LONG;
use crate::route::policy::{Form, Statuses};
use crate::route::{Query, Route, System};
use crate::schema::Schema;

/// The response body of a streaming call.
pub struct Reply {
    call: StreamingCall,
    schema: Arc<Schema>,
    route: Arc<Route>,
    system: System,
    timer: Timer,
    exposure: Exposure,
    statuses: Statuses,
    frames: Frames,
    /// The message that was awaited before the response began.
    first: Option<Bytes>,
    /// A long message that is being converted to JSON.
    converting: Option<Converting>,
    out: Vec<u8>,
    end: End,
    idle: Option<Idle>,
}

/// Whether more of the body follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// The call failed, and the format cannot express that: end the connection now.
    Cut,
    /// The call failed, but earlier output is still on its way, so end the connection with the next poll. Ending it at
    /// once would discard that output, and a caller that has seen no head may send the request again.
    CutNext,
    Whole,
}

/// Detects that nothing was sent for some time.
struct Idle {
    after: Duration,
    sleep: Pin<Box<Sleep>>,
}

/// The call that a reply belongs to.
pub struct Streamed {
    /// The types of error details.
    pub schema: Arc<Schema>,
    pub route: Arc<Route>,
    /// The settings for JSON in the query.
    pub system: System,
    /// The timeout of the call.
    pub timer: Timer,
}

impl Reply {
    /// The body in `format`, or raw bytes if that is `None`, beginning with the message `first`. `form` is the error
    /// form of the route.
    #[must_use]
    pub fn new(
        call: StreamingCall,
        first: Option<Bytes>,
        Streamed { schema, route, system, timer }: Streamed,
        (format, form): (Option<Format>, Form),
    ) -> Self {
        let frames = Frames::new(format, form);
        let (out, end) = (Vec::new(), End::Open);
        let (exposure, statuses, converting, idle) = (Exposure::default(), Statuses::default(), None, None);
        Self { call, schema, route, system, timer, exposure, statuses, frames, first, converting, out, end, idle }
    }

    /// Numbers events from `last + 1` on.
    #[must_use]
    pub fn after(self, last: u64) -> Self {
        Self { frames: self.frames.after(last), ..self }
    }

    /// Sets whether NDJSON ends a successful call with a closing line.
    #[must_use]
    pub fn closing(self, closes: bool) -> Self {
        if closes { self } else { Self { frames: self.frames.without_closing_line(), ..self } }
    }

    /// Sets which parts of the backend's status callers may see.
    #[must_use]
    pub fn exposing(self, exposure: Exposure) -> Self {
        Self { exposure, ..self }
    }

    /// Sets the HTTP statuses of gRPC codes, for error forms that contain them.
    #[must_use]
    pub fn in_table(self, statuses: Statuses) -> Self {
        Self { statuses, ..self }
    }

    /// Sends a comment whenever nothing was sent for `after`, if the format has comments.
    #[must_use]
    pub fn kept_alive(mut self, after: Duration) -> Self {
        self.idle = self.frames.keep_alive().map(|_| Idle { after, sleep: Box::pin(sleep(after)) });
        self
    }

    fn put(&mut self, message: Bytes) {
        self.call.notes().count();
        if self.route.is_raw_reply {
            let put = self.route.raw_reply(&message, |body| self.frames.put_message(&mut self.out, body.data));
            self.check(put);
        } else if message.len() < LONG {
            self.put_json(self.route.decode_line(&message, self.system));
        } else {
            self.converting = Some(self.call.convert(message, self.route.clone(), self.system));
        }
    }

    fn put_json(&mut self, json: Result<Vec<u8>, DecodeError>) {
        let put = json.map(|json| self.frames.put_message(&mut self.out, &json));
        self.check(put);
    }

    fn check(&mut self, put: Result<(), DecodeError>) {
        if let Err(error) = put {
            tracing::error!(rpc = self.route.rpc.name, field = error.field, %error, "a message of the backend cannot be decoded");
            self.fail(&Refusal::undecodable_message());
        }
    }

    fn fail(&mut self, refusal: &Refusal) {
        let told = self.frames.put_error(&mut self.out, refusal);
        self.end = if told { End::Whole } else { End::Cut };
    }

    fn take(&mut self, message: Result<Option<Bytes>, Failure>) {
        match message {
            Ok(Some(message)) => self.put(message),
            Ok(None) => {
                self.frames.put_end(&mut self.out);
                self.end = End::Whole;
                self.call.notes().ended(None);
            }
            Err(failure) => {
                self.call.notes().ended(failure.call_error());
                // The response has begun, so the query and body of the request are gone.
                let (schema, route, query) = (&self.schema, &self.route, &Query::default());
                let exposure = self.exposure;
                let context = CallContext { schema, route, query, json: None, timer: &self.timer, exposure };
                self.fail(&failure.into_refusal(context).in_table(&self.statuses));
            }
        }
    }

    /// Writes a comment if nothing was sent for long enough.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(idle) = &mut self.idle else { return Poll::Pending };
        let Some(comment) = self.frames.keep_alive() else { return Poll::Pending };
        if idle.sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        idle.sleep.as_mut().reset(Instant::now() + idle.after);
        self.out.extend_from_slice(comment);
        Poll::Ready(())
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        if let Some(first) = this.first.take() {
            this.put(first);
        }
        while this.end == End::Open && this.out.len() < this.frames.together() {
            if let Some(converting) = &mut this.converting {
                match converting.as_mut().poll(cx) {
                    Poll::Ready(converted) => {
                        this.converting = None;
                        match this.call.converted(converted) {
                            Ok(json) => this.put_json(json),
                            Err(failure) => this.take(Err(failure)),
                        }
                        continue;
                    }
                    Poll::Pending if this.out.is_empty() && this.poll_idle(cx).is_pending() => return Poll::Pending,
                    Poll::Pending => break,
                }
            }
            match this.call.poll_message(cx) {
                Poll::Ready(message) => this.take(message),
                Poll::Pending if this.out.is_empty() && this.poll_idle(cx).is_pending() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if !this.out.is_empty() {
            if let Some(idle) = &mut this.idle {
                idle.sleep.as_mut().reset(Instant::now() + idle.after);
            }
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.out).into()))));
        }
        match this.end {
            End::Cut => {
                this.end = End::CutNext;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            End::CutNext => {
                this.end = End::Whole;
                Poll::Ready(Some(Err(Cut)))
            }
            End::Open | End::Whole => Poll::Ready(None),
        }
    }
}
