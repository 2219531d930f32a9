//! What is sent to a backend: a call that was admitted, or one that the gateway makes for itself.

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

/// The deadline of a call, the size limit of its reply, and the caller that it counts for.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// When it must be over.
    pub deadline: Instant,
    /// Largest reply message, in bytes.
    pub reply_limit: usize,
    /// Whether the backend may act on it more than once: then it is sent again when it may be lost.
    pub may_repeat: bool,
    /// That of the caller's connection; without it the call counts for nobody.
    pub account: Option<&'a Arc<Account>>,
}

impl<'a> Outbound<'a> {
    /// The call that was admitted, with this metadata.
    #[must_use]
    pub fn new(admitted: &'a Admitted<'_>, metadata: HeaderMap, terms: Terms<'a>) -> Self {
        Self { path: admitted.rpc_path(), metadata, terms }
    }

    /// A call of the gateway's own, for no caller: a health check, or a question about descriptors. `tests/layers.rs` lists who may make
    /// one.
    #[must_use]
    pub fn own(path: &'a PathAndQuery, terms: Terms<'a>) -> Self {
        Self { path, metadata: HeaderMap::new(), terms }
    }
}
