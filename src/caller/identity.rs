//! The chain of checks that a request's head has to pass, in its order, and what it proves of the caller.
//!
//! | step | what it needs | what it gives |
//! |---|---|---|
//! | the query has no token | head | |
//! | credentials | head | the text of one token, and how it is presented |
//! | the token | issuers, keys, clock | [`Token`]: signed by an issuer, for this API, valid now |
//! | its holder | [`Token`], [`Peer`], DPoP proof | the token belongs to who presents it |
//! | what the rpc demands | [`Token`], policy | scopes, claims, details |
//!
//! A step takes what the steps before it have proved. What needs the body of a request comes after these, in [`admit`](super::admit).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;

use super::challenge::Challenge;
use super::clock::now;
use super::credentials::{self, Credentials, Scheme};
use super::denied::Denied;
use super::dpop::{Presented, Verifier};
use super::peer::{Certificate, Peer};
use super::principal::Principal;
use super::token::{Issuer, Json, Token, Tokens};
use crate::route::Rpc;
use crate::route::policy::{Binding as DemandedBinding, Require, TokenDemand};

/// Verifies the callers of rpcs that require a token.
pub struct Callers {
    tokens: Tokens,
    /// Verifies DPoP proofs; `None` if DPoP is not configured.
    dpop: Option<Verifier>,
    /// RFC 6750, section 3: the `realm` of challenges.
    realm: String,
}

/// What the head of a request proves of its caller: that the rpc's demands are met, and by whom. Only [`identify`] makes one.
#[derive(Clone)]
pub struct Identified {
    token: Option<Arc<Token>>,
}

/// A caller whose token is verified, as records name it.
#[derive(Clone)]
pub struct VerifiedCaller(Arc<Token>);

/// Longest subject in a record, in bytes.
const LONGEST_SUBJECT: usize = 128;

impl VerifiedCaller {
    /// The name of the issuer in the configuration.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.issuer()
    }

    /// The start of the claim `sub`, if the token has that claim as text.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        let subject = self.0.claim("sub").and_then(Json::text)?;
        Some(&subject[..subject.floor_char_boundary(LONGEST_SUBJECT)])
    }
}

/// Without anything of the token.
impl fmt::Debug for VerifiedCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifiedCaller").field(&self.issuer()).finish()
    }
}

impl Callers {
    /// Accepts these tokens.
    pub(super) fn new(tokens: Tokens, dpop: Option<Verifier>, realm: String) -> Self {
        Self { tokens, dpop, realm }
    }

    /// The credentials that this rpc accepts, for the response to a denied request.
    #[must_use]
    pub fn challenge(&self, head: &Parts, rpc: &Rpc) -> Challenge<'_> {
        let Require::Token(TokenDemand { bindings, .. }) = &rpc.policy.require else {
            return Challenge::bearer(&self.realm);
        };
        let algorithms = self.dpop.as_ref().map(Verifier::algorithms);
        let is_key_only = bindings.as_slice() == [DemandedBinding::Key];
        Challenge {
            realm: &self.realm,
            algorithms: algorithms.filter(|_| bindings.is_empty() || bindings.contains(&DemandedBinding::Key)),
            nonce: self.dpop.as_ref().and_then(|dpop| dpop.nonce(now())),
            bearer: !is_key_only,
            is_dpop: Scheme::of(head) == Some(Scheme::Dpop),
        }
    }

    /// The trusted issuers, in the order of the configuration.
    #[must_use]
    pub fn issuers(&self) -> &[Arc<Issuer>] {
        self.tokens.issuers()
    }

    /// Takes over the keys that `old` has fetched, and the proofs that it remembers.
    pub fn go_on_from(&mut self, old: &Self) {
        if let (Some(dpop), Some(before)) = (&mut self.dpop, &old.dpop) {
            dpop.go_on_from(before, now());
        }
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

    fn token(&self, text: &str, now: u64) -> Result<Arc<Token>, Denied> {
        let token = self.tokens.verify(text, now).map_err(Denied::Token)?;
        let window = token.window();
        match now {
            now if now >= window.until => Err(Denied::Expired(token.issuer().clone())),
            now if now < window.from => Err(Denied::NotYet(token.issuer().clone())),
            _ => Ok(token),
        }
    }
}

