//! The state that is served now, as the admin pages show it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::app::openapi::{Certificate, Descriptors};
use crate::gateway::Gateway;

/// The state that is served now; a reload replaces it.
pub struct Live(Mutex<Arc<Snapshot>>);

/// The state that is served from one reload to the next.
pub struct Snapshot {
    pub gateway: Arc<Gateway>,
    /// The names of the upstreams; empty if there is only one.
    pub names: Vec<String>,
    /// The configuration as YAML, without secrets.
    pub config: String,
    /// The sources of the descriptors, whose comments the OpenAPI document contains.
    pub descriptors: Descriptors,
    /// Whether callers present a certificate; `None` if they are not asked for one.
    pub certificate: Option<Certificate>,
    /// When the certificate for callers expires, in seconds since 1970. `None` without TLS.
    pub listener_certificate: Option<i64>,
    /// When the first of the client certificates for upstreams expires, in seconds since 1970.
    pub upstream_certificate: Option<i64>,
}

impl Live {
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self(Mutex::new(Arc::new(snapshot)))
    }

    /// Replaces the state, after a reload.
    pub fn put(&self, snapshot: Snapshot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }

    pub(super) fn now(&self) -> Arc<Snapshot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Snapshot {
    /// The name of the upstream with this index. The only upstream is named `default`.
    pub(super) fn upstream(&self, place: usize) -> &str {
        self.names.get(place).map_or("default", String::as_str)
    }
}
