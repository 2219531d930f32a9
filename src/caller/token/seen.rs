//! A bounded cache of verified tokens.
//!
//! A token is known by the SHA-256 of its text, so the cache holds nothing that could be used to make calls. Only
//! verified tokens are kept, so forged ones take no place. Each shard has a young and an old half. When the young half
//! is full, it replaces the old one. The tokens of the old half are then dropped, except for those that were used in
//! the meantime.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::hash::sha256;

/// The number of shards, so that threads seldom wait for each other.
const SHARDS: usize = 16;
/// The capacity for all tokens together, in bytes of their text.
const CAPACITY: usize = 16 << 20;
/// The bytes that an entry counts besides its text.
const ENTRY: usize = 256;

/// The SHA-256 of a token's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    pub(crate) fn of(token: impl AsRef<[u8]>) -> Self {
        Self(sha256(&[token.as_ref()]))
    }
}

/// The verified tokens.
pub(crate) struct Seen<T> {
    shards: [Mutex<Shard<T>>; SHARDS],
    /// The capacity of half a shard, in bytes.
    half: usize,
}

struct Shard<T> {
    young: HashMap<TokenHash, Entry<T>>,
    old: HashMap<TokenHash, Entry<T>>,
    /// The size of `young`, in bytes.
    size: usize,
}

struct Entry<T> {
    token: Arc<T>,
    size: usize,
}

impl<T> Default for Shard<T> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), size: 0 }
    }
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl<T> Seen<T> {
    /// A cache of this many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::new(Shard::default())), half: bytes / SHARDS / 2 }
    }

    fn shard(&self, hash: TokenHash) -> std::sync::MutexGuard<'_, Shard<T>> {
        let shard = &self.shards[usize::from(hash.0[0]) % SHARDS];
        // A shard is consistent between any two steps, so a poisoned lock can be used.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token with this hash, if it was verified before.
    pub(crate) fn find(&self, hash: TokenHash) -> Option<Arc<T>> {
        let mut shard = self.shard(hash);
        if let Some(entry) = shard.young.get(&hash) {
            return Some(entry.token.clone());
        }
        let entry = shard.old.remove(&hash)?;
        let token = entry.token.clone();
        shard.keep(hash, entry, self.half);
        Some(token)
    }

    /// Keeps a token with a text of `length` bytes.
    pub(crate) fn keep(&self, hash: TokenHash, length: usize, token: Arc<T>) {
        let entry = Entry { token, size: length + ENTRY };
        self.shard(hash).keep(hash, entry, self.half);
    }

    /// Drops a token that is no longer valid.
    pub(crate) fn forget(&self, hash: TokenHash) {
        let mut shard = self.shard(hash);
        shard.old.remove(&hash);
        if let Some(entry) = shard.young.remove(&hash) {
            shard.size -= entry.size;
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let count = |shard: &Mutex<Shard<T>>| shard.lock().map_or(0, |shard| shard.young.len() + shard.old.len());
        self.shards.iter().map(count).sum()
    }
}

impl<T> Shard<T> {
    fn keep(&mut self, hash: TokenHash, entry: Entry<T>, half: usize) {
        if self.size + entry.size > half {
            self.old = std::mem::take(&mut self.young);
            self.size = 0;
        }
        self.size += entry.size;
        if let Some(before) = self.young.insert(hash, entry) {
            self.size -= before.size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_cache_stays_within_its_memory_and_keeps_tokens_in_use() {
        let seen = Seen::with_capacity(1 << 20);
        let hash = |number: usize| TokenHash::of(number.to_string());
        let most = (1 << 20) / (1000 + ENTRY);
        for number in 0..10 * most {
            seen.keep(hash(number), 1000, Arc::new(()));
            assert!(seen.len() <= most, "{number}");
            // A token that is used all the time.
            assert!(seen.find(hash(0)).is_some(), "{number}");
        }
        assert!(seen.len() > most / 4);
        assert!(seen.find(hash(1)).is_none());
        seen.forget(hash(0));
        assert!(seen.find(hash(0)).is_none());
    }
}
