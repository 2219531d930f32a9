//! Calls of one message each way, and the one request message of calls whose replies stream.

use std::sync::Arc;

use bytes::Bytes;

use super::encoding::{Encoding, GRPC};
use super::frames::{Framed, PREFIX, only};
use super::wire::{Wire, is_text};
use crate::caller::{Admitted, ReceivedBody};
use crate::format::compression::Bounds;
use crate::gateway::answer::Response;
use crate::gateway::budget;
use crate::gateway::call::{Call, Intake};
use crate::gateway::error::Refusal;
use crate::gateway::forward::RequestMessage;
use crate::gateway::request::gzip::unzipped;
use crate::gateway::request::inbound::RequestBody;
use crate::gateway::state::Gateway;
use crate::limits::memory::CALL;
use crate::upstream::Reply;

impl Gateway {
    pub(super) async fn grpc_unary<B: RequestBody>(
        self: &Arc<Self>,
        call: &Call<'_>,
        intake: &mut Intake<'_, B>,
        (encoding, wire): (Encoding, Wire),
    ) -> Result<Response, Refusal> {
        let (admitted, message) = self.only_message(call, intake, encoding).await?;
        let mut message = RequestMessage { bytes: message.into(), json: None };
        let reply = self.forward(call, &admitted, &mut message, intake.exchange).await?;
        // The request has been sent, so its memory is released.
        call.memory.shrink_to(CALL);
        Ok(self.grpc_reply(reply, wire))
    }

    /// The only message of a request, and the proof that it may be forwarded.
    pub(crate) async fn only_message<'a, B: RequestBody>(
        &self,
        call: &Call<'a>,
        intake: &mut Intake<'_, B>,
        encoding: Encoding,
    ) -> Result<(Admitted<'a>, Bytes), Refusal> {
        let limit = call.route.rpc.policy.body_limit;
        // Text is a third longer than its bytes, and its length is all that the head says.
        let framing = PREFIX + if is_text(&call.head.headers) { limit / 2 } else { 0 };
        let body = self.receive_framed(call, intake, framing).await?.unwrap_or_default();
        let admitted = self.admitted(call, ReceivedBody::Whole(&body))?;
        let Framed { is_compressed, message } = only(body, limit)?;
        let message = match encoding.ratio(is_compressed)? {
            None => message,
            Some(ratio) => unzipped(message, Bounds { size: limit, ratio }, call.memory).await?,
        };
        budget::message(call.memory, message.len())?;
        Ok((admitted, message))
    }

    /// The response to the caller, with the bytes of the reply unchanged.
    fn grpc_reply(&self, Reply { message, metadata, trailers, memory }: Reply, wire: Wire) -> Response {
        let mut response = wire.begun();
        let headers = response.headers_mut();
        GRPC.tell_accepted(self.config.gzip, headers);
        self.metadata.tell_initial(&metadata, &trailers, headers);
        let message = match memory {
            Some(memory) => memory.carry(message),
            None => message,
        };
        *response.body_mut() = wire.whole(message, self.ok_trailers(&trailers));
        response
    }
}
