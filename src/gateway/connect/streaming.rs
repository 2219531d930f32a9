//! Calls of several messages, in one direction or both.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use super::codec::Codec;
use super::reply::StreamReply;
use crate::format::compression::{Choice, choose};
use crate::gateway::answer::{Body, Response};
use crate::gateway::call::{Call, Intake};
use crate::gateway::error::Refusal;
use crate::gateway::grpc::{Encoding, EncodingNames, MessageCodec};
use crate::gateway::request::inbound::RequestBody;
use crate::gateway::state::Gateway;

static STREAM: EncodingNames = EncodingNames {
    used: HeaderName::from_static("connect-content-encoding"),
    accepted: HeaderName::from_static("connect-accept-encoding"),
};

impl Gateway {
    pub(super) async fn connect_stream<B: RequestBody>(
        self: &Arc<Self>,
        call: &Call<'_>,
        intake: &mut Intake<'_, B>,
        codec: Codec,
    ) -> Result<Response, Refusal> {
        let encoding = Encoding::of(&call.head.headers, &STREAM, self.config.gzip)?;
        let mut streaming = if call.route.rpc.streaming.client {
            let messages = match codec {
                Codec::Json => MessageCodec::json(call.route)?,
                Codec::Proto => MessageCodec::Proto,
            };
            self.open_upload(call, intake, (encoding, messages)).await?
        } else {
            let (admitted, message) = self.only_message(call, intake, encoding).await?;
            let message = match codec {
                Codec::Json => self.json_message(call, Some(message)).await?.bytes.into(),
                Codec::Proto => message,
            };
            self.open_with(call, &admitted, message, intake.exchange).await?
        };
        let began = self.began(call, &mut streaming).await?;
        let mut response = Response::default();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, codec.stream_type());
        STREAM.tell_accepted(self.config.gzip, headers);
        self.metadata.tell_initial(streaming.metadata(), streaming.trailers(), headers);
        let accepted = call.head.headers.get_all(&STREAM.accepted).iter().map(HeaderValue::as_bytes);
        let compresses = call.route.rpc.policy.compression && choose(accepted) != Choice::Identity;
        if compresses {
            headers.insert(STREAM.used.clone(), HeaderValue::from_static("gzip"));
        }
        let body = StreamReply::new(self.clone(), call, (streaming, began), (codec, compresses));
        *response.body_mut() = Body::Parts(Box::pin(body));
        Ok(response)
    }
}
