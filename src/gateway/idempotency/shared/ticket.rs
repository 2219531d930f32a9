//! The right to make the call of a claimed key.

use std::sync::Arc;
use std::time::Duration;

use super::super::outcome::Outcome;
use super::super::slot::{Fingerprint, Slot};
use super::super::store::{Conflict, End};
use super::answer;
use super::record::{self, Settled, Token, record};
use super::settle::Settling;
use super::store::{Claim, Claimed, SharedKeys};
use crate::server::Hold;

/// How long a claim that was given up is remembered. A claim that reaches the server later than this is made after all:
/// its key then reads as unknown, although its call was not made.
const GIVEN_UP: Duration = Duration::from_secs(60);
/// Time for the end of a call to reach the server, after the call's deadline.
const MARGIN: Duration = Duration::from_secs(5);
/// The largest response that is stored, in bytes.
const LARGEST: usize = 1 << 20;

/// The right to make the call for a key. If it is dropped before the call ends, the key becomes free if the call was not
/// sent yet, and unknown otherwise.
pub(crate) struct SharedTicket {
    store: Arc<SharedKeys>,
    slot: Slot,
    fingerprint: Fingerprint,
    token: Token,
    lifetime: Duration,
    is_sent: bool,
    is_settled: bool,
    hold: Option<Hold>,
}

/// What the store has for a request with a key.
pub(crate) enum SharedFound {
    First(SharedTicket),
    Again(Arc<Outcome>),
}

/// How long a call may take, how long its key counts, and what a stopping gateway waits for.
pub(crate) struct SharedTerms {
    pub(crate) call: Duration,
    pub(crate) lifetime: Duration,
    pub(crate) hold: Hold,
}

impl SharedTicket {
    /// Claims the key of a request, in one round trip.
    pub(in crate::gateway::idempotency) async fn take(
        store: &Arc<SharedKeys>,
        slot: Slot,
        fingerprint: Fingerprint,
        terms: SharedTerms,
    ) -> Result<SharedFound, Conflict> {
        let SharedTerms { call, lifetime, hold } = terms;
        let mut token = Token::default();
        aws_lc_rs::rand::fill(&mut token).map_err(|_| Conflict::Away)?;
        // Before the claim: if its caller goes away meanwhile, the key is freed again.
        let (store, hold) = (store.clone(), Some(hold));
        let mut ticket = Self { store, slot, fingerprint, token, lifetime, is_sent: false, is_settled: false, hold };
        let claim = Claim { slot: &slot, fingerprint: &fingerprint, token: &token, lease: call + MARGIN, lifetime };
        match ticket.store.claim(claim).await {
            Claimed::Yes => Ok(SharedFound::First(ticket)),
            Claimed::Answered(outcome) => {
                ticket.is_settled = true;
                Ok(SharedFound::Again(outcome))
            }
            Claimed::No(conflict) => {
                ticket.is_settled = true;
                Err(conflict)
            }
            Claimed::Unconfirmed(conflict) => Err(conflict),
        }
    }

    /// Records that the call is sent to the backend from here on.
    pub(crate) fn sends(&mut self) {
        self.is_sent = true;
    }

    /// Settles the key with the end of its call. Nobody has to wait for it.
    pub(crate) fn settle(mut self, end: End<Outcome>) {
        self.end(&end);
    }

    fn end(&mut self, end: &End<Outcome>) {
        self.is_settled = true;
        let settled = match end {
            End::Free => Settled::Free,
            End::Unknown => Settled::Unknown,
            End::Answered(outcome) => self.answered(outcome),
        };
        let lifetime = if matches!(settled, Settled::Free) { GIVEN_UP } else { self.lifetime };
        let settling = Settling {
            store: self.store.clone(),
            name: record::name(&self.slot),
            token: self.token,
            record: record(&settled, &self.fingerprint, &self.token),
            lifetime,
            may_have_acted: !matches!(settled, Settled::Free),
            hold: self.hold.take(),
        };
        settling.start();
    }

    fn answered(&self, outcome: &Outcome) -> Settled {
        let plain = answer::encode(outcome);
        if plain.len() > LARGEST {
            return Settled::NotKept;
        }
        let sealed = record::sealed(&self.store.keys, &self.slot, &self.fingerprint, plain);
        sealed.map_or(Settled::NotKept, Settled::Answered)
    }
}

impl Drop for SharedTicket {
    fn drop(&mut self) {
        if !self.is_settled {
            self.end(&if self.is_sent { End::Unknown } else { End::Free });
        }
    }
}
