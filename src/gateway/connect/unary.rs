//! Calls of one message each way, as JSON or as protobuf.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};

use super::codec::Codec;
use super::query::QueryMessage;
use crate::caller::ReceivedBody;
use crate::format::compression::Bounds;
use crate::gateway::answer::{Body, Response};
use crate::gateway::budget;
use crate::gateway::call::{Call, Intake};
use crate::gateway::error::{Reason, Refusal};
use crate::gateway::forward::RequestMessage;
use crate::gateway::grpc::{Encoding, EncodingNames};
use crate::gateway::request::gzip::unzipped;
use crate::gateway::request::inbound::RequestBody;
use crate::gateway::rest::{choice, compressed, is_long};
use crate::gateway::state::Gateway;
use crate::limits::memory::CALL;
use crate::upstream::Reply;

/// The body as a whole is compressed, as HTTP says it.
static UNARY: EncodingNames = EncodingNames { used: CONTENT_ENCODING, accepted: ACCEPT_ENCODING };

/// Where the message of a unary call is.
pub(super) enum MessageSource {
    /// The body of a POST.
    Body(Codec),
    /// The query of a GET.
    Query(QueryMessage),
}

/// A message as it came.
struct EncodedMessage {
    codec: Codec,
    /// To how many times its length it may grow, if it is compressed.
    ratio: Option<usize>,
    bytes: Option<Bytes>,
}

impl Gateway {
    pub(super) async fn connect_unary<B: RequestBody>(
        self: &Arc<Self>,
        call: &Call<'_>,
        intake: &mut Intake<'_, B>,
        source: MessageSource,
    ) -> Result<Response, Refusal> {
        let has_body = matches!(source, MessageSource::Body(_));
        let EncodedMessage { codec, ratio, bytes } = self.encoded_message(call, intake, source).await?;
        let body = bytes.as_deref().filter(|_| has_body).unwrap_or_default();
        let admitted = self.admitted(call, ReceivedBody::Whole(body))?;
        let message = match (bytes, ratio) {
            (Some(bytes), Some(ratio)) => {
                let bounds = Bounds { size: call.route.rpc.policy.body_limit, ratio };
                Some(unzipped(bytes, bounds, call.memory).await?)
            }
            (bytes, _) => bytes,
        };
        let mut message = match codec {
            Codec::Json => self.json_message(call, message).await?,
            Codec::Proto => {
                let bytes: Vec<u8> = message.unwrap_or_default().into();
                budget::message(call.memory, bytes.len())?;
                RequestMessage { bytes, json: None }
            }
        };
        let reply = self.forward(call, &admitted, &mut message, intake.exchange).await?;
        let response = self.connect_reply(call, reply, codec).await?;
        let is_compressed = call.route.rpc.policy.compression;
        Ok(if is_compressed { compressed(response, choice(&call.head.headers)).await } else { response })
    }

    async fn encoded_message<B: RequestBody>(
        &self,
        call: &Call<'_>,
        intake: &mut Intake<'_, B>,
        source: MessageSource,
    ) -> Result<EncodedMessage, Refusal> {
        Ok(match source {
            MessageSource::Body(codec) => {
                let encoding = Encoding::of(&call.head.headers, &UNARY, self.config.gzip)?;
                EncodedMessage { codec, ratio: encoding.of_whole(), bytes: self.receive(call, intake).await? }
            }
            MessageSource::Query(QueryMessage { codec, compression, bytes }) => {
                let ratio = self.query_ratio(compression.as_deref())?;
                let bytes = Some(bytes).filter(|bytes| !bytes.is_empty()).map(Bytes::from);
                EncodedMessage { codec, ratio, bytes }
            }
        })
    }

    /// To how many times its length the message of a query may grow; `None` if it is not compressed.
    fn query_ratio(&self, compression: Option<&[u8]>) -> Result<Option<usize>, Refusal> {
        match (compression, self.config.gzip) {
            (None, _) => Ok(None),
            (Some(b"gzip"), Some(ratio)) => Ok(Some(ratio)),
            (Some(_), gzip) => {
                let supported = if gzip.is_some() { "identity,gzip" } else { "identity" };
                let message = format!(
                    "query parameter \"compression\": this compression is not supported; supported: {supported}"
                );
                Err(Refusal::new(Reason::MessageEncodingNotSupported, message))
            }
        }
    }

    async fn connect_reply(&self, call: &Call<'_>, reply: Reply, codec: Codec) -> Result<Response, Refusal> {
        let Reply { message, metadata, trailers, memory } = reply;
        let body = match codec {
            Codec::Json => {
                // Metadata sets HTTP statuses only in REST.
                let reply = Reply { message, metadata: HeaderMap::new(), trailers: HeaderMap::new(), memory };
                let answered = match is_long(call.route, &reply) {
                    true => self.long_reply(call, reply).await?,
                    false => self.reply(call, &reply)?,
                };
                answered.into_body()
            }
            Codec::Proto => {
                // The request has been sent, so its memory is released.
                call.memory.shrink_to(CALL);
                Body::Whole(match memory {
                    Some(memory) => memory.carry(message),
                    None => message,
                })
            }
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, codec.content_type());
        self.metadata.tell_initial(&metadata, &trailers, headers);
        for (name, value) in self.metadata.for_caller(&trailers) {
            // "Trailers are sent as headers with names that begin with Trailer-".
            if let Ok(name) = HeaderName::try_from(format!("trailer-{name}")) {
                headers.append(name, value.clone());
            }
        }
        Ok(response)
    }
}
