//! Requests whose callers may not make them: responses with 401 or 403, and the challenges of RFC 6750 and
//! RFC 9449.
//!
//! A caller with a genuine token learns what to do. For a forged token the response is always the same, whatever is
//! wrong with it; only the log has the reason.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use super::reason::Reason;
use super::refusal::Refusal;
use crate::caller::hop::HopError;
use crate::caller::{Challenge, Denied, DeniedKind};

/// `Retry-After` in seconds when the keys of an issuer are not available yet.
const RETRY: u64 = 1;

impl Refusal {
    /// The refusal of a request whose client certificate has to come from a trusted proxy, and does not.
    #[must_use]
    pub fn unproved(error: HopError) -> Self {
        Self::denied(Denied::Hop(error), &Challenge::bearer(""))
    }

    /// The refusal of a request that is not admitted. `challenge` says which credentials its rpc accepts.
    #[must_use]
    pub fn denied(denied: Denied, challenge: &Challenge<'_>) -> Self {
        let refusal = match denied.kind() {
            DeniedKind::Missing if challenge.bearer => Self::new(
                Reason::AccessTokenMissing,
                "this call needs an access token: send it as `Authorization: Bearer TOKEN`",
            ),
            DeniedKind::Missing => Self::new(
                Reason::AccessTokenMissing,
                "this call needs an access token: send it as `Authorization: DPoP TOKEN`, with a proof in the header `DPoP`",
            ),
            DeniedKind::Request => Self::new(
                Reason::AccessTokenMisplaced,
                "send the access token once, in the header `Authorization`, and not in the query",
            ),
            DeniedKind::Token => Self::new(Reason::AccessTokenInvalid, "the access token is not valid for this call"),
            DeniedKind::Expired => Self::new(Reason::AccessTokenExpired, "the access token has expired: get a new one"),
            DeniedKind::Nonce => Self::new(
                Reason::DpopNonceRequired,
                "the DPoP proof needs the nonce in the header `DPoP-Nonce`: make a new one with it",
            ),
            DeniedKind::Proof => Self::new(
                Reason::DpopProofInvalid,
                "the DPoP proof is missing or not valid for this request: make a new one for each request",
            ),
            DeniedKind::NotYet => Self::new(Reason::AccessTokenNotYetValid, "the access token is not valid yet"),
            DeniedKind::Insufficient => {
                let message = match denied.scopes() {
                    [] => "the access token does not permit this call".to_owned(),
                    scopes => format!("this call needs an access token with the scopes: {}", scopes.join(" ")),
                };
                Self::new(Reason::AccessTokenInsufficient, message)
            }
            DeniedKind::NotOfProxy => {
                Self::new(Reason::ProxyNotTrusted, "client certificates are accepted from the trusted proxy only")
            }
            DeniedKind::CertificateMissing => Self::new(
                Reason::ClientCertificateMissing,
                "this call needs a client certificate: connect with one to the proxy in front",
            ),
            DeniedKind::Certificate => {
                Self::new(Reason::ClientCertificateInvalid, "the client certificate is not valid for this API")
            }
            DeniedKind::Unavailable => {
                let message = "access tokens cannot be verified at the moment; nothing was sent";
                let refusal = Self::new(Reason::AccessTokenNotVerifiable, message);
                return Self { denied: Some(Arc::new(denied)), ..refusal.with_header(RETRY_AFTER, RETRY.to_string()) };
            }
        };
        // RFC 6750 and RFC 9449 have no challenge for a certificate.
        if let Denied::Hop(_) = denied {
            return Self { denied: Some(Arc::new(denied)), ..refusal };
        }
        let is_nonce = denied.kind() == DeniedKind::Nonce;
        let challenges = challenges(&denied, challenge, &refusal.message);
        let mut refusal = Self { denied: Some(Arc::new(denied)), ..refusal };
        for challenge in challenges {
            refusal.headers.append(WWW_AUTHENTICATE, challenge);
        }
        // RFC 9449, section 9.
        if let Some(nonce) = challenge.nonce.filter(|_| is_nonce)
            && let Ok(nonce) = HeaderValue::try_from(nonce.to_string())
        {
            refusal.headers.insert(HeaderName::from_static("dpop-nonce"), nonce);
        }
        refusal
    }
}

