//! The chain of checks that a request's head has to pass, in its order, and what it proves of the caller.
//!
//! | step | what it needs | what it gives |
//! |---|---|---|
//! | the query has no token | head | |
//! | credentials | head | the text of one token |
//! | the token | issuers, keys, clock | [`Token`]: signed by an issuer, for this API, valid now |
//! | its holder | [`Token`], [`Peer`] | the token belongs to who presents it |
//! | what the rpc demands | [`Token`], policy | scopes, claims, details |
//!
//! A step takes what the steps before it have proved. What needs the body of a request comes after these, in [`admit`](super::admit).

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;

use super::credentials;
use super::denied::Denied;
use super::peer::{Certificate, Peer};
use super::principal::Principal;
use super::token::{Binding, Issuer, Json, Token, Tokens};
use crate::route::Rpc;
use crate::route::policy::{Binding as DemandedBinding, Require, TokenDemand};

/// Who may call: what is asked of every caller of an rpc that demands a token.
pub struct Callers {
    tokens: Tokens,
    /// RFC 6750, section 3: the `realm` of challenges.
    realm: String,
}

/// What the head of a request proves of its caller: that the rpc's demands are met, and by whom. Only [`identify`] makes one.
#[derive(Clone)]
pub struct Identified {
    token: Option<Arc<Token>>,
}

impl Callers {
    /// Asks callers for tokens of these.
    #[must_use]
    pub fn new(tokens: Tokens, realm: String) -> Self {
        Self { tokens, realm }
    }

    /// The `realm` of challenges.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Whose tokens are taken, in the order of the configuration.
    #[must_use]
    pub fn issuers(&self) -> &[Arc<Issuer>] {
        self.tokens.issuers()
    }

    /// Takes over the keys that `old` has fetched.
    pub fn go_on_from(&self, old: &Self) {
        for issuer in self.issuers() {
            let before = old.issuers().iter().find(|before| before.name() == issuer.name());
            before.into_iter().for_each(|before| issuer.go_on_from(before));
        }
    }

    /// Waits for a key whose absence caused this denial. True if the request should be checked again.
    pub async fn refreshed(&self, denied: &Denied) -> bool {
        match denied {
            Denied::Token(refused) => self.tokens.refreshed(refused).await,
            _ => false,
        }
    }

    fn token(&self, text: &str) -> Result<Arc<Token>, Denied> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let token = self.tokens.verify(text, now).map_err(Denied::Token)?;
        let window = token.window();
        match now {
            now if now >= window.until => Err(Denied::Expired(token.issuer().clone())),
            now if now < window.from => Err(Denied::NotYet(token.issuer().clone())),
            _ => Ok(token),
        }
    }
}

impl Identified {
    /// Who the request belongs to, which came on the connection of this peer.
    #[must_use]
    pub fn principal<'a>(&'a self, peer: &Peer) -> Principal<'a> {
        Principal::of(self.token.as_deref(), peer)
    }

    /// Verified facts for the backend, under metadata names that no caller can set.
    pub(super) fn facts(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.token.iter().flat_map(|token| token.facts())
    }
}

/// Asks the head of a request who calls. Without `callers`, and where an rpc demands nothing, that is nobody in particular.
///
/// # Errors
/// The first of the checks that it does not pass.
pub fn identify(callers: Option<&Callers>, peer: &Peer, head: &Parts, rpc: &Rpc) -> Result<Identified, Denied> {
    if callers.is_some() {
        credentials::refuse_in_query(head, &rpc.input)?;
    }
    let Require::Token(demand) = &rpc.policy.require else { return Ok(Identified { token: None }) };
    let callers = callers.ok_or(Denied::NoIssuers)?;
    let token = callers.token(credentials::bearer(head)?)?;
    check_holder(&token, peer, demand)?;
    check_demand(&token, demand)?;
    Ok(Identified { token: Some(token) })
}

/// Whoever presents a bound token must be the one it is bound to, whether or not the rpc demands that tokens are bound.
fn check_holder(token: &Token, peer: &Peer, demand: &TokenDemand) -> Result<(), Denied> {
    let issuer = || token.issuer().clone();
    match token.binding() {
        Binding::None if demand.binding == Some(DemandedBinding::Certificate) => Err(Denied::Unbound(issuer())),
        Binding::None => Ok(()),
        Binding::Certificate(digest) if peer.certificate().map(Certificate::sha256) == Some(digest) => Ok(()),
        Binding::Certificate(_) => Err(Denied::OtherCertificate(issuer())),
        Binding::Other => Err(Denied::OtherBinding(issuer())),
    }
}

fn check_demand(token: &Token, demand: &TokenDemand) -> Result<(), Denied> {
    if !demand.issuers.is_empty() && !demand.issuers.iter().any(|name| **name == **token.issuer()) {
        return Err(Denied::IssuerOfOthers(token.issuer().clone()));
    }
    if !demand.scopes.iter().all(|scope| token.has_scope(scope)) {
        return Err(Denied::Scopes(demand.scopes.clone()));
    }
    for demanded in &demand.claims {
        let claim = token.claim(&demanded.name);
        let is_one = |value: &Json| {
            let text = value.to_plain_text();
            demanded.values.contains(&text)
        };
        let is_met = claim.is_some_and(|claim| match claim {
            Json::Array(elements) => elements.iter().any(is_one),
            claim => is_one(claim),
        });
        if !is_met {
            return Err(Denied::Claim(demanded.name.clone()));
        }
    }
    // RFC 9396, section 2: a list of objects, each with a `type`.
    for kind in &demand.authorization_details {
        let details = token.claim("authorization_details").and_then(Json::array).unwrap_or_default();
        let is_of_kind =
            |detail: &Json| detail.object().and_then(|detail| detail.member("type")).and_then(Json::text) == Some(kind);
        if !details.iter().any(is_of_kind) {
            return Err(Denied::Details(kind.clone()));
        }
    }
    Ok(())
}
