//! Decides whether to make the call of a request, for an rpc with idempotency keys.

use std::sync::Arc;

use tokio::time::Instant;

use super::call_ticket::CallTicket;
use super::key::{Key, KeyError};
use super::outcome::Outcome;
use super::request::{fingerprint, slot};
use super::shared::ticket::{SharedFound, SharedTerms, SharedTicket};
use super::ticket::{Found, Ticket};
use crate::gateway::call::Call;
use crate::gateway::error::Refusal;
use crate::gateway::state::Gateway;

/// What to do with a request.
pub(crate) enum Turn {
    /// Make the call: the request has no key, and needs none.
    WithoutKey,
    /// Make the call, and settle the ticket with its end.
    First(CallTicket),
    /// Return this response: the call was made before.
    Again(Arc<Outcome>),
}

impl Gateway {
    /// Decides what to do with a call with this message.
    ///
    /// # Errors
    /// The request has no key but needs one, or its key belongs to another request or to one without a known response.
    pub(crate) async fn turn(&self, call: &Call<'_>, message: &mut Vec<u8>) -> Result<Turn, Refusal> {
        let policy = &call.route.rpc.policy.idempotency;
        let key = Key::of(&call.head.headers, policy).map_err(|error| Refusal::idempotency_key(&error))?;
        let Some(key) = key else {
            let name = policy.headers.first().filter(|_| policy.demands_key(&call.head.method));
            let missing = name.map(|name| Refusal::idempotency_key(&KeyError::Missing(name.clone())));
            return missing.map_or(Ok(Turn::WithoutKey), Err);
        };
        let slot = slot(call.caller.principal(call.peer), call.route, key);
        let fingerprint = fingerprint(call, message).await;
        if let Some(store) = &self.shared_keys {
            let left = call.terms.deadline.saturating_duration_since(Instant::now());
            let terms = SharedTerms { call: left, lifetime: policy.lifetime, hold: self.holder.hold() };
            return match SharedTicket::take(store, slot, fingerprint, terms).await {
                Ok(SharedFound::First(ticket)) => Ok(Turn::First(CallTicket::Shared(ticket))),
                Ok(SharedFound::Again(outcome)) => Ok(Turn::Again(outcome)),
                Err(conflict) => Err(Refusal::idempotency_conflict(conflict)),
            };
        }
        match Ticket::take(&self.idempotency, slot, fingerprint, policy.lifetime) {
            Ok(Found::First(ticket)) => Ok(Turn::First(CallTicket::Memory(ticket))),
            Ok(Found::Again(outcome)) => Ok(Turn::Again(outcome)),
            Err(conflict) => Err(Refusal::idempotency_conflict(conflict)),
        }
    }
}
