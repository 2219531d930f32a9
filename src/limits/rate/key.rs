//! Keys of what is counted.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher, RandomState};

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
        let hashers = self.0.each_ref().map(BuildHasher::build_hasher);
        let mut both = Both { hashers, buffer: [0; BUFFER], filled: 0 };
        parts.hash(&mut both);
        both.flush();
        let [high, low] = both.hashers.map(|hasher| u128::from(hasher.finish()));
        Key(high << 64 | low)
    }
}

/// Parts are short and many. Hashing them together takes a sixth less time.
const BUFFER: usize = 128;

/// Feeds both hashers with what a buffer has collected.
struct Both {
    hashers: [DefaultHasher; 2],
    buffer: [u8; BUFFER],
    filled: usize,
}

impl Both {
    fn flush(&mut self) {
        let collected = &self.buffer[..self.filled];
        self.hashers.each_mut().into_iter().for_each(|hasher| hasher.write(collected));
        self.filled = 0;
    }
}

impl Hasher for Both {
    fn write(&mut self, bytes: &[u8]) {
        if self.filled + bytes.len() > BUFFER {
            self.flush();
        }
        match self.buffer.get_mut(self.filled..self.filled + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.filled += bytes.len();
            }
            None => self.hashers.each_mut().into_iter().for_each(|hasher| hasher.write(bytes)),
        }
    }

    /// Each of the hashers has a half of the key.
    fn finish(&self) -> u64 {
        self.hashers[0].finish()
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
