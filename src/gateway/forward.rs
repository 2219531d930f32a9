//! Sends admitted calls to their backend, with metadata, and records them in their exchange. No other module forwards
//! calls.

use std::sync::Arc;

use bytes::Bytes;

use super::call::Call;
use super::error::Refusal;
use super::exchange::Exchange;
use super::idempotency::turn::Turn;
use super::lasting::Sending;
use super::metadata::TraceId;
use super::record::StreamNotes;
use super::state::Gateway;
use crate::caller::Admitted;
use crate::route::policy::{CallerGone, KeyUse};
use crate::upstream::{Incoming, Outbound, Outgoing, Reply, Trail};

/// The request message of a unary call.
pub(crate) struct RequestMessage {
    pub(crate) bytes: Vec<u8>,
    /// The JSON body of the request. Errors take the caller's names of fields from it.
    pub(crate) json: Option<Bytes>,
}

/// A call that is open at its backend.
pub(crate) struct OpenCall {
    pub(crate) outgoing: Outgoing,
    pub(crate) incoming: Incoming,
    pub(crate) notes: Arc<StreamNotes>,
}

impl Gateway {
    /// Makes a unary call.
    pub(crate) async fn forward(
        self: &Arc<Self>,
        call: &Call<'_>,
        admitted: &Admitted<'_>,
        RequestMessage { mut bytes, json }: RequestMessage,
        exchange: &mut Exchange,
    ) -> Result<Reply, Refusal> {
        let metadata = self.metadata(call, admitted)?;
        let policy = &call.route.rpc.policy;
        let turn = match policy.idempotency.keys {
            KeyUse::Off => Turn::WithoutKey,
            // Boxed; otherwise the future of every request would be as large as this one.
            KeyUse::Optional | KeyUse::Required => Box::pin(self.turn(call, &mut bytes)).await?,
        };
        let ticket = match turn {
            Turn::WithoutKey => None,
            Turn::First(ticket) => Some(ticket),
            Turn::Again(outcome) => {
                exchange.replays();
                return outcome.called().map_err(|error| Refusal::call(error, self.named(call, json.as_deref())));
            }
        };
        exchange.calls(TraceId::of(&metadata));
        let called = match policy.caller_gone {
            CallerGone::Cancel if ticket.is_none() => {
                let outbound = Outbound::new(admitted, metadata, call.terms);
                let (upstream, mut unseen) = (self.upstream(call.route), Trail::default());
                upstream.call(outbound, &bytes, exchange.trail().unwrap_or(&mut unseen)).await
            }
            // A call with a key always runs to its end; otherwise a caller that repeats the request could not learn the
            // outcome.
            CallerGone::Cancel | CallerGone::Finish => {
                let sending = Sending { admitted, metadata, message: bytes, ticket };
                let (called, back) = self.lasting(call, sending, exchange.hand_over()).await;
                *exchange = back;
                called
            }
        };
        exchange.called(called.as_ref().err());
        called.map_err(|error| Refusal::call(error, self.named(call, json.as_deref())))
    }

    /// Opens a call at its backend, after all checks of the request's head. `after` is the number of the last event
    /// that the caller has seen.
    pub(crate) async fn opened(
        &self,
        call: &Call<'_>,
        admitted: &Admitted<'_>,
        after: u64,
        exchange: &mut Exchange,
    ) -> Result<OpenCall, Refusal> {
        let mut metadata = self.metadata(call, admitted)?;
        let notes = exchange.streams(TraceId::of(&metadata));
        if let (Some(name), 1..) = (&call.route.rpc.policy.last_event_id, after) {
            metadata.insert(name.clone(), after.into());
        }
        let (outbound, mut unseen) = (Outbound::new(admitted, metadata, call.terms), Trail::default());
        let trail = exchange.trail().unwrap_or(&mut unseen);
        match self.upstream(call.route).open(outbound, trail).await {
            Ok((outgoing, incoming)) => Ok(OpenCall { outgoing, incoming, notes }),
            Err(error) => {
                notes.ended(Some(&error));
                Err(Refusal::call(error, self.named(call, None)))
            }
        }
    }
}
