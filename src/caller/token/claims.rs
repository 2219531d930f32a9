//! Checks the claims of a token after its signature was verified.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{HeaderName, HeaderValue};

use super::compact::seconds;
use super::issuer::IssuerConfig;
use super::json::{Json, Object};

/// The longest fact that the backend receives, in bytes.
const LONGEST_FACT: usize = 4 << 10;

/// A claim that the backend receives, and the metadata name that carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactName {
    pub claim: String,
    pub name: HeaderName,
}

/// The rules for the claims of every token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimRules {
    /// The tolerance for the clocks of issuers, in seconds.
    pub leeway: u64,
    /// The claims that the backend receives.
    pub facts: Vec<FactName>,
}

/// When a token is valid, in seconds since 1970, with the leeway included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first second of validity.
    pub from: u64,
    /// The first second after the validity.
    pub until: u64,
}

/// What the holder of a token must prove (RFC 7800, `cnf`): all of it. Whoever has a token without any may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Binding {
    /// A connection with the client certificate whose DER has this SHA-256 (RFC 8705, section 3.1).
    pub certificate: Option<[u8; 32]>,
    /// A proof of the key with this thumbprint (RFC 9449, section 6.1).
    pub key: Option<[u8; 32]>,
    /// Whether a proof is needed that is not supported.
    pub other: bool,
}

/// What is kept of a token after its claims were checked.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) window: Window,
    pub(super) binding: Binding,
    pub(super) scopes: Vec<Box<str>>,
    pub(super) facts: Vec<(HeaderName, HeaderValue)>,
}

/// Why a token is rejected although its signature is good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The `typ` of the header is not accepted.
    #[error("its `typ` is not among the `types` of its issuer")]
    Type,
    /// A claim is missing, or has the wrong type.
    #[error("its claim `{0}` is missing or malformed")]
    Claim(&'static str),
    /// The token is for another audience.
    #[error("its `aud` has none of the `audiences` of its issuer")]
    Audience,
    /// The token claims to be issued in the future.
    #[error("its `iat` is in the future")]
    IssuedInFuture,
    /// A claim cannot be carried in metadata.
    #[error(
        "its claim `{0}` cannot be carried in metadata: it is longer than {LONGEST_FACT} bytes, or not printable ASCII and the name does not end with `-bin`"
    )]
    Fact(String),
}

impl ClaimRules {
    /// Checks everything that does not change while a token is valid. `now` is in seconds since 1970.
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

/// The scopes of a token. RFC 8693, section 4.2: one text with spaces between the scopes; some issuers write a list.
fn scopes(claims: &Object, name: &str) -> Result<Vec<Box<str>>, ClaimError> {
    let Some(claim) = claims.member(name) else { return Ok(Vec::new()) };
    let texts = claim.texts().ok_or(ClaimError::Claim("scope"))?;
    let words = texts.into_iter().flat_map(|text| text.split(' ')).filter(|word| !word.is_empty());
    Ok(words.map(Into::into).collect())
}

fn binding(claims: &Object) -> Result<Binding, ClaimError> {
    let Some(confirmation) = claims.member("cnf") else { return Ok(Binding::default()) };
    let malformed = || ClaimError::Claim("cnf");
    let confirmation = confirmation.object().ok_or_else(malformed)?;
    let digest = |name| match confirmation.member(name) {
        None => Ok(None),
        Some(value) => {
            let bytes = value.text().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
            bytes.and_then(|bytes| bytes.try_into().ok()).map(Some).ok_or_else(malformed)
        }
    };
    let (certificate, key) = (digest("x5t#S256")?, digest("jkt")?);
    // An issuer that binds a token in an unknown way wants that checked too.
    let other = confirmation.names().any(|name| name != "x5t#S256" && name != "jkt");
    let is_empty = certificate.is_none() && key.is_none() && !other;
    if is_empty { Err(malformed()) } else { Ok(Binding { certificate, key, other }) }
}

/// The metadata value of a claim: a string as it is, anything else as JSON. Under a `-bin` name it is base64, which
/// gRPC decodes to bytes.
fn fact_value(fact: &FactName, value: &Json) -> Result<HeaderValue, ClaimError> {
    let refused = || ClaimError::Fact(fact.claim.clone());
    let text = value.to_plain_text();
    if text.len() > LONGEST_FACT {
        return Err(refused());
    }
    let text = if fact.name.as_str().ends_with("-bin") { STANDARD.encode(text) } else { text };
    // gRPC over HTTP/2, `ASCII-Value`: printable characters only, and spaces at either end are lost.
    let is_carried = text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && text.trim() == text;
    let mut value = HeaderValue::from_str(&text).ok().filter(|_| is_carried).ok_or_else(refused)?;
    value.set_sensitive(true);
    Ok(value)
}
