//! The idempotency keys that several gateways share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::outcome::Outcome;
use super::super::slot::{Fingerprint, Slot};
use super::super::store::Conflict;
use super::answer;
use super::counts::{Counters, SettleCounts};
use super::record::{self, Token};
use super::script::Scripts;
use super::seal::SealingKeys;
use crate::upstream::Fate;
use crate::upstream::redis::{Redis, RedisError, Value};

/// Idempotency keys in a server of Redis or Valkey.
pub struct SharedKeys {
    pub(super) redis: Redis,
    pub(super) scripts: Scripts,
    pub(super) keys: SealingKeys,
    pub(super) counters: Counters,
    /// How many replicas must confirm a claim.
    replicas: usize,
    /// Whether the log says that the server cannot be used.
    has_warned: AtomicBool,
}

/// What became of a claim.
pub(super) enum Claimed {
    /// The key is this request's.
    Yes,
    /// The key was claimed before; the call has this response.
    Answered(Arc<Outcome>),
    /// The key is not this request's, and there is no response.
    No(Conflict),
    /// The key may be this request's, but nobody has confirmed it.
    Unconfirmed(Conflict),
}

/// A claim on its way to the server.
pub(super) struct Claim<'a> {
    pub(super) slot: &'a Slot,
    pub(super) fingerprint: &'a Fingerprint,
    pub(super) token: &'a Token,
    /// How long the call may take.
    pub(super) lease: Duration,
    /// How long the key counts after its call has ended.
    pub(super) lifetime: Duration,
}

impl SharedKeys {
    /// Keys at this server. Responses are encrypted with the first of `keys`. Each claim is confirmed by `replicas`
    /// replicas.
    #[must_use]
    pub fn new(redis: Redis, keys: SealingKeys, replicas: usize) -> Self {
        Self {
            redis,
            scripts: Scripts::new(),
            keys,
            counters: Counters::default(),
            replicas,
            has_warned: AtomicBool::new(false),
        }
    }

    /// How many ends of calls were told to the server.
    pub(crate) fn settle_counts(&self) -> SettleCounts {
        self.counters.now()
    }

    /// Counts on from what `old` has counted.
    pub(crate) fn go_on_from(&self, old: &Self) {
        self.counters.add(old.settle_counts());
    }

    /// Claims a key, or finds what is known of it.
    pub(super) async fn claim(&self, claim: Claim<'_>) -> Claimed {
        if self.redis.facts().is_some_and(|facts| facts.evicts == Some(true)) {
            // A key that is removed before its lifetime ends would be executed again.
            if !self.has_warned.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    "the store removes keys when its memory is full, so it is not used; set its maxmemory-policy to noeviction"
                );
            }
            return Claimed::No(Conflict::Away);
        }
        let Claim { slot, fingerprint, token, lease, lifetime } = claim;
        let [lease, total] = [lease, lease + lifetime].map(|time| time.as_millis().to_string());
        let arguments: [&[u8]; 4] = [&fingerprint.0, token, lease.as_bytes(), total.as_bytes()];
        let (replicas, wait) = (self.replicas.to_string(), self.redis.config().timeout.as_millis() / 2);
        let wait = wait.to_string();
        let confirm: [&[u8]; 3] = [b"WAIT", replicas.as_bytes(), wait.as_bytes()];
        let then: &[&[&[u8]]] = if self.replicas > 0 { &[&confirm] } else { &[] };
        let answers = self.redis.script_and(&self.scripts.claim, &[&record::name(slot)], &arguments, then).await;
        match answers {
            Ok(answers) => self.found(slot, fingerprint, &answers),
            Err(error) => self.failed(&error),
        }
    }

    fn found(&self, slot: &Slot, fingerprint: &Fingerprint, answers: &[Value]) -> Claimed {
        let first = answers.first().and_then(Value::array);
        let Some([Value::Bytes(state), Value::Bytes(rest)]) = first else {
            return Claimed::Unconfirmed(Conflict::Away);
        };
        match &state[..] {
            b"C" if self.replicas == 0 => Claimed::Yes,
            b"C" => {
                let confirmed = answers.get(1).and_then(Value::integer).and_then(|count| usize::try_from(count).ok());
                let is_enough = confirmed.is_some_and(|count| count >= self.replicas);
                if is_enough { Claimed::Yes } else { Claimed::Unconfirmed(Conflict::Away) }
            }
            b"I" => Claimed::No(Conflict::InFlight),
            b"A" => match record::opened(&self.keys, slot, fingerprint, rest).and_then(answer::decode) {
                Some(outcome) => Claimed::Answered(Arc::new(outcome)),
                None => {
                    tracing::warn!(
                        "a stored answer cannot be decrypted: list its key in `idempotency.encryption_keys`"
                    );
                    Claimed::No(Conflict::NotKept)
                }
            },
            b"N" => Claimed::No(Conflict::NotKept),
            b"O" => Claimed::No(Conflict::OtherRequest),
            b"U" => Claimed::No(Conflict::Unknown),
            _ => Claimed::Unconfirmed(Conflict::Away),
        }
    }

    fn failed(&self, error: &RedisError) -> Claimed {
        let conflict = if error.code() == Some("OOM") { Conflict::StoreFull } else { Conflict::Away };
        // With replicas, the claim may have been made although what follows it failed.
        let is_certain = error.fate() == Fate::NotSent || conflict == Conflict::StoreFull;
        if is_certain && self.replicas == 0 { Claimed::No(conflict) } else { Claimed::Unconfirmed(conflict) }
    }
}
