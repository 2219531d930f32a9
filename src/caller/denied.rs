//! Why a request is not admitted: precise for the log, and sorted by what its caller may know of it.

use std::sync::Arc;

use super::token::Refused;

/// Why a request is not admitted. As text it is for the log, and has nothing in it that a caller wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// An rpc demands a token, and nobody says whose.
    #[error("the rpc demands an access token, and `callers` names no issuer")]
    NoIssuers,
    /// There is no `Authorization`.
    #[error("there is no `Authorization`")]
    NoCredentials,
    /// There are several of them.
    #[error("there are several `Authorization` headers")]
    SeveralCredentials,
    /// Credentials of a scheme that is not verified.
    #[error("`Authorization` has another scheme than `Bearer`")]
    OtherScheme,
    /// Nothing, or more than a token, behind the scheme.
    #[error("`Authorization` is not `Bearer`, one space and one token")]
    NoToken,
    /// An access token in the query, where it ends in logs and histories.
    #[error("an access token is in the query")]
    TokenInQuery,
    /// The token itself.
    #[error("access token refused: {0}")]
    Token(Refused),
    /// Its time is over.
    #[error("the access token has expired (issuer {0})")]
    Expired(Arc<str>),
    /// Its time is to come.
    #[error("the access token is not valid yet (issuer {0})")]
    NotYet(Arc<str>),
    /// It is bound to a certificate, and the connection has none or another.
    #[error(
        "the access token is bound to another client certificate than that of the connection, or there is none (issuer {0})"
    )]
    OtherCertificate(Arc<str>),
    /// It is bound to something that is not verified.
    #[error("the access token is bound by a `cnf` that is not verified here (issuer {0})")]
    OtherBinding(Arc<str>),
    /// It is not bound, and the rpc demands that it is.
    #[error("the access token is not bound to a client certificate, as the rpc demands (issuer {0})")]
    Unbound(Arc<str>),
    /// The rpc does not take tokens of its issuer.
    #[error("the rpc takes no access tokens of issuer {0}")]
    IssuerOfOthers(Arc<str>),
    /// It lacks scopes.
    #[error("the access token lacks a scope of: {}", .0.join(" "))]
    Scopes(Vec<String>),
    /// A claim is missing, or has another value.
    #[error("the claim `{0}` of the access token is missing, or has none of the demanded values")]
    Claim(String),
    /// No `authorization_details` of a type.
    #[error("the access token has no `authorization_details` of type `{0}`")]
    Details(String),
}

/// What a caller may know of a denial. Whoever forges learns nothing of how far a token came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeniedKind {
    /// RFC 6750, section 3.1: a request without credentials gets no error code.
    Missing,
    /// `invalid_request`
    Request,
    /// `invalid_token`
    Token,
    /// `invalid_token`; the signature was good, so its holder may know that it needs another.
    Expired,
    /// The same before its time.
    NotYet,
    /// `insufficient_scope`
    Insufficient,
    /// Nobody can say now whether the token is good.
    Unavailable,
}

impl Denied {
    /// What the caller may know of it.
    #[must_use]
    pub fn kind(&self) -> DeniedKind {
        match self {
            Self::NoCredentials | Self::OtherScheme => DeniedKind::Missing,
            Self::SeveralCredentials | Self::TokenInQuery => DeniedKind::Request,
            Self::Expired(_) => DeniedKind::Expired,
            Self::NotYet(_) => DeniedKind::NotYet,
            Self::Scopes(_) | Self::Claim(_) | Self::Details(_) => DeniedKind::Insufficient,
            Self::NoIssuers => DeniedKind::Unavailable,
            Self::Token(refused) if refused.lacks_keys() => DeniedKind::Unavailable,
            Self::NoToken
            | Self::Token(_)
            | Self::OtherCertificate(_)
            | Self::OtherBinding(_)
            | Self::Unbound(_)
            | Self::IssuerOfOthers(_) => DeniedKind::Token,
        }
    }

    /// The scopes that a token needs, where it lacks one of them.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        if let Self::Scopes(scopes) = self { scopes } else { &[] }
    }
}
