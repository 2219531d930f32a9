//! What the server stores of a key: a state, the fingerprint of the request, the token of the claim, and what the state
//! needs. The scripts know these places.

use super::super::slot::{Fingerprint, Slot};
use super::seal::SealingKeys;

/// Distinguishes claims of one key. Nobody has to keep it secret.
pub(super) type Token = [u8; 16];

/// How a call ended, as it is stored.
pub(super) enum Settled {
    /// The call was certainly not executed. The key is free for everybody, but not for this token.
    Free,
    /// The response, encrypted.
    Answered(Vec<u8>),
    /// There was a response, but it is not stored.
    NotKept,
    Unknown,
}

/// The record of a settled key.
pub(super) fn record(settled: &Settled, fingerprint: &Fingerprint, token: &Token) -> Vec<u8> {
    let (state, rest): (u8, &[u8]) = match settled {
        Settled::Free => (b'F', &[]),
        Settled::Answered(sealed) => (b'A', sealed),
        Settled::NotKept => (b'N', &[]),
        Settled::Unknown => (b'U', &[]),
    };
    [&[state], &fingerprint.0[..], &token[..], rest].concat()
}

/// The name of a key at the server.
pub(super) fn name(slot: &Slot) -> Vec<u8> {
    const PREFIX: &[u8] = b"towbar:idempotency:";
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = slot.id.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    PREFIX.iter().copied().chain(digits).collect()
}

/// Seals a response for its slot and request: elsewhere it cannot be opened.
pub(super) fn sealed(keys: &SealingKeys, slot: &Slot, fingerprint: &Fingerprint, plain: Vec<u8>) -> Option<Vec<u8>> {
    keys.seal(&[slot.id, fingerprint.0].concat(), plain)
}

pub(super) fn opened(keys: &SealingKeys, slot: &Slot, fingerprint: &Fingerprint, sealed: &[u8]) -> Option<Vec<u8>> {
    keys.open(&[slot.id, fingerprint.0].concat(), sealed)
}
