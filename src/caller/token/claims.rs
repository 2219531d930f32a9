//! What a token claims, once its signature is known to be the issuer's.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{HeaderName, HeaderValue};

use super::compact::seconds;
use super::issuer::IssuerConfig;
use super::json::{Json, Object};

/// Longest fact that the backend is told, in bytes.
const LONGEST_FACT: usize = 4 << 10;

/// A claim that the backend is told, and the name of the metadata that tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactName {
    pub claim: String,
    pub name: HeaderName,
}

/// What holds for the claims of every token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimRules {
    /// How far the clocks of issuers may be off, in seconds.
    pub leeway: u64,
    /// Which claims the backend is told.
    pub facts: Vec<FactName>,
}

/// When a token is valid, in seconds since 1970, the leeway counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first second.
    pub from: u64,
    /// The second with which it is over.
    pub until: u64,
}

/// What a token must be presented with (RFC 7800, `cnf`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Nothing: whoever has it may use it.
    None,
    /// A connection with the client certificate whose DER has this SHA-256 (RFC 8705, section 3.1).
    Certificate([u8; 32]),
    /// A proof that is not verified here, such as that of DPoP.
    Other,
}

/// What is left of a token after its claims were checked.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) window: Window,
    pub(super) binding: Binding,
    pub(super) scopes: Vec<Box<str>>,
    pub(super) facts: Vec<(HeaderName, HeaderValue)>,
}

/// Why a token with a good signature is refused all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The header's `typ`.
    #[error("its `typ` is not among the `types` of its issuer")]
    Type,
    /// A claim is missing, or has another type than its own.
    #[error("its claim `{0}` is missing or malformed")]
    Claim(&'static str),
    /// It is for somebody else.
    #[error("its `aud` has none of the `audiences` of its issuer")]
    Audience,
    /// It says that it was made in the future.
    #[error("its `iat` is in the future")]
    IssuedInFuture,
    /// A fact that metadata cannot carry.
    #[error(
        "its claim `{0}` cannot be carried in metadata: it is longer than {LONGEST_FACT} bytes, or not printable ASCII and the name does not end with `-bin`"
    )]
    Fact(String),
}

impl ClaimRules {
    /// Checks all that stays true of a token while it is valid. `now` is in seconds since 1970.
    pub(super) fn check(&self, claims: &Object, issuer: &IssuerConfig, now: u64) -> Result<Checked, ClaimError> {
        let audiences = claims.member("aud").and_then(Json::texts).ok_or(ClaimError::Claim("aud"))?;
        if !audiences.iter().any(|audience| issuer.audiences.iter().any(|own| own == audience)) {
            return Err(ClaimError::Audience);
        }
        let time = |name| claims.member(name).map(|value| seconds(value).ok_or(ClaimError::Claim(name))).transpose();
        let expires = time("exp")?.ok_or(ClaimError::Claim("exp"))?;
        let not_before = time("nbf")?.unwrap_or(0);
        if time("iat")?.is_some_and(|issued| issued > now.saturating_add(self.leeway)) {
            return Err(ClaimError::IssuedInFuture);
        }
        let facts = self.facts.iter().filter_map(|fact| Some((fact, claims.member(&fact.claim)?)));
        let facts = facts.map(|(fact, value)| Ok((fact.name.clone(), fact_value(fact, value)?)));
        Ok(Checked {
            window: Window { from: not_before.saturating_sub(self.leeway), until: expires.saturating_add(self.leeway) },
            binding: binding(claims)?,
            scopes: scopes(claims, &issuer.scope_claim)?,
            facts: facts.collect::<Result<_, _>>()?,
        })
    }
}

/// RFC 8693, section 4.2: a text with spaces between scopes. Some issuers write a list.
fn scopes(claims: &Object, name: &str) -> Result<Vec<Box<str>>, ClaimError> {
    let Some(claim) = claims.member(name) else { return Ok(Vec::new()) };
    let texts = claim.texts().ok_or(ClaimError::Claim("scope"))?;
    let words = texts.into_iter().flat_map(|text| text.split(' ')).filter(|word| !word.is_empty());
    Ok(words.map(Into::into).collect())
}

fn binding(claims: &Object) -> Result<Binding, ClaimError> {
    let Some(confirmation) = claims.member("cnf") else { return Ok(Binding::None) };
    let confirmation = confirmation.object().ok_or(ClaimError::Claim("cnf"))?;
    // Whoever binds a token in two ways, or in one that nobody here knows, wants all of that checked.
    if confirmation.names().any(|name| name != "x5t#S256") {
        return Ok(Binding::Other);
    }
    let digest = confirmation.member("x5t#S256").and_then(Json::text).ok_or(ClaimError::Claim("cnf"))?;
    let digest = URL_SAFE_NO_PAD.decode(digest).map_err(|_| ClaimError::Claim("cnf"))?;
    digest.try_into().map(Binding::Certificate).map_err(|_| ClaimError::Claim("cnf"))
}

/// A text as it is, all else as JSON; under a `-bin` name in base64, which gRPC makes bytes.
fn fact_value(fact: &FactName, value: &Json) -> Result<HeaderValue, ClaimError> {
    let refused = || ClaimError::Fact(fact.claim.clone());
    let text = value.to_plain_text();
    if text.len() > LONGEST_FACT {
        return Err(refused());
    }
    let text = if fact.name.as_str().ends_with("-bin") { STANDARD.encode(text) } else { text };
    // gRPC over HTTP/2, `ASCII-Value`: printable, and no space at an end survives.
    let is_carried = text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && text.trim() == text;
    let mut value = HeaderValue::from_str(&text).ok().filter(|_| is_carried).ok_or_else(refused)?;
    value.set_sensitive(true);
    Ok(value)
}
