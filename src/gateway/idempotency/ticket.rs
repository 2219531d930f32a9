//! The right to make the call for an idempotency key. There is one per key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::slot::{Fingerprint, Slot};
use super::store::{Conflict, End, Kept, Store};

/// The right to make the call for a key. If it is dropped before the call ends, the slot becomes free if the call was
/// not sent yet, and unknown otherwise.
pub(crate) struct Ticket<T: Kept> {
    store: Arc<Store<T>>,
    slot: Slot,
    lifetime: Duration,
    is_sent: bool,
    is_settled: bool,
}

/// What the store has for a request with a key.
pub(super) enum Found<T: Kept> {
    /// The key is new. The ticket is the right to make its call.
    First(Ticket<T>),
    /// The call was made before; this is its response.
    Again(Arc<T>),
}

impl<T: Kept> Ticket<T> {
    /// Looks up a request with this fingerprint. A new key stays in the store for `lifetime` after its call has ended.
    pub(super) fn take(
        store: &Arc<Store<T>>,
        slot: Slot,
        fingerprint: Fingerprint,
        lifetime: Duration,
    ) -> Result<Found<T>, Conflict> {
        Ok(match store.find(slot, fingerprint, Instant::now())? {
            Some(answer) => Found::Again(answer),
            None => Found::First(Self { store: store.clone(), slot, lifetime, is_sent: false, is_settled: false }),
        })
    }

    /// Records that the call is sent to the backend from here on.
    pub(crate) fn sends(&mut self) {
        self.is_sent = true;
    }

    /// Settles the slot with the end of the call.
    pub(crate) fn settle(mut self, end: End<T>) {
        self.end(end);
    }

    fn end(&mut self, end: End<T>) {
        self.is_settled = true;
        let now = Instant::now();
        // This cannot overflow: a lifetime is a year at most.
        let until = now.checked_add(self.lifetime).unwrap_or(now);
        self.store.settle(self.slot, end, until);
    }
}

impl<T: Kept> Drop for Ticket<T> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.end(if self.is_sent { End::Unknown } else { End::Free });
        }
    }
}
