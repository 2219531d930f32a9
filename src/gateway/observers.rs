//! Who is told of every request that has ended, beside the log.

use std::sync::Arc;

use crate::observe::access::AccessLog;

/// Whom the records of all requests are told.
#[derive(Debug, Clone, Default)]
pub struct Observers {
    /// The access log, if there is one.
    pub access: Option<AccessLog>,
    /// Names of the upstreams, by their places.
    pub upstreams: Arc<[String]>,
}
