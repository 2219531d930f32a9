//! Parses DPoP proofs strictly (RFC 9449, section 4.2). The verifier checks the signature, and whether the proof fits a request.

use super::url::TargetUrl;
use crate::caller::token::{Json, Malformed, Object, PublicKey, Unverified, seconds};

/// Longest proof, in bytes: an RSA key of 8192 bits and its signature have room.
const LONGEST: usize = 8 << 10;
/// Longest `jti`, in bytes.
const LONGEST_ID: usize = 256;

/// A parsed proof. Its signature is not verified.
pub struct Proof<'t> {
    pub(super) token: Unverified<'t>,
    /// Its `jwk`.
    pub(super) key: PublicKey,
    pub(super) claims: ProofClaims,
}

/// The claims of a proof.
pub(super) struct ProofClaims {
    /// `jti`
    pub(super) id: Box<str>,
    /// `htm`
    pub(super) method: Box<str>,
    /// `htu`
    pub(super) target: TargetUrl,
    /// `iat`, in seconds since 1970.
    pub(super) issued: u64,
    /// `ath`: the SHA-256 of the access token, in base64url.
    pub(super) token_hash: Box<str>,
    /// `nonce`, if it is text.
    pub(super) nonce: Option<Box<str>>,
}

/// Why a text is not a DPoP proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofMalformed {
    /// It is too long.
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
    /// It is not a JWT with an asymmetric algorithm.
    #[error("{0}")]
    Token(Malformed),
    /// Its `typ`.
    #[error("its `typ` is not `dpop+jwt`")]
    Type,
    /// Its `jwk` is missing, unusable, or private.
    #[error("its `jwk` is missing, private, or not a key for its `alg`")]
    Key,
    /// A claim.
    #[error("its claim `{0}` is missing or malformed")]
    Claim(&'static str),
}

impl<'t> Proof<'t> {
    /// Parses a proof.
    ///
    /// # Errors
    /// It is not a proof.
    pub fn parse(text: &'t str) -> Result<Self, ProofMalformed> {
        if text.len() > LONGEST {
            return Err(ProofMalformed::TooLong);
        }
        let token = Unverified::parse(text).map_err(ProofMalformed::Token)?;
        if token.kind.as_deref() != Some("dpop+jwt") {
            return Err(ProofMalformed::Type);
        }
        let jwk = token.header.member("jwk").and_then(Json::object).ok_or(ProofMalformed::Key)?;
        let key = PublicKey::of(jwk).filter(|key| key.is_for(token.algorithm)).ok_or(ProofMalformed::Key)?;
        let claims = ProofClaims::of(&token.claims)?;
        Ok(Self { token, key, claims })
    }

    /// The URL of the request that it was made for.
    #[must_use]
    pub fn target(&self) -> &TargetUrl {
        &self.claims.target
    }
}

impl ProofClaims {
    fn of(claims: &Object) -> Result<Self, ProofMalformed> {
        let text = |name: &'static str| {
            let text = claims.member(name).and_then(Json::text).filter(|text| !text.is_empty());
            text.ok_or(ProofMalformed::Claim(name))
        };
        let id = text("jti")?;
        if id.len() > LONGEST_ID {
            return Err(ProofMalformed::Claim("jti"));
        }
        Ok(Self {
            id: id.into(),
            method: text("htm")?.into(),
            target: TargetUrl::parse(text("htu")?).ok_or(ProofMalformed::Claim("htu"))?,
            issued: claims.member("iat").and_then(seconds).ok_or(ProofMalformed::Claim("iat"))?,
            token_hash: text("ath")?.into(),
            nonce: text("nonce").ok().map(Into::into),
        })
    }
}
