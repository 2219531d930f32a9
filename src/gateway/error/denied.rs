//! Requests whose callers may not make them: responses with 401 or 403, and the challenges of RFC 6750.
//!
//! A caller with a genuine token learns what to do. For a forged token the response is always the same, whatever is
//! wrong with it; only the log has the reason.

use std::sync::Arc;

use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use super::reason::Reason;
use super::refusal::Refusal;
use crate::caller::{Denied, DeniedKind};

/// `Retry-After` in seconds when the keys of an issuer are not available yet.
const RETRY: u64 = 1;

impl Refusal {
    /// The refusal of a request that is not admitted. `realm` is the realm of the challenge.
    #[must_use]
    pub fn denied(denied: Denied, realm: &str) -> Self {
        let kind = denied.kind();
        let refusal = match kind {
            DeniedKind::Missing => Self::new(
                Reason::AccessTokenMissing,
                "this call needs an access token: send it as `Authorization: Bearer TOKEN`",
            ),
            DeniedKind::Request => Self::new(
                Reason::AccessTokenMisplaced,
                "send the access token once, in the header `Authorization`, and not in the query",
            ),
            DeniedKind::Token => Self::new(Reason::AccessTokenInvalid, "the access token is not valid for this call"),
            DeniedKind::Expired => Self::new(Reason::AccessTokenExpired, "the access token has expired: get a new one"),
            DeniedKind::NotYet => Self::new(Reason::AccessTokenNotYetValid, "the access token is not valid yet"),
            DeniedKind::Insufficient => {
                let message = match denied.scopes() {
                    [] => "the access token does not permit this call".to_owned(),
                    scopes => format!("this call needs an access token with the scopes: {}", scopes.join(" ")),
                };
                Self::new(Reason::AccessTokenInsufficient, message)
            }
            DeniedKind::Unavailable => {
                let message = "access tokens cannot be verified at the moment; nothing was sent";
                let refusal = Self::new(Reason::AccessTokenNotVerifiable, message);
                return Self { denied: Some(Arc::new(denied)), ..refusal.with_header(RETRY_AFTER, RETRY.to_string()) };
            }
        };
        let challenge = challenge(kind, denied.scopes(), realm, &refusal.message);
        let mut refusal = Self { denied: Some(Arc::new(denied)), ..refusal };
        refusal.headers.extend(challenge.map(|value| (WWW_AUTHENTICATE, value)));
        refusal
    }
}

/// RFC 6750, section 3: one challenge. It has an `error` unless the request had no credentials at all.
fn challenge(kind: DeniedKind, scopes: &[String], realm: &str, message: &str) -> Option<HeaderValue> {
    let error = match kind {
        DeniedKind::Missing | DeniedKind::Unavailable => None,
        DeniedKind::Request => Some("invalid_request"),
        DeniedKind::Token | DeniedKind::Expired | DeniedKind::NotYet => Some("invalid_token"),
        DeniedKind::Insufficient => Some("insufficient_scope"),
    };
    let mut challenge = format!("Bearer realm=\"{realm}\"");
    if let Some(error) = error {
        // A description may contain neither `"` nor `\`, and none of the messages does.
        challenge.push_str(&format!(", error=\"{error}\", error_description=\"{message}\""));
    }
    if !scopes.is_empty() {
        challenge.push_str(&format!(", scope=\"{}\"", scopes.join(" ")));
    }
    HeaderValue::try_from(challenge).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_says_what_an_honest_caller_needs_and_no_more() {
        let issuer = || Arc::from("bank");
        let invalid = "Bearer realm=\"api\", error=\"invalid_token\", \
                       error_description=\"the access token is not valid for this call\"";
        for (denied, status, expected) in [
            (Denied::NoCredentials, 401, "Bearer realm=\"api\""),
            (Denied::OtherScheme, 401, "Bearer realm=\"api\""),
            (Denied::NoToken, 401, invalid),
            (Denied::OtherCertificate(issuer()), 401, invalid),
            (Denied::Unbound(issuer()), 401, invalid),
            (
                Denied::Expired(issuer()),
                401,
                "Bearer realm=\"api\", error=\"invalid_token\", \
                 error_description=\"the access token has expired: get a new one\"",
            ),
            (
                Denied::TokenInQuery,
                400,
                "Bearer realm=\"api\", error=\"invalid_request\", error_description=\"send the access token once, in the header \
                 `Authorization`, and not in the query\"",
            ),
            (
                Denied::Scopes(vec!["accounts".to_owned(), "payments".to_owned()]),
                403,
                "Bearer realm=\"api\", error=\"insufficient_scope\", error_description=\"this call needs an access token with the \
                 scopes: accounts payments\", scope=\"accounts payments\"",
            ),
            (
                Denied::Claim("acr".to_owned()),
                403,
                "Bearer realm=\"api\", error=\"insufficient_scope\", error_description=\"the access token does not permit this \
                 call\"",
            ),
        ] {
            let refusal = Refusal::denied(denied.clone(), "api");
            assert_eq!(refusal.http_status().as_u16(), status, "{denied}");
            assert_eq!(refusal.headers.get(WWW_AUTHENTICATE).unwrap(), expected, "{denied}");
            assert_eq!(refusal.headers.len(), 1, "{denied}");
        }
    }
}
