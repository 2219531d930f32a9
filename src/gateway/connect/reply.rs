//! The body of a stream: messages in their frames as they come, and a last one that says how the call ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};

use super::codec::Codec;
use crate::codec::DecodeError;
use crate::format::compression::Gzip;
use crate::gateway::answer::Cut;
use crate::gateway::call::Call;
use crate::gateway::error::{CallContext, Exposure, Refusal, Timer, connect_end};
use crate::gateway::grpc::{Began, put_flagged};
use crate::gateway::rest::stream::{Converting, Failure, StreamingCall};
use crate::gateway::state::Gateway;
use crate::limits::offload::LONG;
use crate::route::{Query, Route, System};

/// Messages up to this length are copied behind their prefix, and go out together if several have come.
const TOGETHER: usize = 16 << 10;

/// Messages of these lengths are compressed: with shorter ones the saving would not be worth the work, and longer ones would keep
/// other requests of the worker waiting.
const COMPRESSED: std::ops::Range<usize> = 1 << 10..LONG;

/// The flags of a message: compressed, and the last one.
const PLAIN: u8 = 0;
const IS_COMPRESSED: u8 = 1;
const IS_END: u8 = 2;

type Polled = Poll<Option<Result<Frame<Bytes>, Cut>>>;

/// The whole body of a call that ended before its first message.
pub(super) fn end(refusal: Option<&Refusal>, trailers: &HeaderMap) -> Bytes {
    let mut out = BytesMut::new();
    put(&mut out, IS_END, connect_end(refusal, trailers).as_bytes());
    out.freeze()
}

fn put(out: &mut BytesMut, flag: u8, message: &[u8]) {
    put_flagged(out, flag, message);
    out.extend_from_slice(message);
}

/// The messages of a backend as they come, and the end of the call.
pub(super) struct StreamReply {
    streaming: StreamingCall,
    gateway: Arc<Gateway>,
    route: Arc<Route>,
    timer: Timer,
    codec: Codec,
    compresses: bool,
    began: Began,
    /// A long message that is being converted to JSON.
    converting: Option<Converting>,
    out: BytesMut,
    /// A long message, whose prefix is the last in `out`.
    long: Option<Bytes>,
    is_over: bool,
}

impl StreamReply {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        call: &Call<'_>,
        (streaming, began): (StreamingCall, Began),
        (codec, compresses): (Codec, bool),
    ) -> Self {
        let (route, timer) = (call.route.clone(), call.deadline.timer.clone());
        let (converting, out, long, is_over) = (None, BytesMut::new(), None, false);
        Self { streaming, gateway, route, timer, codec, compresses, began, converting, out, long, is_over }
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Failure>> {
        match std::mem::replace(&mut self.began, Began::Nothing) {
            Began::Message(message) => Poll::Ready(Ok(Some(message))),
            Began::End => Poll::Ready(Ok(None)),
            Began::Nothing => self.streaming.poll_message(cx),
        }
    }

    /// Takes the next thing that has come: a message, its JSON, or the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(converting) = &mut self.converting {
            let Poll::Ready(converted) = converting.as_mut().poll(cx) else { return Poll::Pending };
            self.converting = None;
            match self.streaming.converted(converted) {
                Ok(json) => self.put_json(json),
                Err(failure) => self.fail(failure),
            }
            return Poll::Ready(());
        }
        let Poll::Ready(message) = self.poll_message(cx) else { return Poll::Pending };
        match message {
            Ok(Some(message)) => self.take(message),
            Ok(None) => {
                self.streaming.notes().ended(None);
                self.end(None);
            }
            Err(failure) => self.fail(failure),
        }
        Poll::Ready(())
    }

    fn take(&mut self, message: Bytes) {
        self.streaming.notes().count();
        match self.codec {
            Codec::Proto => self.put(message),
            Codec::Json if message.len() < LONG => {
                let json = self.route.decode_line(&message, System::default());
                self.put_json(json);
            }
            Codec::Json => {
                self.converting = Some(self.streaming.convert(message, self.route.clone(), System::default()));
            }
        }
    }

    fn put_json(&mut self, json: Result<Vec<u8>, DecodeError>) {
        match json {
            Ok(json) => self.put(json.into()),
            Err(error) => {
                let rpc = &self.route.rpc.name;
                tracing::error!(rpc, field = error.field, %error, "a message of the backend cannot be decoded");
                self.end(Some(&Refusal::undecodable_message()));
            }
        }
    }

    fn put(&mut self, message: Bytes) {
        if self.compresses && COMPRESSED.contains(&message.len()) {
            let mut gzip = Gzip::new();
            gzip.add(&message);
            put(&mut self.out, IS_COMPRESSED, &gzip.finish());
        } else if message.len() <= TOGETHER {
            put(&mut self.out, PLAIN, &message);
        } else {
            put_flagged(&mut self.out, PLAIN, &message);
            self.long = Some(message);
        }
    }

    fn fail(&mut self, failure: Failure) {
        let Self { streaming, gateway, route, timer, .. } = self;
        streaming.notes().ended(failure.call_error());
        let (schema, query, exposure) = (&*gateway.schema, &Query::default(), Exposure::of(&route.rpc.policy.errors));
        let context = CallContext { schema, route, query, json: None, timer, exposure };
        let refusal = failure.into_refusal(context);
        self.end(Some(&refusal));
    }

    fn end(&mut self, refusal: Option<&Refusal>) {
        let mut trailers = HeaderMap::new();
        self.gateway.metadata.tell_caller(self.streaming.trailers(), &mut trailers);
        put(&mut self.out, IS_END, connect_end(refusal, &trailers).as_bytes());
        self.is_over = true;
    }
}

impl Body for StreamReply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = &mut *self;
        while !this.is_over && this.long.is_none() && this.out.len() < TOGETHER {
            match this.poll_next(cx) {
                Poll::Ready(()) => {}
                Poll::Pending if this.out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        let data = if this.out.is_empty() { this.long.take() } else { Some(this.out.split().freeze()) };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over && self.out.is_empty() && self.long.is_none()
    }
}
