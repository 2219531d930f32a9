//! The messages of a request, each sent to the backend as soon as it has come.

use std::sync::Arc;

use bytes::Bytes;

use super::encoding::Encoding;
use super::frames::{FrameReader, Framed};
use crate::codec::Texts;
use crate::format::compression::{self, Bounds};
use crate::gateway::checked::check_streamed;
use crate::gateway::error::Refusal;
use crate::gateway::request::inbound::{RequestBody, Watched};
use crate::gateway::rest::stream::{Refused, UploadEnd, made_of_json};
use crate::limits::offload::{self, LONG};
use crate::limits::pace::{Late, Pace};
use crate::route::{Query, Route};
use crate::upstream::Outgoing;

/// How messages are written in frames.
pub(crate) enum MessageCodec {
    /// As they are.
    Proto,
    /// As JSON for this route.
    Json(Arc<Route>, Arc<Texts>),
}

impl MessageCodec {
    /// JSON for the rpc of this route.
    ///
    /// # Errors
    /// None for the path of an rpc, which has no variables.
    pub(crate) fn json(route: &Arc<Route>) -> Result<Self, Refusal> {
        let texts = route.prepare(&[], &Query::default()).map_err(|error| Refusal::encode(&error))?;
        Ok(Self::Json(route.clone(), Arc::new(texts)))
    }
}

/// A request of several messages on its way to the backend.
pub(super) struct Upload<B> {
    pub(super) body: Watched<B>,
    pub(super) pace: Pace,
    /// Whether the caller may read answers before it sends more.
    pub(super) is_conversation: bool,
    pub(super) frames: FrameReader,
    /// The maximum length of a message, also after decompression.
    pub(super) limit: usize,
    pub(super) encoding: Encoding,
    pub(super) codec: MessageCodec,
    pub(super) route: Arc<Route>,
    pub(super) outgoing: Outgoing,
    /// The number of messages sent so far.
    pub(super) sent: usize,
}

impl<B: RequestBody> Upload<B> {
    /// Reads the body to its end and sends its messages.
    ///
    /// # Errors
    /// The body is wrong. The messages before that place were sent.
    pub(super) async fn send(mut self) -> Result<(), Refused> {
        match self.send_all().await {
            Ok(()) => {
                self.outgoing.finish();
                Ok(())
            }
            Err(UploadEnd::Stopped) => Ok(()),
            Err(UploadEnd::Refused(refusal)) => Err(Refused::new(Box::new(refusal.behind(self.sent)), self.outgoing)),
        }
    }

    async fn send_all(&mut self) -> Result<(), UploadEnd> {
        while let Some(data) = self.data().await? {
            self.frames.push(&data);
            if !self.outgoing.holds(self.frames.held()) {
                return Err(Refusal::no_memory_for_message().into());
            }
            while let Some(framed) = self.frames.next()? {
                let message = self.message(framed).await?;
                match &self.codec {
                    MessageCodec::Proto => {
                        let message = check_streamed(&self.route, message, &mut self.outgoing).await?;
                        self.outgoing.send(&message).await?;
                    }
                    MessageCodec::Json(route, texts) => {
                        let message = made_of_json(&mut self.outgoing, (route, texts), &message).await?;
                        let message = check_streamed(route, message, &mut self.outgoing).await?;
                        self.outgoing.send(&message).await?;
                    }
                }
                self.sent += 1;
            }
        }
        Ok(self.frames.end()?)
    }

    /// The next bytes. In a conversation, a caller may be silent between two messages, and not within one.
    async fn data(&mut self) -> Result<Option<Bytes>, Refusal> {
        loop {
            let frame = match self.is_conversation && self.frames.is_between() {
                true => self.pace.unhurried(&mut self.body).await,
                false => self.pace.frame(&mut self.body, None).await.map_err(|late| match late {
                    Late::Slow(rate) => Refusal::body_slow(rate),
                    // The call has the deadline, and ends elsewhere.
                    Late::Deadline => Refusal::internal(),
                })?,
            };
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| Refusal::body_broke_off(&*error.into()))?;
            // Requests of gRPC have no trailers.
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
    }

    /// The message as it was before it was compressed.
    async fn message(&mut self, Framed { is_compressed, message }: Framed) -> Result<Bytes, Refusal> {
        let Some(ratio) = self.encoding.ratio(is_compressed)? else { return Ok(message) };
        let bounds = Bounds { size: self.limit, ratio };
        let most = bounds.most(message.len());
        let place = if most < LONG { None } else { Some(offload::place().await) };
        if !self.outgoing.holds_made(message.len(), most) {
            return Err(Refusal::no_memory_for_message());
        }
        let whole = match place {
            None => compression::gunzip(&message, bounds),
            Some(place) => {
                let lent = self.outgoing.lend();
                let (whole, lent) = place.run(move || (compression::gunzip(&message, bounds), lent)).await;
                self.outgoing.take_back(lent);
                whole
            }
        };
        whole.map(Bytes::from).map_err(|error| Refusal::gzip(&error))
    }
}
