//! WebSocket handshakes: everything that can be refused is refused with an ordinary response, before the protocol
//! changes.

use http::header::CONTENT_TYPE;
use tokio::time::timeout_at;

use super::stream::{Prepared, StreamingCall, inbox};
use super::websocket::{self, Opened};
use crate::caller::ReceivedBody;
use crate::gateway::answer::Response;
use crate::gateway::call::{Call, Intake};
use crate::gateway::error::{Exposure, Reason, Refusal};
use crate::gateway::forward;
use crate::gateway::request::inbound::RequestBody;
use crate::gateway::state::Gateway;
use crate::server::Upgrade;

impl Gateway {
    /// Opens the call, and returns the response that accepts the WebSocket.
    pub(super) async fn websocket<B: RequestBody>(
        &self,
        call: &Call<'_>,
        intake: &mut Intake<'_, B>,
        upgrade: &Upgrade,
    ) -> Result<Response, Refusal> {
        let Call { head, query, route, captures, deadline, terms, .. } = *call;
        let policy = &route.rpc.policy;
        let mut response = websocket::agreed(&head.headers, policy.websocket.as_ref())?;
        if !intake.body.is_read() {
            return Err(Refusal::new(
                Reason::BodyNotAllowed,
                "a WebSocket handshake takes no body, but the request has one",
            ));
        }
        let admitted = self.admitted(call, ReceivedBody::Streamed)?;
        let texts = route.prepare(captures, query).map_err(|error| Refusal::encode(&error))?;
        // If the path and query define the whole message, no frame is awaited for it.
        let whole = (!route.takes_body()).then(|| route.encode_one(&texts, None)).transpose();
        let whole = whole.map_err(|error| Refusal::encode(&error))?;
        let whole = match whole {
            Some(message) => Some(self.validate(call, message, None, intake.exchange).await?),
            None => None,
        };
        let opened = self.opened(call, &admitted, 0, intake.exchange).await?;
        let forward::OpenCall { mut outgoing, incoming, notes } = opened;
        let (streaming, messages) = match whole {
            Some(message) => {
                // A backend that stops reading reports why in its reply.
                if let Ok(Ok(())) = timeout_at(terms.deadline, outgoing.send(&message)).await {
                    outgoing.finish();
                }
                (StreamingCall::sent(incoming, self.ended_with_gateway(), notes), None)
            }
            None => {
                let (messages, inbox) = inbox();
                let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
                let prepared = Prepared {
                    route: route.clone(),
                    captures: captures.iter().map(|&text| text.to_owned()).collect(),
                    query: query.clone(),
                    texts,
                    content_type: content_type.unwrap_or_default().to_owned(),
                };
                (
                    StreamingCall::sending(incoming, self.ended_with_gateway(), notes, inbox.send(prepared, outgoing)),
                    Some(messages),
                )
            }
        };
        let mut opened = Opened {
            streaming,
            messages,
            route: route.clone(),
            schema: self.schema.clone(),
            query: query.clone(),
            deadline: deadline.at,
            timer: deadline.timer.clone(),
            exposure: Exposure::of(&policy.errors),
            keep_alive: self.config.streams.keep_alive,
            limit: policy.body_limit,
            exchange: intake.exchange.hand_over(),
            ending: self.holder.ending(),
        };
        opened.exchange.tell_quotas(response.headers_mut());
        opened.exchange.answered(response.status());
        upgrade.then(|switched| websocket::talk(opened, switched));
        Ok(response)
    }
}
