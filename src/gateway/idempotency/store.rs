//! Stores the outcome of each idempotency key, within a limit of memory.
//!
//! A key is never dropped before its lifetime ends: if the memory is full, new keys are refused. All keys of a caller
//! are in one shard, which has a lock. The last eighth of the memory is reserved for callers that use less than an
//! eighth of it. So a caller with many keys cannot take the memory from the others.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::slot::{Digest, Fingerprint, Slot};

/// With this many shards, threads seldom wait for each other.
const SHARDS: usize = 16;
/// The bytes that a key counts, without its response. That is more than its entries in the tables of a shard take.
pub(super) const ENTRY: usize = 512;
/// The last 1/8 of the memory is reserved for callers that use less than 1/8 of it.
const SHARE: usize = 8;

/// All keys with their outcomes. `T` is the response to a call.
pub(crate) struct Store<T> {
    shards: [Mutex<Shard<T>>; SHARDS],
    /// The bytes that keys and responses count.
    used: AtomicUsize,
    /// The most bytes that they may count.
    limit: AtomicUsize,
}

struct Shard<T> {
    entries: HashMap<Slot, Entry<T>>,
    /// When settled entries expire, the earliest on top. Each entry is in here once, and does not change after that.
    ends: BinaryHeap<Reverse<(Instant, Slot)>>,
    /// The bytes that each caller's keys and responses count.
    callers: HashMap<Digest, usize>,
}

struct Entry<T> {
    fingerprint: Fingerprint,
    state: State<T>,
    /// The bytes that the key and its response count.
    size: usize,
}

enum State<T> {
    InFlight,
    Answered(Arc<T>),
    /// The backend responded, but the memory left was too small for its response.
    NotKept,
    Unknown,
}

/// Why a request with a key gets neither a new call nor the stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// The key was used for another request.
    OtherRequest,
    /// The first request has no response yet.
    InFlight,
    /// The outcome of the first request is unknown.
    Unknown,
    /// The first request had a response, but it was not stored.
    NotKept,
    /// There is no memory for another key.
    Full,
    /// Little memory is left, and this caller uses its share already.
    Share,
    /// The shared store has no memory for another key.
    StoreFull,
    /// The shared store did not confirm the key.
    Away,
}

/// How the call of a ticket ended.
#[derive(Debug)]
pub(crate) enum End<T> {
    /// The call was certainly not executed.
    Free,
    Answered(T),
    Unknown,
}

/// A response that the store can hold.
pub(crate) trait Kept {
    /// The size in bytes.
    fn size(&self) -> usize;
}

impl<T: Kept> Store<T> {
    pub(crate) fn new(limit: usize) -> Self {
        let shards = std::array::from_fn(|_| Mutex::new(Shard::default()));
        Self { shards, used: AtomicUsize::new(0), limit: AtomicUsize::new(limit) }
    }

    /// Changes the limit. Keys stay until their lifetime ends, even if they exceed it.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// The bytes that keys and responses count.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The stored response for a request with this fingerprint. `None` if the key is new; it then counts as in flight.
    pub(super) fn find(&self, slot: Slot, fingerprint: Fingerprint, now: Instant) -> Result<Option<Arc<T>>, Conflict> {
        match self.entry(slot, fingerprint, now) {
            Err(Conflict::Full | Conflict::Share) => {
                (0..SHARDS).for_each(|shard| drop(self.swept(shard, now)));
                self.entry(slot, fingerprint, now)
            }
            found => found,
        }
    }

    fn entry(&self, slot: Slot, fingerprint: Fingerprint, now: Instant) -> Result<Option<Arc<T>>, Conflict> {
        let mut shard = self.swept(Self::shard_of(slot), now);
        if let Some(entry) = shard.entries.get(&slot) {
            return match &entry.state {
                _ if entry.fingerprint != fingerprint => Err(Conflict::OtherRequest),
                State::InFlight => Err(Conflict::InFlight),
                State::Answered(answer) => Ok(Some(answer.clone())),
                State::NotKept => Err(Conflict::NotKept),
                State::Unknown => Err(Conflict::Unknown),
            };
        }
        self.take(ENTRY, shard.callers.get(&slot.caller).copied().unwrap_or_default())?;
        *shard.callers.entry(slot.caller).or_default() += ENTRY;
        shard.entries.insert(slot, Entry { fingerprint, state: State::InFlight, size: ENTRY });
        Ok(None)
    }

    /// Settles the slot of a ticket: frees it, or stores the end of its call until `until`.
    pub(super) fn settle(&self, slot: Slot, end: End<T>, until: Instant) {
        let mut shard = self.lock(Self::shard_of(slot));
        let (state, more) = match end {
            End::Free => {
                self.give(shard.remove(slot));
                return;
            }
            End::Unknown => (State::Unknown, 0),
            End::Answered(answer) => {
                let (size, has) = (answer.size(), shard.callers.get(&slot.caller).copied().unwrap_or_default());
                match self.take(size, has) {
                    Ok(()) => (State::Answered(Arc::new(answer)), size),
                    Err(_) => (State::NotKept, 0),
                }
            }
        };
        if let Some(entry) = shard.entries.get_mut(&slot) {
            entry.state = state;
            entry.size += more;
            *shard.callers.entry(slot.caller).or_default() += more;
            shard.ends.push(Reverse((until, slot)));
        }
    }

    /// Reserves bytes for a caller whose entries already count `has` bytes.
    fn take(&self, bytes: usize, has: usize) -> Result<(), Conflict> {
        let limit = self.limit.load(Ordering::Relaxed);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            let is_last = used + bytes > limit - limit / SHARE;
            let has_share = has + bytes > limit / SHARE && has < used;
            (used + bytes <= limit && !(is_last && has_share)).then_some(used + bytes)
        });
        match taken {
            Ok(_) => Ok(()),
            Err(used) if used + bytes > limit => Err(Conflict::Full),
            Err(_) => Err(Conflict::Share),
        }
    }

    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn shard_of(slot: Slot) -> usize {
        usize::from(slot.caller[0]) % SHARDS
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard<T>> {
        // A poisoned lock is safe to use: a shard is consistent between any two steps.
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks a shard, and removes its expired keys.
    fn swept(&self, shard: usize, now: Instant) -> MutexGuard<'_, Shard<T>> {
        let mut shard = self.lock(shard);
        while let Some(&Reverse((until, slot))) = shard.ends.peek()
            && until <= now
        {
            shard.ends.pop();
            self.give(shard.remove(slot));
        }
        shard
    }
}

impl<T> Default for Shard<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), ends: BinaryHeap::new(), callers: HashMap::new() }
    }
}

impl<T> Shard<T> {
    /// Removes an entry, and returns how many bytes it counted.
    fn remove(&mut self, slot: Slot) -> usize {
        let size = self.entries.remove(&slot).map_or(0, |entry| entry.size);
        if let Some(bytes) = self.callers.get_mut(&slot.caller) {
            *bytes -= size;
            if *bytes == 0 {
                self.callers.remove(&slot.caller);
            }
        }
        size
    }
}