impl Callers {
    /// If the token is bound to a key, the request must have a proof of that key, made for this request.
    fn check_key(&self, token: &Token, credentials: Credentials<'_>, head: &Parts, now: u64) -> Result<(), Denied> {
        let Credentials { scheme, token: text } = credentials;
        let issuer = || token.issuer().clone();
        match (token.binding().key, scheme, &self.dpop) {
            (None, Scheme::Bearer, _) => Ok(()),
            (None, Scheme::Dpop, _) => Err(Denied::NotBoundToKey(issuer())),
            (Some(_), _, None) => Err(Denied::OtherBinding(issuer())),
            (Some(_), Scheme::Bearer, Some(_)) => Err(Denied::BoundToKey(issuer())),
            (Some(key), Scheme::Dpop, Some(dpop)) => {
                let presented = Presented { head, token: text, key, now };
                dpop.check(&presented).map_err(|error| Denied::Proof(issuer(), error))
            }
        }
    }
}

impl Identified {
    /// Who the request belongs to. `peer` is the connection that it arrived on.
    #[must_use]
    pub fn principal<'a>(&'a self, peer: &Peer) -> Principal<'a> {
        Principal::of(self.token.as_deref(), peer)
    }

    /// A claim of the verified token, with the name of its issuer. What is not text is written as JSON.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<(&str, Cow<'_, str>)> {
        let token = self.token.as_deref()?;
        let value = match token.claim(name)? {
            Json::Text(text) => Cow::Borrowed(&**text),
            other => Cow::Owned(other.to_plain_text()),
        };
        Some((token.issuer(), value))
    }

    /// The verified caller, for records. `None` if the rpc demands no token.
    #[must_use]
    pub fn caller(&self) -> Option<VerifiedCaller> {
        self.token.clone().map(VerifiedCaller)
    }

    /// Verified facts for the backend, under metadata names that no caller can set.
    pub(super) fn facts(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.token.iter().flat_map(|token| token.facts())
    }
}

/// Determines who calls, from the head of a request. Without `callers`, or if the rpc requires nothing, the caller is
/// anonymous.
///
/// # Errors
/// The first check that fails.
pub fn identify(callers: Option<&Callers>, peer: &Peer, head: &Parts, rpc: &Rpc) -> Result<Identified, Denied> {
    if callers.is_some() {
        credentials::refuse_in_query(head, &rpc.input)?;
    }
    let Require::Token(demand) = &rpc.policy.require else { return Ok(Identified { token: None }) };
    let callers = callers.ok_or(Denied::NoIssuers)?;
    let credentials = Credentials::of(head)?;
    if credentials.scheme == Scheme::Dpop && callers.dpop.is_none() {
        return Err(Denied::OtherScheme);
    }
    let now = now();
    let token = callers.token(credentials.token, now)?;
    check_certificate(&token, peer)?;
    callers.check_key(&token, credentials, head, now)?;
    check_demand(&token, demand)?;
    Ok(Identified { token: Some(token) })
}

/// A token that is bound to a certificate is accepted on a connection with that certificate only, whether or not the rpc
/// requires bound tokens.
fn check_certificate(token: &Token, peer: &Peer) -> Result<(), Denied> {
    let binding = token.binding();
    if binding.other {
        return Err(Denied::OtherBinding(token.issuer().clone()));
    }
    match binding.certificate {
        Some(digest) if peer.certificate().map(Certificate::sha256) != Some(digest) => {
            Err(Denied::OtherCertificate(token.issuer().clone()))
        }
        _ => Ok(()),
    }
}

fn check_demand(token: &Token, demand: &TokenDemand) -> Result<(), Denied> {
    let is_bound = |to: &DemandedBinding| match to {
        DemandedBinding::Certificate => token.binding().certificate.is_some(),
        DemandedBinding::Key => token.binding().key.is_some(),
    };
    if !demand.bindings.is_empty() && !demand.bindings.iter().any(is_bound) {
        return Err(Denied::Unbound(token.issuer().clone()));
    }
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
