//! Who is told of every request that has ended, beside the log.

use std::sync::Arc;

use crate::observe::access::AccessLog;
use crate::observe::metrics::RequestMetrics;

/// Whom the records of all requests are told.
#[derive(Debug, Clone, Default)]
pub struct Observers {
    /// The access log, if there is one.
    pub access: Option<AccessLog>,
    /// The metrics of requests, if they are read.
    pub requests: Option<RequestMetrics>,
    /// Names of the upstreams, by their places.
    pub upstreams: Arc<[String]>,
}
