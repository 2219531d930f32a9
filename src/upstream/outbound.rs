//! Calls that may be sent to a backend: admitted calls of callers, and calls of the gateway itself.

use std::sync::Arc;

use http::HeaderMap;
use http::uri::PathAndQuery;
use tokio::time::Instant;

use crate::caller::Admitted;
use crate::limits::memory::Account;

/// A call that may be sent, without its messages. [`Upstream`](super::Upstream) sends nothing else.
#[derive(Debug)]
pub struct Outbound<'a> {
    pub(crate) path: &'a PathAndQuery,
    pub(crate) metadata: HeaderMap,
    pub(crate) terms: Terms<'a>,
}

/// The terms of a call: its deadline, the size limit of its reply, and the caller that it counts for.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The time by which the call must be over.
    pub deadline: Instant,
    /// The largest reply message, in bytes.
    pub reply_limit: usize,
    /// Whether the backend may act on the call more than once. If so, it is sent again when it may have been lost.
    pub may_repeat: bool,
    /// The account of the caller's connection; without it, the call counts for no caller.
    pub account: Option<&'a Arc<Account>>,
}

impl<'a> Outbound<'a> {
    /// An admitted call, with this metadata.
    #[must_use]
    pub fn new(admitted: &'a Admitted<'_>, metadata: HeaderMap, terms: Terms<'a>) -> Self {
        Self { path: admitted.rpc_path(), metadata, terms }
    }

    /// A call that the gateway makes for itself, such as a health check or a reflection request. `tests/core/layers.rs`
    /// lists who may make one.
    #[must_use]
    pub fn own(path: &'a PathAndQuery, terms: Terms<'a>) -> Self {
        Self { path, metadata: HeaderMap::new(), terms }
    }
}
