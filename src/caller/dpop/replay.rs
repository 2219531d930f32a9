//! Remembers accepted proofs within a bound of memory, so that none is accepted twice.
//!
//! A proof is remembered by a hash of its key and its `jti`, as long as its `iat` allows it to be accepted. Only proofs that have passed
//! every other check count, so that filling the memory takes an access token and its key. When it is full, proofs are refused: to
//! forget one that is still valid would allow a replay.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Reduces contention between threads.
const SHARDS: usize = 16;

/// The length of a span, in seconds.
const SPAN: u64 = 32;

/// The first bytes of a SHA-256.
pub(super) type ProofHash = [u8; 16];

/// The accepted proofs.
#[derive(Default)]
pub(super) struct Replays([Mutex<Shard>; SHARDS]);

/// Proofs, grouped by the span of time in which they were made.
#[derive(Default)]
struct Shard(Vec<Span>);

struct Span {
    /// The `iat` of its proofs, divided by [`SPAN`].
    number: u64,
    proofs: HashSet<ProofHash>,
}

/// The use of a proof. Times are in seconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Use {
    pub(super) proof: ProofHash,
    /// Its `iat`.
    pub(super) issued: u64,
    pub(super) now: u64,
}

/// How many proofs are remembered, and for how long.
#[derive(Clone, Copy)]
pub(super) struct Memory {
    pub(super) most: usize,
    /// In seconds from their `iat`.
    pub(super) max_age: u64,
}

/// The result for a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// It was not used before. It is remembered now.
    New,
    /// It was used before.
    Replayed,
    /// There is no room for it.
    Full,
}

impl Replays {
    /// Remembers a proof until it is older than `max_age`.
    pub(super) fn note(&self, Use { proof, issued, now }: Use, memory: Memory) -> Noted {
        let shard = &self.0[usize::from(proof[0]) % SHARDS];
        // A shard stays consistent if a thread panics.
        let Shard(spans) = &mut *shard.lock().unwrap_or_else(PoisonError::into_inner);
        let number = issued / SPAN;
        if spans.iter().any(|span| span.number == number && span.proofs.contains(&proof)) {
            return Noted::Replayed;
        }
        spans.retain(|span| (span.number + 1) * SPAN + memory.max_age > now);
        if spans.iter().map(|span| span.proofs.len()).sum::<usize>() >= memory.most.div_ceil(SHARDS) {
            return Noted::Full;
        }
        match spans.iter_mut().find(|span| span.number == number) {
            Some(span) => drop(span.proofs.insert(proof)),
            None => spans.push(Span { number, proofs: HashSet::from([proof]) }),
        }
        Noted::New
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let count = |shard: &Mutex<Shard>| {
            shard.lock().map_or(0, |shard| shard.0.iter().map(|span| span.proofs.len()).sum::<usize>())
        };
        self.0.iter().map(count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u32) -> ProofHash {
        let mut hash = [7; 16];
        // Spread over the shards.
        hash[0] = number.to_be_bytes()[3];
        hash[4..8].copy_from_slice(&number.to_be_bytes());
        hash
    }

    fn note(replays: &Replays, number: u32, issued: u64, now: u64) -> Noted {
        replays.note(Use { proof: hash(number), issued, now }, Memory { most: 160, max_age: 60 })
    }

    #[test]
    fn a_proof_is_accepted_once_and_remembered_until_it_expires() {
        let replays = Replays::default();
        let issued = |number: u32| 1000 + u64::from(number % 70);
        for number in 0..100 {
            assert_eq!(note(&replays, number, issued(number), 1070), Noted::New, "{number}");
        }
        for number in 0..100 {
            // To its last second.
            assert_eq!(note(&replays, number, issued(number), issued(number) + 60), Noted::Replayed, "{number}");
        }
        for number in 100..116 {
            assert_eq!(note(&replays, number, 2000, 2000), Noted::New, "{number}");
        }
        assert_eq!(replays.len(), 16);
    }

    #[test]
    fn a_full_replay_store_refuses_new_proofs_and_forgets_none() {
        let replays = Replays::default();
        let taken: Vec<u32> = (0..10_000).filter(|number| note(&replays, *number, 1000, 1000) == Noted::New).collect();
        assert_eq!((taken.len(), replays.len()), (160, 160));
        assert_eq!(note(&replays, 20_000, 1050, 1050), Noted::Full);
        for number in taken {
            assert_eq!(note(&replays, number, 1000, 1060), Noted::Replayed, "{number}");
        }
        // There is room again once those are too old.
        assert_eq!(note(&replays, 20_000, 1090, 1090), Noted::New);
    }
}
