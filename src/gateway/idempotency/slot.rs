//! The key of an entry in the store, and the value that tells requests apart.

use std::hash::{Hash, Hasher};

/// A SHA-256 digest.
pub(super) type Digest = [u8; 32];

/// The place of an idempotency key in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    /// The digest of the caller.
    pub(super) caller: Digest,
    /// The digest of caller, rpc and idempotency key.
    pub(super) id: Digest,
}

/// Hashes a part of the digest, which is as good as all of it: two slots that share it take 2^32 tries to find, and the
/// tables' hash is keyed.
impl Hash for Slot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(part) = self.id.first_chunk() {
            state.write_u64(u64::from_ne_bytes(*part));
        }
    }
}

/// Equal for identical requests, and different for all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) Digest);
