//! The receivers of every request's record, besides the log.

use std::sync::Arc;

use crate::observe::access::AccessLog;
use crate::observe::metrics::RequestMetrics;
use crate::observe::traces::Tracer;

/// Where the record of every request is reported.
#[derive(Debug, Clone, Default)]
pub struct Observers {
    /// The access log, if it is configured.
    pub access: Option<AccessLog>,
    /// The metrics of requests, if they can be read.
    pub requests: Option<RequestMetrics>,
    /// Where spans go, if requests are traced.
    pub traces: Option<Tracer>,
    /// The names of the upstreams, by index.
    pub upstreams: Arc<[String]>,
}
