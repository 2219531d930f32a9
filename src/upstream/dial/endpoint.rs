//! A socket address of a backend, with what all workers share about it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::target::Target;
use crate::upstream::targets;

/// One socket address of a backend. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) target: Arc<Target>,
    pub(crate) address: SocketAddr,
    pub(crate) standing: Arc<Standing>,
}

/// The state of an endpoint that all workers share.
#[derive(Default)]
pub(crate) struct Standing {
    is_unhealthy: AtomicBool,
    /// Whether the log already says that it fails.
    is_failing: AtomicBool,
    /// Open connections to it, including those of health checks.
    connections: AtomicUsize,
    /// The number of pools that have ejected it.
    ejected: AtomicUsize,
}

/// An open connection to an endpoint, counted until it is dropped.
pub(crate) struct CountedConnection(Arc<Standing>);

impl CountedConnection {
    pub(crate) fn of(endpoint: &Endpoint) -> Self {
        endpoint.standing.connections.fetch_add(1, Ordering::Relaxed);
        Self(endpoint.standing.clone())
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Endpoint {
    pub(crate) fn new(target: Arc<Target>, address: SocketAddr) -> Self {
        Self { target, address, standing: Arc::default() }
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address && Arc::ptr_eq(&self.target, &other.target)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.target.address();
        let is_name = self.target.dialled().0.parse::<IpAddr>().is_err();
        if is_name { write!(f, "{named} ({})", self.address) } else { f.write_str(&named) }
    }
}

impl Standing {
    pub(crate) fn is_healthy(&self) -> bool {
        !self.is_unhealthy.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Whether any pool has ejected it.
    pub(crate) fn is_ejected(&self) -> bool {
        self.ejected.load(Ordering::Relaxed) > 0
    }

    /// Notes that one more pool has ejected it, or one fewer.
    pub(crate) fn note_ejected(&self, is_ejected: bool) {
        if is_ejected {
            self.ejected.fetch_add(1, Ordering::Relaxed);
        } else {
            self.ejected.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Notes the result of a health check; true if it has changed.
    pub(crate) fn set_healthy(&self, is_healthy: bool) -> bool {
        self.is_unhealthy.swap(!is_healthy, Ordering::Relaxed) == is_healthy
    }

    /// Logs why an endpoint gets no calls for now, once for all workers.
    pub(crate) fn tell_failing(&self, cause: &str) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(target: targets::RESOLVE, "an address of the backend fails: {cause}");
        }
    }

    /// Logs that the endpoint is reached again.
    pub(crate) fn tell_reached(&self, endpoint: &Endpoint) {
        if self.is_failing.swap(false, Ordering::Relaxed) {
            tracing::info!(target: targets::RESOLVE, "an address of the backend is reached again: {endpoint}");
        }
    }
}
