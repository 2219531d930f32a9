//! What became of each key, within a bound of memory.
//!
//! A key that counts is never forgotten: where there is no memory, new ones are refused. The keys of a caller are in
//! one shard, which has a lock. Whoever has few keys keeps room for more: the last eighth of the memory is not for
//! callers that have an eighth of it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::slot::{Digest, Fingerprint, Slot};

/// So many threads seldom wait for each other.
const SHARDS: usize = 16;
/// What a key counts, besides the answer under it: more than its places in the tables of a shard.
pub(super) const ENTRY: usize = 512;
/// The last part of the memory is for callers that have less than this part.
const SHARE: usize = 8;

/// All keys, and what became of them. `T` is the answer to a call.
pub(crate) struct Store<T> {
    shards: [Mutex<Shard<T>>; SHARDS],
    /// Bytes that keys and answers count.
    used: AtomicUsize,
    /// How many they may count.
    limit: AtomicUsize,
}

struct Shard<T> {
    entries: HashMap<Slot, Entry<T>>,
    /// When settled entries are over, the first on top. An entry is in here once, and is not changed after that.
    ends: BinaryHeap<Reverse<(Instant, Slot)>>,
    /// Bytes of each caller.
    callers: HashMap<Digest, usize>,
}

struct Entry<T> {
    fingerprint: Fingerprint,
    state: State<T>,
    /// In bytes.
    size: usize,
}

enum State<T> {
    InFlight,
    Answered(Arc<T>),
    /// The backend has answered, and the answer was too large for the memory that was left.
    NotKept,
    Unknown,
}

/// Why a request is neither the first with its key nor answered like the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// The key belongs to another request.
    OtherRequest,
    /// The first request is not answered yet.
    InFlight,
    /// Nobody knows what became of the first request.
    Unknown,
    /// The first request was answered, and the answer is not there any more.
    NotKept,
    /// There is no memory for another key.
    Full,
    /// There is little memory left, and this caller has its share.
    Share,
}

/// How the call of a ticket has ended.
#[derive(Debug)]
pub(crate) enum End<T> {
    /// It was certainly not executed.
    Free,
    Answered(T),
    Unknown,
}

/// What the store keeps.
pub(crate) trait Kept {
    /// How many bytes it has.
    fn size(&self) -> usize;
}

impl<T: Kept> Store<T> {
    pub(crate) fn new(limit: usize) -> Self {
        let shards = std::array::from_fn(|_| Mutex::new(Shard::default()));
        Self { shards, used: AtomicUsize::new(0), limit: AtomicUsize::new(limit) }
    }

    /// Takes another limit. Keys that count stay, even if there are more than it allows.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// How many bytes keys and answers count.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The answer under this slot to a request with that fingerprint; nothing if the key is new: then it is in flight.
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

    /// Settles the slot of a ticket.
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

    /// Takes bytes for a caller that has so many.
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
        // A shard is whole between any two steps.
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A shard without the keys that do not count any more.
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
    /// Removes an entry, and says how many bytes it counted.
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