/// One challenge, of the scheme that the request used (RFC 6750, section 3; RFC 9449, section 7.1). A request without
/// credentials gets a challenge without `error` for each scheme that is accepted.
fn challenges(denied: &Denied, challenge: &Challenge<'_>, message: &str) -> Vec<HeaderValue> {
    let error = match denied.kind() {
        DeniedKind::Missing
        | DeniedKind::Unavailable
        | DeniedKind::NotOfProxy
        | DeniedKind::CertificateMissing
        | DeniedKind::Certificate => None,
        DeniedKind::Request => Some("invalid_request"),
        DeniedKind::Token | DeniedKind::Expired | DeniedKind::NotYet => Some("invalid_token"),
        DeniedKind::Nonce => Some("use_dpop_nonce"),
        DeniedKind::Proof => Some("invalid_dpop_proof"),
        DeniedKind::Insufficient => Some("insufficient_scope"),
    };
    // A description may contain neither `"` nor `\`, and none of the messages does.
    let error = error.map(|error| format!("error=\"{error}\", error_description=\"{message}\""));
    let scopes = Some(denied.scopes()).filter(|scopes| !scopes.is_empty());
    let scopes = scopes.map(|scopes| format!("scope=\"{}\"", scopes.join(" ")));
    let text = |scheme: &str, algorithms: Option<&str>| {
        let realm = format!("{scheme} realm=\"{}\"", challenge.realm);
        let algorithms = algorithms.map(|algorithms| format!("algs=\"{algorithms}\""));
        let parts: Vec<&str> = [Some(&realm), error.as_ref(), scopes.as_ref(), algorithms.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        HeaderValue::try_from(parts.join(", ")).ok()
    };
    let dpop = || challenge.algorithms.and_then(|algorithms| text("DPoP", Some(algorithms)));
    let is_dpop = challenge.is_dpop || !challenge.bearer || matches!(denied, Denied::BoundToKey(_));
    let both = match error {
        None => [text("Bearer", None).filter(|_| challenge.bearer), dpop()],
        Some(_) if is_dpop && challenge.algorithms.is_some() => [None, dpop()],
        Some(_) => [text("Bearer", None), None],
    };
    both.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::dpop::ProofError;

    #[test]
    fn a_challenge_reveals_only_what_a_legitimate_caller_needs() {
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
            let refusal = Refusal::denied(denied.clone(), &Challenge::bearer("api"));
            assert_eq!(refusal.http_status().as_u16(), status, "{denied}");
            assert_eq!(refusal.headers.get(WWW_AUTHENTICATE).unwrap(), expected, "{denied}");
            assert_eq!(refusal.headers.len(), 1, "{denied}");
        }
    }

    #[test]
    fn a_caller_without_a_usable_client_certificate_is_told_where_to_send_it() {
        for (denied, status, message) in [
            (
                Denied::Hop(HopError::Missing),
                403,
                "this call needs a client certificate: connect with one to the proxy in front",
            ),
            (Denied::Hop(HopError::Several), 403, "the client certificate is not valid for this API"),
            (Denied::Hop(HopError::NotTrusted), 403, "client certificates are accepted from the trusted proxy only"),
            (Denied::NoIssuers, 503, "access tokens cannot be verified at the moment; nothing was sent"),
        ] {
            let refusal = Refusal::denied(denied.clone(), &Challenge::bearer("api"));
            assert_eq!((refusal.http_status().as_u16(), refusal.message.as_str()), (status, message), "{denied}");
        }
    }

    #[test]
    fn with_dpop_the_challenge_names_the_scheme_in_use() {
        let issuer = || Arc::from("bank");
        let both =
            Challenge { realm: "api", algorithms: Some("ES256 PS256"), nonce: None, bearer: true, is_dpop: false };
        let key_only = Challenge { bearer: false, ..both };
        let invalid_token =
            "error=\"invalid_token\", error_description=\"the access token is not valid for this call\"";
        let invalid_proof = "error=\"invalid_dpop_proof\", error_description=\"the DPoP proof is missing or not valid for \
                             this request: make a new one for each request\"";
        let dpop = |error: &str| format!("DPoP realm=\"api\", {error}, algs=\"ES256 PS256\"");
        let proof = Denied::Proof(issuer(), ProofError::Replayed);
        let expected_bearer = format!("Bearer realm=\"api\", {invalid_token}");
        for (denied, challenge, expected) in [
            (
                Denied::NoCredentials,
                both,
                vec!["Bearer realm=\"api\"".to_owned(), "DPoP realm=\"api\", algs=\"ES256 PS256\"".to_owned()],
            ),
            (Denied::NoCredentials, key_only, vec!["DPoP realm=\"api\", algs=\"ES256 PS256\"".to_owned()]),
            (Denied::NoToken, both, vec![expected_bearer]),
            (Denied::NoToken, Challenge { is_dpop: true, ..both }, vec![dpop(invalid_token)]),
            (Denied::BoundToKey(issuer()), both, vec![dpop(invalid_token)]),
            (Denied::Unbound(issuer()), key_only, vec![dpop(invalid_token)]),
            (proof.clone(), Challenge { is_dpop: true, ..both }, vec![dpop(invalid_proof)]),
            (proof, Challenge { is_dpop: true, ..key_only }, vec![dpop(invalid_proof)]),
        ] {
            let refusal = Refusal::denied(denied.clone(), &challenge);
            let found = refusal.headers.get_all(WWW_AUTHENTICATE);
            let found: Vec<_> = found.iter().map(|value| value.to_str().unwrap()).collect();
            assert_eq!(found, expected, "{denied}");
            assert_eq!(refusal.http_status().as_u16(), 401, "{denied}");
        }
    }
}
