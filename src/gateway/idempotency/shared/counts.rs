//! Counts of the ends of calls that the server is told.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counts of the ends of calls.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) waiting: AtomicUsize,
    pub(super) bytes: AtomicUsize,
    pub(super) settled: AtomicU64,
    pub(super) given_up: AtomicU64,
    pub(super) lost: AtomicU64,
}

/// The values of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SettleCounts {
    /// How many ends the server does not know yet.
    pub(crate) waiting: usize,
    /// How many it has stored.
    pub(crate) settled: u64,
    /// How many it never learned.
    pub(crate) given_up: u64,
    /// How often another request had the key meanwhile: the server had lost it.
    pub(crate) lost: u64,
}

impl Counters {
    pub(super) fn now(&self) -> SettleCounts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (settled, given_up, lost) = (load(&self.settled), load(&self.given_up), load(&self.lost));
        SettleCounts { waiting: self.waiting.load(Ordering::Relaxed), settled, given_up, lost }
    }

    pub(super) fn add(&self, old: SettleCounts) {
        self.settled.fetch_add(old.settled, Ordering::Relaxed);
        self.given_up.fetch_add(old.given_up, Ordering::Relaxed);
        self.lost.fetch_add(old.lost, Ordering::Relaxed);
    }
}
