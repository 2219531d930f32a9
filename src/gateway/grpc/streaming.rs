//! Calls of several messages, in one direction or both.

use std::sync::Arc;

use bytes::Bytes;
use http::Version;
use tokio::time::timeout_at;

use super::encoding::{Encoding, GRPC};
use super::frames::FrameReader;
use super::reply::{Began, StreamReply};
use super::upload::{MessageCodec, Upload};
use super::wire::Wire;
use crate::caller::{Admitted, ReceivedBody};
use crate::gateway::answer::Response;
use crate::gateway::call::{Call, Intake};
use crate::gateway::error::Refusal;
use crate::gateway::exchange::Exchange;
use crate::gateway::forward::OpenCall;
use crate::gateway::request::inbound::RequestBody;
use crate::gateway::rest::stream::StreamingCall;
use crate::gateway::state::Gateway;
use crate::limits::pace::Pace;

impl Gateway {
    pub(super) async fn grpc_stream<B: RequestBody>(
        self: &Arc<Self>,
        call: &Call<'_>,
        intake: &mut Intake<'_, B>,
        (encoding, wire): (Encoding, Wire),
    ) -> Result<Response, Refusal> {
        let mut streaming = if call.route.rpc.streaming.client {
            self.open_upload(call, intake, (encoding, MessageCodec::Proto)).await?
        } else {
            let (admitted, message) = self.only_message(call, intake, encoding).await?;
            self.open_with(call, &admitted, message, intake.exchange).await?
        };
        let began = self.began(call, &mut streaming).await?;
        let mut response = wire.begun();
        let headers = response.headers_mut();
        GRPC.tell_accepted(self.config.gzip, headers);
        self.metadata.tell_initial(streaming.metadata(), streaming.trailers(), headers);
        *response.body_mut() = wire.streamed(StreamReply::new(self.clone(), call, streaming, began));
        Ok(response)
    }

    /// Waits until the response can begin.
    pub(crate) async fn began(&self, call: &Call<'_>, streaming: &mut StreamingCall) -> Result<Began, Refusal> {
        // A caller may wait for the head before it sends a message, so the head does not wait for messages.
        let began = match streaming.head().await {
            Ok(()) => Began::now(streaming).await,
            Err(failure) => Err(failure),
        };
        let began = began.map_err(|failure| self.failed(failure, call, streaming.notes()))?;
        // Over HTTP/1.1 a caller may not read before it has sent everything: half duplex.
        if call.head.version < Version::HTTP_2 && !matches!(began, Began::End) {
            let sent = streaming.request_ended().await;
            sent.map_err(|failure| self.failed(failure, call, streaming.notes()))?;
        }
        Ok(began)
    }

    /// A call whose request has this one message.
    pub(crate) async fn open_with(
        &self,
        call: &Call<'_>,
        admitted: &Admitted<'_>,
        message: Bytes,
        exchange: &mut Exchange,
    ) -> Result<StreamingCall, Refusal> {
        let message = self.validate(call, message, None, exchange).await?;
        let OpenCall { mut outgoing, incoming, notes } = self.opened(call, admitted, 0, exchange).await?;
        // Whoever stops reading says why in the answer. The deadline ends the call elsewhere.
        if let Ok(Ok(())) = timeout_at(call.terms.deadline, outgoing.send(&message)).await {
            outgoing.finish();
        }
        Ok(StreamingCall::sent(incoming, self.ended_with_gateway(), notes))
    }

    /// A call whose messages are sent as they come.
    pub(crate) async fn open_upload<B: RequestBody>(
        &self,
        call: &Call<'_>,
        intake: &mut Intake<'_, B>,
        (encoding, codec): (Encoding, MessageCodec),
    ) -> Result<StreamingCall, Refusal> {
        let admitted = self.admitted(call, ReceivedBody::Streamed)?;
        let OpenCall { outgoing, incoming, notes } = self.opened(call, &admitted, 0, intake.exchange).await?;
        let (body, read) = intake.body.take();
        read.into_iter().for_each(|read| intake.exchange.uploads(read));
        let limit = call.route.rpc.policy.body_limit;
        let (pace, frames) = (Pace::new(self.config.least_rate), FrameReader::new(limit));
        let is_conversation = call.head.version >= Version::HTTP_2;
        let route = call.route.clone();
        let upload = Upload { body, pace, is_conversation, frames, limit, encoding, codec, route, outgoing, sent: 0 };
        Ok(StreamingCall::sending(incoming, self.ended_with_gateway(), notes, upload.send()))
    }
}
