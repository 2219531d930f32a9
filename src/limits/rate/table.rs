//! The states of all keys, within a bound of memory.
//!
//! A key whose state is over is as good as new, and is forgotten when its shard is full. Where every key of a full
//! shard still counts, new keys share one state: they are counted together rather than not at all.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::key::{ByKey, Key};
use super::quota::{Exceeded, Quota};

/// The number of shards. It is large enough that threads seldom wait for each other.
const SHARDS: usize = 64;
/// The shortest time between two searches of a full shard for expired keys, in nanoseconds.
const SWEEP: u64 = 100_000_000;

/// The states of all keys.
#[derive(Debug)]
pub struct Table {
    shards: Box<[Mutex<Shard>]>,
    /// The most keys in a shard.
    most: usize,
    /// The instant from which times are counted.
    begun: Instant,
}

#[derive(Debug, Default)]
struct Shard {
    states: HashMap<Key, u64, ByKey>,
    /// The state that is shared by all keys without a place of their own.
    others: u64,
    /// When the shard was last searched.
    swept: u64,
}

impl Table {
    /// A table for at most about `keys` keys.
    #[must_use]
    pub fn new(keys: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, most: keys.div_ceil(SHARDS), begun: Instant::now() }
    }

    /// Counts an event of this cost for a key. Returns the time after which the key is as good as new.
    ///
    /// # Errors
    /// The event is not allowed, and is not counted.
    pub fn allow(&self, key: Key, quota: Quota, cost: u64) -> Result<Duration, Exceeded> {
        self.allow_at(key, quota, cost, self.now())
    }

    fn allow_at(&self, key: Key, quota: Quota, cost: u64, now: u64) -> Result<Duration, Exceeded> {
        let shard = &mut *self.shard(key);
        if shard.states.len() >= self.most && !shard.states.contains_key(&key) {
            shard.sweep(now);
        }
        let has_room = shard.states.len() < self.most;
        let state = match shard.states.get_mut(&key) {
            Some(state) => state,
            None if has_room => shard.states.entry(key).or_default(),
            None => &mut shard.others,
        };
        *state = quota.allow(*state, now, cost)?;
        Ok(Duration::from_nanos(*state - now))
    }

    /// Takes back an event that was counted for a key.
    pub fn refund(&self, key: Key, quota: Quota, cost: u64) {
        if let Some(state) = self.shard(key).states.get_mut(&key) {
            *state = quota.refund(*state, cost);
        }
    }

    /// The number of keys in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).states.len()).sum()
    }

    /// Whether the table has no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, Shard> {
        // A shard is whole between any two steps.
        self.shards[key.shard(SHARDS)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    /// Forgets expired keys: those whose full burst is allowed again.
    fn sweep(&mut self, now: u64) {
        if now.saturating_sub(self.swept) >= SWEEP {
            self.swept = now;
            self.states.retain(|_, state| *state > now);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::limits::rate::Keys;

    const SECOND: u64 = 1_000_000_000;

    fn quota(count: u64, burst: u64) -> Quota {
        Quota::new(count, Duration::from_secs(3600), burst).unwrap()
    }

    #[test]
    fn exactly_the_quota_is_allowed_across_all_threads() {
        let (table, allowed, keys) = (Table::new(1000), AtomicUsize::new(0), Keys::new());
        let (key, quota) = (keys.key("a"), quota(1, 1000));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let count = (0..500).filter(|_| table.allow(key, quota, 1).is_ok()).count();
                    allowed.fetch_add(count, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(allowed.into_inner(), 1000);
        assert_eq!(table.len(), 1);
        table.refund(key, quota, 3);
        assert!(table.allow(key, quota, 4).is_err() && table.allow(key, quota, 3).is_ok());
        assert!(table.allow(keys.key("b"), quota, 1000).is_ok(), "another key has a quota of its own");
    }

    #[test]
    fn expired_keys_make_room_and_new_keys_share_a_quota_when_the_table_is_full() {
        let (table, keys) = (Table::new(SHARDS * 10), Keys::new());
        let quota = quota(3600, 2);
        let at = |second: u64| second * SECOND;
        let most = SHARDS * 10;
        let many = |from: usize, second: u64| -> usize {
            (from..from + 20 * most)
                .filter(|number| table.allow_at(keys.key(number), quota, 1, at(second)).is_ok())
                .count()
        };
        // All that have a place, and of the others two for each shard.
        assert_eq!(many(0, 10), most + 2 * SHARDS);
        assert_eq!(table.len(), most);
        // A second later they are as good as new, and their places are free.
        assert_eq!(many(100_000, 12), most + 2 * SHARDS);
        assert_eq!(table.len(), most);
    }

    #[test]
    fn a_million_keys_fit() {
        let (table, quota, keys) = (Table::new(1_100_000), quota(1, 1), Keys::new());
        let allowed = (0..1_000_000).filter(|number| table.allow(keys.key(number), quota, 1).is_ok()).count();
        assert_eq!((allowed, table.len()), (1_000_000, 1_000_000));
        assert!((0..1000).all(|number| table.allow(keys.key(number), quota, 1).is_err()));
    }
}
