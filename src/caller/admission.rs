//! Admits calls: gives the proof that a request was admitted, without which nothing is forwarded.

use std::borrow::Cow;

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;

use super::denied::Denied;
use super::identity::Identified;
use crate::route::Rpc;

/// The proof that a caller may call one rpc. Only [`admit`] makes one.
pub struct Admitted<'a> {
    rpc_path: Cow<'a, PathAndQuery>,
    caller: Identified,
}

/// A request as it was received. Signatures cover this, not what is made of it later.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// The head, without the headers that `Connection` names: those are for one hop only (RFC 9110, section 7.6.1).
    pub head: &'a Parts,
    /// The body.
    pub body: ReceivedBody<'a>,
}

/// The body of a request, before it is decompressed.
#[derive(Debug, Clone, Copy)]
pub enum ReceivedBody<'a> {
    /// The whole body; empty if there is none.
    Whole(&'a [u8]),
    /// The body is still to come: its messages are sent as they arrive.
    Streamed,
}

/// Admits a request with an identified caller to this rpc. No rule needs the body yet.
///
/// # Errors
/// Why the caller may not call the rpc.
pub fn admit<'a>(caller: &Identified, _received: &Received<'_>, rpc: &'a Rpc) -> Result<Admitted<'a>, Denied> {
    Ok(Admitted { rpc_path: Cow::Borrowed(&rpc.path), caller: caller.clone() })
}

impl Admitted<'_> {
    /// The path of the rpc that may be called.
    #[must_use]
    pub fn rpc_path(&self) -> &PathAndQuery {
        &self.rpc_path
    }

    /// Verified facts about the caller that the backend receives as metadata, under names that no caller can set.
    pub fn facts(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.caller.facts()
    }

    /// The proof for a call that may outlive its request.
    #[must_use]
    pub fn to_owned(&self) -> Admitted<'static> {
        Admitted { rpc_path: Cow::Owned(PathAndQuery::clone(&self.rpc_path)), caller: self.caller.clone() }
    }
}
