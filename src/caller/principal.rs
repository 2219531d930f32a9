//! Who a request belongs to. Idempotency keys and rate limits are kept apart by it.

use super::peer::{Certificate, Peer};
use super::token::{Json, Token};

/// The caller of a request, by the best proof that the request has. It stays the same across connections and new
/// tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal<'a> {
    /// The subject of a verified token.
    Subject(Subject<'a>),
    /// The SHA-256 of a verified client certificate.
    Certificate([u8; 32]),
    /// Nothing is proved. All such callers count as one.
    Anonymous,
}

/// The subject of a verified token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// `iss`
    pub issuer: &'a str,
    /// `sub`
    pub subject: &'a str,
    /// `client_id`, or `azp`: two clients may act for one subject.
    pub client: &'a str,
}

impl<'a> Principal<'a> {
    /// The principal of a request: of its verified token, otherwise of its client certificate.
    pub(super) fn of(token: Option<&'a Token>, peer: &Peer) -> Self {
        if let Some(subject) = token.and_then(Subject::of) {
            return Self::Subject(subject);
        }
        peer.certificate().map_or(Self::Anonymous, |certificate| Self::Certificate(Certificate::sha256(certificate)))
    }
}

impl<'a> Subject<'a> {
    /// `None` if a claim is missing. RFC 9068, section 2.2, requires all of these claims in an access token; other tokens
    /// may lack them.
    fn of(token: &'a Token) -> Option<Self> {
        let text = |name| token.claim(name).and_then(Json::text);
        let client = text("client_id").or_else(|| text("azp")).unwrap_or_default();
        Some(Self { issuer: text("iss")?, subject: text("sub")?, client })
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;

    use super::super::peer::{Protocol, Tls};
    use super::*;

    #[test]
    fn without_a_token_a_caller_is_identified_by_its_certificate_or_is_anonymous() {
        let tls = |certificate| Some(Tls { certificate, ..Tls::default() });
        let chain = [CertificateDer::from(vec![1, 2, 3])];
        let certificate = Certificate::of(&chain, |der| [u8::try_from(der.len()).unwrap(); 32]);
        for (tls, expected) in [
            (None, Principal::Anonymous),
            (tls(None), Principal::Anonymous),
            (tls(certificate), Principal::Certificate([3; 32])),
        ] {
            assert_eq!(Principal::of(None, &Peer::new(None, Protocol::Http1, tls)), expected);
        }
    }
}
