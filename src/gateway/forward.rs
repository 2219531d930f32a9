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
use crate::codec::Omission;
use crate::format::wire::WireError;
use crate::route::policy::{CallerGone, KeyUse};
use crate::upstream::{CallError, Incoming, Outbound, Outgoing, Reply};

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
        message: &mut RequestMessage,
        exchange: &mut Exchange,
    ) -> Result<Reply, Refusal> {
        if call.route.rpc.is_examined() {
            let bytes = std::mem::take(&mut message.bytes);
            // Boxed; otherwise the future of every request would be as large as this one.
            message.bytes = Box::pin(self.validate(call, bytes, message.json.as_deref(), exchange)).await?;
        }
        let policy = &call.route.rpc.policy;
        let called = if policy.idempotency.keys == KeyUse::Off && policy.caller_gone == CallerGone::Cancel {
            let outbound = self.begun(call, admitted, exchange)?;
            let called = self.upstream(call.route).call(outbound, &message.bytes, exchange.trail()).await;
            exchange.called(called.as_ref().err());
            called
        } else {
            // Boxed; otherwise the future of every request would be as large as this one.
            Box::pin(self.forward_kept(call, admitted, &mut message.bytes, exchange)).await?
        };
        let mut reply = called.map_err(|error| Refusal::call(error, self.named(call, message.json.as_deref())))?;
        if let Some(omission) = &call.route.rpc.behavior.replies {
            reply.message = without(omission, reply.message).map_err(|_| Refusal::unreadable_reply())?;
        }
        Ok(reply)
    }

    /// The head of a unary call, which begins now.
    fn begun<'a>(
        &self,
        call: &Call<'a>,
        admitted: &'a Admitted<'_>,
        exchange: &mut Exchange,
    ) -> Result<Outbound<'a>, Refusal> {
        let mut metadata = self.metadata(call, admitted)?;
        exchange.lead(&mut metadata);
        exchange.calls(TraceId::of(&metadata));
        Ok(Outbound::new(admitted, metadata, call.terms))
    }

    /// Makes a unary call that may have an idempotency key, or that goes on if its request is dropped.
    async fn forward_kept(
        self: &Arc<Self>,
        call: &Call<'_>,
        admitted: &Admitted<'_>,
        message: &mut Vec<u8>,
        exchange: &mut Exchange,
    ) -> Result<Result<Reply, CallError>, Refusal> {
        let mut metadata = self.metadata(call, admitted)?;
        exchange.lead(&mut metadata);
        let policy = &call.route.rpc.policy;
        let turn = match policy.idempotency.keys {
            KeyUse::Off => Turn::WithoutKey,
            KeyUse::Optional | KeyUse::Required => self.turn(call, message).await?,
        };
        let ticket = match turn {
            Turn::WithoutKey => None,
            Turn::First(ticket) => Some(ticket),
            Turn::Again(outcome) => {
                exchange.replays();
                return Ok(outcome.called());
            }
        };
        exchange.calls(TraceId::of(&metadata));
        let called = match policy.caller_gone {
            CallerGone::Cancel if ticket.is_none() => {
                let outbound = Outbound::new(admitted, metadata, call.terms);
                self.upstream(call.route).call(outbound, message, exchange.trail()).await
            }
            // A call with a key always runs to its end; otherwise a caller that repeats the request could not learn the
            // outcome.
            CallerGone::Cancel | CallerGone::Finish => {
                let sending = Sending { admitted, metadata, message: std::mem::take(message), ticket };
                let (called, back) = self.lasting(call, sending, exchange.hand_over()).await;
                *exchange = back;
                called
            }
        };
        exchange.called(called.as_ref().err());
        Ok(called)
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
        exchange.lead(&mut metadata);
        let notes = exchange.streams(TraceId::of(&metadata));
        if let (Some(name), 1..) = (&call.route.rpc.policy.last_event_id, after) {
            metadata.insert(name.clone(), after.into());
        }
        let outbound = Outbound::new(admitted, metadata, call.terms);
        match self.upstream(call.route).open(outbound, exchange.trail()).await {
            Ok((outgoing, mut incoming)) => {
                if let Some(omission) = call.route.rpc.behavior.replies.clone() {
                    let cause = |_| CallError::protocol("a message cannot be read");
                    incoming.change_messages(Box::new(move |message| without(&omission, message).map_err(cause)));
                }
                Ok(OpenCall { outgoing, incoming, notes })
            }
            Err(error) => {
                notes.ended(Some(&error));
                Err(Refusal::call(error, self.named(call, None)))
            }
        }
    }
}

/// A reply without the fields that callers do not see.
fn without(omission: &Omission, message: Bytes) -> Result<Bytes, WireError> {
    Ok(omission.without(&message)?.map_or(message, Bytes::from))
}
