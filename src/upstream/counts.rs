//! Counts the connections to a backend.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of all workers. They continue if a reload keeps the backend.
#[derive(Debug, Default)]
pub(crate) struct ConnectCounters {
    connected: AtomicU64,
    unconnected: AtomicU64,
    ejections: AtomicU64,
}

/// The values of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectCounts {
    /// Successful connections.
    pub connected: u64,
    /// Failed attempts to connect.
    pub unconnected: u64,
    /// How often an address was ejected, so that it got no calls for a while.
    pub ejections: u64,
}

impl ConnectCounters {
    pub(crate) fn attempted(&self, is_connected: bool) {
        let counter = if is_connected { &self.connected } else { &self.unconnected };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ejected(&self) {
        self.ejections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> ConnectCounts {
        let [connected, unconnected, ejections] =
            [&self.connected, &self.unconnected, &self.ejections].map(|counter| counter.load(Ordering::Relaxed));
        ConnectCounts { connected, unconnected, ejections }
    }
}
