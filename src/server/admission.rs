//! Limits the number of open connections. No more are accepted than allowed; further ones wait in the kernel's queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::limits::memory::{Budget, Charge, Share, Use};
use crate::observe::metrics::HandshakeCounts;

/// The limits for all connections together.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The most connections at one time.
    pub connections: usize,
    /// The most TLS handshakes with one address at one time.
    pub handshakes: usize,
    /// Where handshakes are counted.
    pub handshake_counts: HandshakeCounts,
    /// The memory for connections and everything that arrives on them.
    pub memory: Budget,
}

/// The memory of one connection, in bytes: buffers for its two directions, and those of TLS.
const CONNECTION: usize = 32 << 10;

/// The pause before looking for a free place again.
const PAUSE: Duration = Duration::from_millis(10);
/// The time between two log lines about the limit.
const TELL: Duration = Duration::from_secs(10);

/// Admits connections within the limits.
pub(super) struct Admissions {
    most: usize,
    memory: Share,
    open: Arc<AtomicUsize>,
    told: Option<Instant>,
}

/// The place of a connection. Dropping it frees the place.
pub(super) struct Admission {
    open: Arc<AtomicUsize>,
    _memory: Charge,
}

impl Admissions {
    pub(super) fn within(bounds: &Bounds) -> Self {
        Self { most: bounds.connections, memory: bounds.memory.share(), open: Arc::default(), told: None }
    }

    /// Admits any number of connections.
    pub(super) fn unbounded() -> Self {
        Self { most: usize::MAX, memory: Share::unbounded(), open: Arc::default(), told: None }
    }

    /// Waits for a free place and takes it.
    pub(super) async fn next(&mut self) -> Admission {
        loop {
            if let Some(admission) = self.now() {
                return admission;
            }
            sleep(PAUSE).await;
        }
    }

    /// Takes a place, if one is free.
    pub(super) fn now(&mut self) -> Option<Admission> {
        // Only this task adds connections, so the number cannot grow in the meantime.
        let open = self.open.load(Ordering::Relaxed);
        if open >= self.most {
            self.tell(&format!(
                "{open} connections are open, which is the limit (`listen.connections`); new ones wait"
            ));
            return None;
        }
        let memory = self.memory.take(CONNECTION, Use::Connection);
        if memory.is_none() {
            self.tell(&format!("there is no memory for another connection beside {open} (`memory`): others wait"));
        }
        let memory = memory?;
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Admission { open: self.open.clone(), _memory: memory })
    }

    fn tell(&mut self, what: &str) {
        let now = Instant::now();
        if self.told.is_none_or(|told| now - told >= TELL) {
            tracing::warn!("{what}");
            self.told = Some(now);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
