//! Keys of what is counted.

use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};

/// A key: a keyed hash of its parts, 128 bits long, so different parts practically never share a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u128);

/// Makes keys, with hash keys of this process: nobody outside can choose parts that share a key.
#[derive(Debug)]
pub struct Keys([RandomState; 2]);

impl Keys {
    /// Makes keys with new hash keys.
    #[must_use]
    pub fn new() -> Self {
        Self(std::array::from_fn(|_| RandomState::new()))
    }

    /// Makes a key of these parts.
    pub fn key(&self, parts: impl Hash) -> Key {
        let [high, low] = self.0.each_ref().map(|hasher| u128::from(hasher.hash_one(&parts)));
        Key(high << 64 | low)
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self::new()
    }
}

impl Key {
    /// The shard of the key, of so many.
    pub(super) fn shard(self, shards: usize) -> usize {
        usize::try_from(self.0 % shards as u128).unwrap_or_default()
    }
}

/// Hashes keys in a map: a key is a hash already.
pub(super) type ByKey = BuildHasherDefault<KeyHasher>;

/// See [`ByKey`].
#[derive(Debug, Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    /// The half by which no shard is chosen.
    fn write_u128(&mut self, key: u128) {
        self.0 = u64::try_from(key >> 64).unwrap_or_default();
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
