//! What a response to a denied request asks for (RFC 6750, section 3; RFC 9449, section 7.1).

use super::dpop::Nonce;

/// The credentials that an rpc accepts, and the scheme of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// RFC 6750, section 3.
    pub realm: &'a str,
    /// The algorithms of DPoP proofs, separated by spaces. `None` if the rpc accepts no DPoP.
    pub algorithms: Option<&'a str>,
    /// The nonce that DPoP proofs must contain, if they need one.
    pub nonce: Option<Nonce>,
    /// Whether the rpc accepts tokens with the scheme `Bearer`.
    pub bearer: bool,
    /// Whether the request used the scheme `DPoP`.
    pub is_dpop: bool,
}

impl<'a> Challenge<'a> {
    /// Bearer tokens only.
    #[must_use]
    pub fn bearer(realm: &'a str) -> Self {
        Self { realm, algorithms: None, nonce: None, bearer: true, is_dpop: false }
    }
}
