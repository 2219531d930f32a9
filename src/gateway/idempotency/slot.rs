//! The key of an entry in the store, and the value that tells requests apart.

/// A SHA-256 digest.
pub(super) type Digest = [u8; 32];

/// The place of an idempotency key in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Slot {
    /// The digest of the caller.
    pub(super) caller: Digest,
    /// The digest of caller, rpc and idempotency key.
    pub(super) id: Digest,
}

/// Equal for identical requests, and different for all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) Digest);
