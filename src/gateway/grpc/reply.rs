//! The bodies of answers: messages in their frames, and the status in trailers.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};

use super::frames::{PREFIX, put_prefix};
use crate::gateway::answer::Cut;
use crate::gateway::call::Call;
use crate::gateway::error::{CallContext, Exposure, Refusal, Timer, put_grpc_ok};
use crate::gateway::rest::stream::{Failure, StreamingCall};
use crate::gateway::state::Gateway;
use crate::route::{Query, Route};

/// Messages up to this length are copied behind their prefix, and go out together if several have come.
const TOGETHER: usize = 16 << 10;

type Polled = Poll<Option<Result<Frame<Bytes>, Cut>>>;

impl Gateway {
    /// Status OK, with the trailers of the backend that callers may see.
    pub(super) fn ok_trailers(&self, trailers: &HeaderMap) -> HeaderMap {
        let mut told = HeaderMap::new();
        self.metadata.tell_caller(trailers, &mut told);
        put_grpc_ok(&mut told);
        told
    }
}

/// One message, and status OK.
pub(super) struct Whole {
    data: Option<Bytes>,
    /// The message, if it is not in `data` behind its prefix.
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Whole {
    pub(super) fn new(message: Bytes, trailers: HeaderMap) -> Self {
        let is_copied = message.len() <= TOGETHER;
        let mut data = BytesMut::with_capacity(PREFIX + if is_copied { message.len() } else { 0 });
        put_prefix(&mut data, &message);
        if is_copied {
            data.extend_from_slice(&message);
        }
        Self { data: Some(data.freeze()), message: Some(message).filter(|_| !is_copied), trailers: Some(trailers) }
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled {
        let data = self.data.take().or_else(|| self.message.take()).map(Frame::data);
        Poll::Ready(data.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.trailers.is_none()
    }
}

/// What has arrived of a stream when its response begins.
pub(crate) enum Began {
    Nothing,
    Message(Bytes),
    /// The stream has ended with status OK.
    End,
}

impl Began {
    /// Polls the stream once, without waiting.
    ///
    /// # Errors
    /// The call has failed before a message came.
    pub(super) async fn now(streaming: &mut StreamingCall) -> Result<Self, Failure> {
        match poll_fn(|cx| Poll::Ready(streaming.poll_message(cx))).await {
            Poll::Pending => Ok(Self::Nothing),
            Poll::Ready(first) => Ok(first?.map_or(Self::End, Self::Message)),
        }
    }
}

/// The messages of a backend as they come, and the status of the call.
pub(super) struct StreamReply {
    streaming: StreamingCall,
    gateway: Arc<Gateway>,
    route: Arc<Route>,
    timer: Timer,
    began: Began,
    /// A long message, whose prefix has been sent.
    message: Option<Bytes>,
    state: State,
}

enum State {
    Open,
    Trailers(HeaderMap),
    Over,
}

impl StreamReply {
    pub(super) fn new(gateway: Arc<Gateway>, call: &Call<'_>, streaming: StreamingCall, began: Began) -> Self {
        let (route, timer) = (call.route.clone(), call.deadline.timer.clone());
        Self { streaming, gateway, route, timer, began, message: None, state: State::Open }
    }

    /// The messages that have arrived, as far as they fit into one DATA frame.
    fn poll_messages(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let mut out = BytesMut::new();
        while matches!(self.state, State::Open) && self.message.is_none() && out.len() < TOGETHER {
            match self.poll_message(cx) {
                Poll::Ready(Ok(Some(message))) => {
                    self.streaming.notes().count();
                    put_prefix(&mut out, &message);
                    match message.len() {
                        ..=TOGETHER => out.extend_from_slice(&message),
                        _ => self.message = Some(message),
                    }
                }
                Poll::Ready(Ok(None)) => {
                    self.streaming.notes().ended(None);
                    self.state = State::Trailers(self.gateway.ok_trailers(self.streaming.trailers()));
                }
                Poll::Ready(Err(failure)) => self.state = State::Trailers(self.failed(failure)),
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(out.freeze())
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Failure>> {
        match std::mem::replace(&mut self.began, Began::Nothing) {
            Began::Message(message) => Poll::Ready(Ok(Some(message))),
            Began::End => Poll::Ready(Ok(None)),
            Began::Nothing => self.streaming.poll_message(cx),
        }
    }

    /// The trailers of a call that failed after its response head was sent.
    fn failed(&self, failure: Failure) -> HeaderMap {
        let Self { streaming, gateway, route, timer, .. } = self;
        streaming.notes().ended(failure.call_error());
        let (schema, query, exposure) = (&*gateway.schema, &Query::default(), Exposure::of(&route.rpc.policy.errors));
        let context = CallContext { schema, route, query, json: None, timer, exposure };
        let refusal: Refusal = failure.into_refusal(context);
        let mut told = HeaderMap::new();
        gateway.metadata.tell_caller(streaming.trailers(), &mut told);
        refusal.put_grpc_status(&mut told);
        told
    }
}

impl Body for StreamReply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = &mut *self;
        if let Some(message) = this.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        if matches!(this.state, State::Open) {
            match this.poll_messages(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(data) if !data.is_empty() => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Poll::Ready(_) => {}
            }
        }
        match std::mem::replace(&mut this.state, State::Over) {
            State::Trailers(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            State::Open | State::Over => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Over)
    }
}
