//! Why a request is not admitted: precise for the log, and grouped by what its caller may learn.

use std::sync::Arc;

use super::dpop::ProofError;
use super::hop::HopError;
use super::token::Refused;

/// Why a request is not admitted. The text is for the log, and contains nothing that a caller wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The rpc requires a token, but no issuer is configured.
    #[error("the rpc demands an access token, and `callers` names no issuer")]
    NoIssuers,
    /// The request has no `Authorization` header.
    #[error("there is no `Authorization`")]
    NoCredentials,
    /// The request has several `Authorization` headers.
    #[error("there are several `Authorization` headers")]
    SeveralCredentials,
    /// The credentials have a scheme that is not supported.
    #[error("`Authorization` has a scheme that is not accepted")]
    OtherScheme,
    /// Behind the scheme there is no token, or more than a token.
    #[error("`Authorization` is not a scheme, one space and one token")]
    NoToken,
    /// The query has an access token, and queries end up in logs and histories.
    #[error("an access token is in the query")]
    TokenInQuery,
    /// The token is not valid.
    #[error("access token refused: {0}")]
    Token(Refused),
    /// The token has expired.
    #[error("the access token has expired (issuer {0})")]
    Expired(Arc<str>),
    /// The token is not valid yet.
    #[error("the access token is not valid yet (issuer {0})")]
    NotYet(Arc<str>),
    /// The token is bound to a certificate, and the connection has another one or none.
    #[error(
        "the access token is bound to another client certificate than that of the connection, or there is none (issuer {0})"
    )]
    OtherCertificate(Arc<str>),
    /// The token is bound in a way that is not supported.
    #[error("the access token is bound by a `cnf` that is not verified here (issuer {0})")]
    OtherBinding(Arc<str>),
    /// The token is bound to a key, but did not come with the scheme `DPoP`.
    #[error("the access token is bound to a key, and did not come as `DPoP` (issuer {0})")]
    BoundToKey(Arc<str>),
    /// The token came with the scheme `DPoP`, but is not bound to a key.
    #[error("the access token came as `DPoP`, and is not bound to a key (issuer {0})")]
    NotBoundToKey(Arc<str>),
    /// The token is bound to a key, and the proof of that key is refused.
    #[error("DPoP proof refused: {1} (issuer {0})")]
    Proof(Arc<str>, ProofError),
    /// The token is not bound, but the rpc requires a bound one.
    #[error("the access token is not bound as the rpc demands (issuer {0})")]
    Unbound(Arc<str>),
    /// The rpc does not accept tokens of this issuer.
    #[error("the rpc takes no access tokens of issuer {0}")]
    IssuerOfOthers(Arc<str>),
    /// The token lacks a scope.
    #[error("the access token lacks a scope of: {}", .0.join(" "))]
    Scopes(Vec<String>),
    /// A claim is missing, or has another value than the rpc requires.
    #[error("the claim `{0}` of the access token is missing, or has none of the demanded values")]
    Claim(String),
    /// The token has no `authorization_details` of a required type.
    #[error("the access token has no `authorization_details` of type `{0}`")]
    Details(String),
    /// The request has no client certificate of a trusted proxy that counts.
    #[error("{0}")]
    Hop(HopError),
}

/// What a caller may learn of a denial. A forger does not learn how far a token was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeniedKind {
    /// No credentials. RFC 6750, section 3.1: such a request gets no error code.
    Missing,
    /// Error code `invalid_request`.
    Request,
    /// Error code `invalid_token`.
    Token,
    /// Error code `invalid_token`. The signature was good, so the holder may know that the token has expired.
    Expired,
    /// Error code `invalid_token`. The signature was good, so the holder may know that the token is not valid yet.
    NotYet,
    /// Error code `use_dpop_nonce`. The proof is good but for its nonce.
    Nonce,
    /// Error code `invalid_dpop_proof`. The token is genuine, so its holder may know that the proof is not valid.
    Proof,
    /// Error code `insufficient_scope`.
    Insufficient,
    /// The token cannot be verified at the moment.
    Unavailable,
    /// The connection is not of the proxy that passes client certificates on.
    NotOfProxy,
    /// The proxy passed on no client certificate.
    CertificateMissing,
    /// The client certificate that the proxy passed on does not count.
    Certificate,
}

impl Denied {
    /// What the caller may learn of the denial.
    #[must_use]
    pub fn kind(&self) -> DeniedKind {
        match self {
            Self::NoCredentials | Self::OtherScheme => DeniedKind::Missing,
            Self::SeveralCredentials | Self::TokenInQuery => DeniedKind::Request,
            Self::Expired(_) => DeniedKind::Expired,
            Self::NotYet(_) => DeniedKind::NotYet,
            Self::Scopes(_) | Self::Claim(_) | Self::Details(_) => DeniedKind::Insufficient,
            Self::NoIssuers | Self::Proof(_, ProofError::Full) => DeniedKind::Unavailable,
            Self::Proof(_, ProofError::Nonce) => DeniedKind::Nonce,
            Self::Hop(HopError::NotTrusted) => DeniedKind::NotOfProxy,
            Self::Hop(HopError::Missing) => DeniedKind::CertificateMissing,
            Self::Hop(_) => DeniedKind::Certificate,
            Self::Proof(..) => DeniedKind::Proof,
            Self::Token(refused) if refused.lacks_keys() => DeniedKind::Unavailable,
            Self::NoToken
            | Self::Token(_)
            | Self::OtherCertificate(_)
            | Self::OtherBinding(_)
            | Self::BoundToKey(_)
            | Self::NotBoundToKey(_)
            | Self::Unbound(_)
            | Self::IssuerOfOthers(_) => DeniedKind::Token,
        }
    }

    /// The scopes that the rpc requires, if the token lacks one of them.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        if let Self::Scopes(scopes) = self { scopes } else { &[] }
    }
}
