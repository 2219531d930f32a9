//! Who may make a call: the proof that a request was let in, without which nothing is forwarded.

use std::borrow::Cow;

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;

use super::denied::Denied;
use super::identity::Identified;
use crate::route::Rpc;

/// The proof that a caller may call one rpc. Only [`admit`] makes it.
pub struct Admitted<'a> {
    rpc_path: Cow<'a, PathAndQuery>,
    caller: Identified,
}

/// A request as it came. Signatures are over this, not over what is made of it.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// Its head, without the headers that `Connection` names: they are for one hop (RFC 9110, section 7.6.1).
    pub head: &'a Parts,
    /// Its body.
    pub body: ReceivedBody<'a>,
}

/// The body of a request, before it is decompressed.
#[derive(Debug, Clone, Copy)]
pub enum ReceivedBody<'a> {
    /// All of it; empty where there is none.
    Whole(&'a [u8]),
    /// It is still to come: its messages are sent as they arrive.
    Streamed,
}

/// Admits a request whose caller is identified to this rpc. No rule needs its body yet.
///
/// # Errors
/// The caller may not call it.
pub fn admit<'a>(caller: &Identified, _received: &Received<'_>, rpc: &'a Rpc) -> Result<Admitted<'a>, Denied> {
    Ok(Admitted { rpc_path: Cow::Borrowed(&rpc.path), caller: caller.clone() })
}

impl Admitted<'_> {
    /// The path of the rpc that may be called.
    #[must_use]
    pub fn rpc_path(&self) -> &PathAndQuery {
        &self.rpc_path
    }

    /// What is verified of the caller and told the backend, under names that no caller can set.
    pub fn facts(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.caller.facts()
    }

    /// The same for a call that may outlive its request.
    #[must_use]
    pub fn to_owned(&self) -> Admitted<'static> {
        Admitted { rpc_path: Cow::Owned(PathAndQuery::clone(&self.rpc_path)), caller: self.caller.clone() }
    }
}
