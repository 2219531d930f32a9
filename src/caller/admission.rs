//! Who may make a call: the proof that a request was let in, without which nothing is forwarded.

use std::borrow::Cow;

use http::uri::PathAndQuery;

use super::peer::Peer;
use crate::route::Rpc;

/// The proof that a caller may call one rpc. Only [`admit`] makes it.
#[derive(Debug)]
pub struct Admitted<'a> {
    rpc_path: Cow<'a, PathAndQuery>,
}

/// Admits a request to this rpc. Whom TLS let in, is admitted: there are no other rules yet.
#[must_use]
pub fn admit<'a>(_peer: &Peer, rpc: &'a Rpc) -> Admitted<'a> {
    Admitted { rpc_path: Cow::Borrowed(&rpc.path) }
}

impl Admitted<'_> {
    /// The path of the rpc that may be called.
    #[must_use]
    pub fn rpc_path(&self) -> &PathAndQuery {
        &self.rpc_path
    }

    /// The same for a call that may outlive its request.
    #[must_use]
    pub fn to_owned(&self) -> Admitted<'static> {
        Admitted { rpc_path: Cow::Owned(PathAndQuery::clone(&self.rpc_path)) }
    }
}
