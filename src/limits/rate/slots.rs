//! How many of something are in progress at one time, for each of many keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::key::{ByKey, Key};

/// The number of shards. It is large enough that threads seldom wait for each other.
const SHARDS: usize = 64;

/// How many are in progress for each key. A key is known only while one is, so what is in progress bounds the memory.
#[derive(Debug)]
pub struct Slots(Box<[Mutex<HashMap<Key, u32, ByKey>>]>);

/// One that is in progress. Dropping it ends it.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    key: Key,
}

impl Slots {
    /// Nothing is in progress.
    #[must_use]
    pub fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    /// Begins one for this key, unless `most` are in progress.
    pub fn enter(self: &Arc<Self>, key: Key, most: u32) -> Option<Slot> {
        let mut shard = self.shard(key);
        let count = shard.entry(key).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Slot { slots: self.clone(), key })
    }

    /// How many keys are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Whether nothing is in progress.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, HashMap<Key, u32, ByKey>> {
        // A shard is whole between any two steps.
        self.0[key.shard(SHARDS)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut shard = self.slots.shard(self.key);
        if let Some(count) = shard.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                shard.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;
    use crate::limits::rate::Keys;

    #[test]
    fn no_more_than_allowed_are_in_progress_and_each_slot_is_given_back() {
        let (slots, keys) = (Arc::new(Slots::new()), Keys::new());
        let (inside, entered, key) = (AtomicU32::new(0), AtomicU32::new(0), keys.key("a"));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let Some(slot) = slots.enter(key, 3) else { continue };
                        assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                        entered.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(slot);
                    }
                });
            }
        });
        assert!(entered.into_inner() > 0 && slots.is_empty());
        let held: Vec<Slot> = (0..3).filter_map(|_| slots.enter(key, 3)).collect();
        assert!(held.len() == 3 && slots.enter(key, 3).is_none() && slots.enter(keys.key("b"), 3).is_some());
        assert_eq!(slots.len(), 1);
        drop(held);
        assert!(slots.is_empty());
    }
}
