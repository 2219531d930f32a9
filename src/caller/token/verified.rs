//! A token that was verified, and how it comes to that.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};

use super::claims::{Binding, ClaimError, ClaimRules, Window};
use super::compact::{Malformed, Unverified};
use super::issuer::{Issuer, SignatureError};
use super::json::{Json, Object};
use super::seen::{Seen, TokenHash};

/// An access token that one of the issuers has signed for this API. Whether it is valid now, comes from its holder and permits a call is
/// asked for every request.
pub struct Token {
    /// The name of its issuer in the configuration.
    issuer: Arc<str>,
    window: Window,
    binding: Binding,
    scopes: Vec<Box<str>>,
    claims: Object,
    facts: Vec<(HeaderName, HeaderValue)>,
    /// Which keys of its issuer it was verified with.
    verified_with: Verified,
}

/// Which issuer, by its place, and which of its key sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Verified {
    issuer: usize,
    generation: u64,
}

/// Why a text is not taken for an access token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no JWT that could be verified.
    #[error("{0}")]
    Malformed(Malformed),
    /// Nobody whose tokens are taken has issued it.
    #[error("its `iss` is missing, or that of none of the configured issuers")]
    Issuer,
    /// The signature, of this issuer.
    #[error("{1} (issuer {0})")]
    Signature(Arc<str>, SignatureError),
    /// The claims, of this issuer.
    #[error("{1} (issuer {0})")]
    Claims(Arc<str>, ClaimError),
}

impl Refused {
    /// The issuer that may have published the missing key since its keys were read.
    fn lacks_key_of(&self) -> Option<&Arc<str>> {
        match self {
            Self::Signature(issuer, SignatureError::NoKeys | SignatureError::UnknownKey) => Some(issuer),
            _ => None,
        }
    }

    /// Whether its issuer's keys are not known yet, so that nobody can say whether it is good.
    #[must_use]
    pub fn lacks_keys(&self) -> bool {
        matches!(self, Self::Signature(_, SignatureError::NoKeys))
    }
}

/// Whose tokens are taken, what they must say, and those that were verified before.
pub struct Tokens {
    issuers: Vec<Arc<Issuer>>,
    names: Vec<Arc<str>>,
    rules: ClaimRules,
    seen: Seen<Token>,
}

impl Tokens {
    /// Takes the tokens of these issuers.
    #[must_use]
    pub fn new(issuers: Vec<Arc<Issuer>>, rules: ClaimRules) -> Self {
        let names = issuers.iter().map(|issuer| issuer.name().into()).collect();
        Self { issuers, names, rules, seen: Seen::default() }
    }

    /// Whose tokens are taken, in the order of the configuration.
    #[must_use]
    pub fn issuers(&self) -> &[Arc<Issuer>] {
        &self.issuers
    }

    /// Fetches the keys of the issuer if `refused` is for an unknown key. True if the token should be verified again.
    pub async fn refreshed(&self, refused: &Refused) -> bool {
        let Some(name) = refused.lacks_key_of() else { return false };
        match self.issuers.iter().find(|issuer| issuer.name() == &**name) {
            Some(issuer) => issuer.refreshed().await,
            None => false,
        }
    }

    /// The token that this text is. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// None of the issuers has signed it for this API.
    pub fn verify(&self, text: &str, now: u64) -> Result<Arc<Token>, Refused> {
        let hash = TokenHash::of(text);
        if let Some(token) = self.seen.find(hash) {
            if self.is_current(&token, now) {
                return Ok(token);
            }
            self.seen.forget(hash);
        }
        let token = Arc::new(self.verify_anew(text, now)?);
        if self.is_current(&token, now) {
            self.seen.keep(hash, text.len(), token.clone());
        }
        Ok(token)
    }

    /// Whether it is neither over nor verified with keys that its issuer had before.
    fn is_current(&self, token: &Token, now: u64) -> bool {
        let Verified { issuer, generation } = token.verified_with;
        now < token.window.until && self.issuers[issuer].generation() == generation
    }

    fn verify_anew(&self, text: &str, now: u64) -> Result<Token, Refused> {
        let unverified = Unverified::parse(text).map_err(Refused::Malformed)?;
        let claimed = unverified.claims.member("iss").and_then(Json::text).ok_or(Refused::Issuer)?;
        let place = self.issuers.iter().position(|issuer| issuer.config.issuer == claimed).ok_or(Refused::Issuer)?;
        let (issuer, name) = (&self.issuers[place], &self.names[place]);
        // Read before the keys: a set that comes between makes it verified anew once more, and never too seldom.
        let verified_with = Verified { issuer: place, generation: issuer.generation() };
        issuer.check_signature(&unverified).map_err(|error| Refused::Signature(name.clone(), error))?;
        let refused = |error| Refused::Claims(name.clone(), error);
        if !issuer.config.types.take(unverified.kind.as_deref()) {
            return Err(refused(ClaimError::Type));
        }
        let checked = self.rules.check(&unverified.claims, &issuer.config, now).map_err(refused)?;
        Ok(Token {
            issuer: name.clone(),
            window: checked.window,
            binding: checked.binding,
            scopes: checked.scopes,
            claims: unverified.claims,
            facts: checked.facts,
            verified_with,
        })
    }
}

impl Token {
    /// The name of its issuer in the configuration.
    #[must_use]
    pub fn issuer(&self) -> &Arc<str> {
        &self.issuer
    }

    /// When it is valid.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// What it must be presented with.
    #[must_use]
    pub fn binding(&self) -> Binding {
        self.binding
    }

    /// Whether it has this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| &**own == scope)
    }

    /// What it claims under this name.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Json> {
        self.claims.member(name)
    }

    /// Its claims that the backend receives as metadata.
    pub fn facts(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.facts.iter().map(|(name, value)| (name, value))
    }
}
