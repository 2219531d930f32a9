//! What is served now, as the pages show it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::app::openapi::{Certificate, Descriptors};
use crate::gateway::Gateway;

/// What is served since the last reload.
pub struct Live(Mutex<Arc<Snapshot>>);

/// What is served, from one reload to the next.
pub struct Snapshot {
    /// Routes and upstreams.
    pub gateway: Arc<Gateway>,
    /// Names of the upstreams, if there are several.
    pub names: Vec<String>,
    /// The configuration as YAML, without secrets.
    pub config: String,
    /// Where the descriptors are, whose comments the OpenAPI document has.
    pub descriptors: Descriptors,
    /// Whether callers show a certificate.
    pub certificate: Option<Certificate>,
    /// When the certificate that callers see ends, as seconds since 1970.
    pub listener_certificate: Option<i64>,
    /// When the first of the certificates that upstreams see ends, as seconds since 1970.
    pub upstream_certificate: Option<i64>,
}

impl Live {
    /// This is served.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self(Mutex::new(Arc::new(snapshot)))
    }

    /// This is served from now on.
    pub fn put(&self, snapshot: Snapshot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }

    pub(super) fn now(&self) -> Arc<Snapshot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Snapshot {
    /// The name of an upstream, by its place; that of the only one is `default`.
    pub(super) fn upstream(&self, place: usize) -> &str {
        self.names.get(place).map_or("default", String::as_str)
    }
}
