//! A socket address of a backend, and what all workers know of it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::target::Target;
use crate::upstream::targets;

/// One of the socket addresses of a backend. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) target: Arc<Target>,
    pub(crate) address: SocketAddr,
    pub(crate) standing: Arc<Standing>,
}

/// What all workers know of an endpoint.
#[derive(Default)]
pub(crate) struct Standing {
    is_unhealthy: AtomicBool,
    /// That it fails has been told.
    is_failing: AtomicBool,
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

    /// Notes what a health check says; true if that is news.
    pub(crate) fn set_healthy(&self, is_healthy: bool) -> bool {
        self.is_unhealthy.swap(!is_healthy, Ordering::Relaxed) == is_healthy
    }

    /// Says why an endpoint has no calls for now, once for all workers.
    pub(crate) fn tell_failing(&self, cause: &str) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(target: targets::RESOLVE, "an address of the backend fails: {cause}");
        }
    }

    /// Says that it is reached again.
    pub(crate) fn tell_reached(&self, endpoint: &Endpoint) {
        if self.is_failing.swap(false, Ordering::Relaxed) {
            tracing::info!(target: targets::RESOLVE, "an address of the backend is reached again: {endpoint}");
        }
    }
}
