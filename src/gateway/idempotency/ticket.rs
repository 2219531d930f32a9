//! The right to make the call of a key, of which there is one for each key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::slot::{Fingerprint, Slot};
use super::store::{Conflict, End, Kept, Store};

/// The right to make the call of a key. Dropped before the call's end it says what is true then: before the call was
/// sent the key is free again, and afterwards nobody knows.
pub(crate) struct Ticket<T: Kept> {
    store: Arc<Store<T>>,
    slot: Slot,
    lifetime: Duration,
    is_sent: bool,
    is_settled: bool,
}

/// What there is for a request that has a key.
pub(super) enum Found<T: Kept> {
    /// The key is new: the right to make its call.
    First(Ticket<T>),
    /// The call was made, and this is its answer.
    Again(Arc<T>),
}

impl<T: Kept> Ticket<T> {
    /// What there is in the store for a request with this fingerprint. A new key counts for `lifetime` once its call
    /// has ended.
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

    /// The call goes to the backend from here on.
    pub(crate) fn sends(&mut self) {
        self.is_sent = true;
    }

    /// The call has ended like this.
    pub(crate) fn settle(mut self, end: End<T>) {
        self.end(end);
    }

    fn end(&mut self, end: End<T>) {
        self.is_settled = true;
        let now = Instant::now();
        // A lifetime is a year at most.
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
