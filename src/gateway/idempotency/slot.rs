//! Under what the store has a key, and what it compares.

/// A SHA-256.
pub(super) type Digest = [u8; 32];

/// Where the store has what became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Slot {
    /// Whose keys it is among.
    pub(super) caller: Digest,
    /// Of caller, rpc and key.
    pub(super) id: Digest,
}

/// The same for requests that are the same, and for no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) Digest);
