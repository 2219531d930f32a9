//! How many connections of callers are open: no more are accepted than may be, and those beyond wait in the kernel's queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::limits::memory::{Budget, Charge, Share, Use};
use crate::observe::metrics::HandshakeCounts;

/// What all connections together may have.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Most connections at one time.
    pub connections: usize,
    /// Most TLS handshakes of one address at one time.
    pub handshakes: usize,
    /// Where they are counted.
    pub handshake_counts: HandshakeCounts,
    /// The memory of connections, and of all that comes on them.
    pub memory: Budget,
}

/// The memory of one connection, in bytes: buffers for its two ways, and those of TLS.
const CONNECTION: usize = 32 << 10;

/// While there is no place, this long until it is looked for again.
const PAUSE: Duration = Duration::from_millis(10);
/// Time between two lines of the log that say so.
const TELL: Duration = Duration::from_secs(10);

/// Lets connections in.
pub(super) struct Admissions {
    most: usize,
    memory: Share,
    open: Arc<AtomicUsize>,
    told: Option<Instant>,
}

/// A connection's place, given back when dropped.
pub(super) struct Admission {
    open: Arc<AtomicUsize>,
    _memory: Charge,
}

impl Admissions {
    pub(super) fn within(bounds: &Bounds) -> Self {
        Self { most: bounds.connections, memory: bounds.memory.share(), open: Arc::default(), told: None }
    }

    /// Without bounds.
    pub(super) fn unbounded() -> Self {
        Self { most: usize::MAX, memory: Share::unbounded(), open: Arc::default(), told: None }
    }

    /// A place, once there is one.
    pub(super) async fn next(&mut self) -> Admission {
        loop {
            if let Some(admission) = self.now() {
                return admission;
            }
            sleep(PAUSE).await;
        }
    }

    /// A place, if there is one.
    pub(super) fn now(&mut self) -> Option<Admission> {
        // Nobody else adds to them.
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
