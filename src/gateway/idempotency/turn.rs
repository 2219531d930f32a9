//! Whether the call of a request is to be made, for an rpc with idempotency keys.

use std::sync::Arc;

use super::key::{Key, KeyError};
use super::outcome::Outcome;
use super::request::{fingerprint, slot};
use super::ticket::{Found, Ticket};
use crate::gateway::call::Call;
use crate::gateway::error::Refusal;
use crate::gateway::state::Gateway;

/// What is to be done for a request.
pub(crate) enum Turn {
    /// It has no key, and needs none: its call is made.
    WithoutKey,
    /// Its call is made, and its end is settled with this.
    First(Ticket<Outcome>),
    /// Its call was made before.
    Again(Arc<Outcome>),
}

impl Gateway {
    /// What is to be done for a call with this message.
    ///
    /// # Errors
    /// It has no key and needs one, or its key stands for another request or for one without a known answer.
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
        match Ticket::take(&self.idempotency, slot, fingerprint, policy.lifetime) {
            Ok(Found::First(ticket)) => Ok(Turn::First(ticket)),
            Ok(Found::Again(outcome)) => Ok(Turn::Again(outcome)),
            Err(conflict) => Err(Refusal::idempotency_conflict(conflict)),
        }
    }
}
