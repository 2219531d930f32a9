//! Converts a body to the request message, and a reply message to its body. Long ones are converted outside the worker
//! thread.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;

use super::body::Decoded;
use super::media::{self, Media};
use crate::codec::DecodeError;
use crate::gateway::answer::Response;
use crate::gateway::budget;
use crate::gateway::call::Call;
use crate::gateway::error::Refusal;
use crate::gateway::forward::RequestMessage;
use crate::gateway::state::Gateway;
use crate::limits::memory::{CALL, Charge, SMALL};
use crate::limits::offload::{self, LONG};
use crate::route::{EncodeError, Query, Route, System};
use crate::upstream::Reply;

/// If unset fields are printed, the JSON may be this many times as long as otherwise.
const DEFAULTS_TIMES: usize = 16;

type Encoded = Result<Vec<u8>, EncodeError>;

impl Gateway {
    /// The request message of a unary call, with the JSON that it was made from.
    pub(super) async fn message(&self, call: &Call<'_>, body: Option<Bytes>) -> Result<RequestMessage, Refusal> {
        let Call { query, route, captures, memory, .. } = *call;
        let body = match body {
            Some(body) => Some(self.decoded(call, body).await?),
            None => None,
        };
        let message = match &body {
            // Boxed; otherwise the future of every request would be as large as this one.
            Some(Decoded { bytes, media }) if bytes.len() > SMALL => Box::pin(large(call, bytes, media)).await?,
            _ => {
                let body = body.as_ref().map(|Decoded { bytes, media }| (&**bytes, media));
                media::message(route, captures, query, body)
            }
        };
        let message = message.map_err(|error| Refusal::encode(&error))?;
        budget::message(memory, message.len())?;
        let json = body.and_then(|Decoded { bytes, media }| (media == Media::Json).then_some(bytes));
        Ok(RequestMessage { bytes: message, json })
    }

    /// The request message of a call by the path of its rpc, made of this JSON.
    pub(crate) async fn json_message(&self, call: &Call<'_>, json: Option<Bytes>) -> Result<RequestMessage, Refusal> {
        let Call { query, route, captures, memory, .. } = *call;
        let message = match &json {
            Some(bytes) if bytes.len() > SMALL => large(call, bytes, &Media::Json).await?,
            _ => media::message(route, captures, query, json.as_deref().map(|bytes| (bytes, &Media::Json))),
        };
        let bytes = message.map_err(|error| Refusal::encode(&error))?;
        budget::message(memory, bytes.len())?;
        Ok(RequestMessage { bytes, json })
    }

    /// The response to a unary call whose reply is not [long](is_long).
    pub(crate) fn reply(&self, call: &Call<'_>, reply: &Reply) -> Result<Response, Refusal> {
        let Call { route, query, memory, .. } = *call;
        let made = if route.is_raw_reply {
            route
                .raw_reply(&reply.message, |body| (content_type(body.content_type), part_of(&reply.message, body.data)))
        } else {
            budget::before_json(memory, reply.message.len(), route.rpc.print.limit)?;
            route.decode(&reply.message, query.system()).map(json_body)
        };
        let (content_type, body) = made.map_err(|error| undecodable(route, &error))?;
        Ok(self.success(route, content_type, body, &reply.metadata))
    }

    /// The response to a unary call whose reply is [long](is_long). Its JSON is made outside the worker thread.
    pub(crate) async fn long_reply(&self, call: &Call<'_>, reply: Reply) -> Result<Response, Refusal> {
        let Call { route, query, memory, .. } = *call;
        let Reply { message, memory: held, metadata, .. } = reply;
        let json = long_json(route, (message, held), query.system(), memory).await?;
        let (content_type, body) = json.map(json_body).map_err(|error| undecodable(route, &error))?;
        Ok(self.success(route, content_type, body, &metadata))
    }
}

/// Whether printing the reply takes so long that other requests of the worker would have to wait.
pub(crate) fn is_long(route: &Route, reply: &Reply) -> bool {
    let times = if route.rpc.print.defaults { DEFAULTS_TIMES } else { 1 };
    !route.is_raw_reply && reply.message.len() >= LONG / times
}

fn json_body(json: Vec<u8>) -> (HeaderValue, Bytes) {
    (HeaderValue::from_static("application/json"), budget::fitted(json).into())
}

fn undecodable(route: &Route, error: &DecodeError) -> Refusal {
    tracing::error!(rpc = route.rpc.name, field = error.field, %error, "the backend's reply cannot be decoded");
    Refusal::undecodable(error)
}

/// The JSON of a long reply, made outside the worker thread.
async fn long_json(
    route: &Arc<Route>,
    (message, held): (Bytes, Option<Charge>),
    system: System,
    memory: &Charge,
) -> Result<Result<Vec<u8>, DecodeError>, Refusal> {
    // The memory of the request is no longer needed.
    memory.shrink_to(CALL);
    let place = offload::place().await;
    budget::before_json(memory, message.len(), route.rpc.print.limit)?;
    let (route, part) = (route.clone(), memory.part(CALL));
    let (json, (part, _)) = place.run(move || (route.decode(&message, system), (part, held))).await;
    memory.join(part);
    Ok(json)
}

/// Converts a body that is not small. Memory for the message is reserved first; a long body is converted outside the
/// worker thread.
async fn large(call: &Call<'_>, bytes: &Bytes, media: &Media) -> Result<Encoded, Refusal> {
    let Call { query, route, captures, memory, .. } = *call;
    let most = match media {
        Media::Json => route.longest_of_json(bytes),
        Media::Form | Media::Parts(_) => route.longest_of_form(bytes),
        // The bytes are copied into their field, and the field into the message.
        Media::Raw(content_type) => 2 * (bytes.len() + content_type.len()),
    };
    let before = memory.bytes();
    let is_short = bytes.len() < LONG || matches!(media, Media::Raw(_));
    let place = if is_short { None } else { Some(offload::place().await) };
    budget::making(memory, most)?;
    let body = (bytes.clone(), media.clone());
    let message = if let Some(place) = place {
        let (route, query): (Arc<Route>, Query) = (route.clone(), query.clone());
        let captures: Vec<String> = captures.iter().map(|&text| text.to_owned()).collect();
        let held = memory.part(CALL);
        let (message, held) = place
            .run(move || {
                let captures: Vec<&str> = captures.iter().map(String::as_str).collect();
                (media::message(&route, &captures, &query, Some((&body.0, &body.1))), held)
            })
            .await;
        memory.join(held);
        message
    } else {
        media::message(route, captures, query, Some((bytes, media)))
    };
    memory.shrink_to(before);
    Ok(message)
}

/// The content type of a raw reply. An empty or invalid value means bytes of unknown type.
pub(super) fn content_type(text: &str) -> HeaderValue {
    let unknown = HeaderValue::from_static("application/octet-stream");
    HeaderValue::from_str(text).ok().filter(|value| !value.is_empty()).unwrap_or(unknown)
}

/// `part` as a slice of `whole` if it lies within; else a copy.
fn part_of(whole: &Bytes, part: &[u8]) -> Bytes {
    let within = whole.as_ptr_range();
    let range = part.as_ptr_range();
    if within.start <= range.start && range.end <= within.end {
        whole.slice_ref(part)
    } else {
        Bytes::copy_from_slice(part)
    }
}
