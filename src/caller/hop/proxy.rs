//! Decides whose client certificate a request has, on a listener behind a proxy.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName};
use rustls::pki_types::CertificateDer;

use super::error::HopError;
use super::format::Format;
use crate::caller::clock::now;
use crate::caller::forwarded::Network;
use crate::caller::peer::{Certificate, Peer};
use crate::caller::token::{Seen, TokenHash, sha256};

/// The most bytes of certificates that are remembered.
const REMEMBERED: usize = 4 << 20;

/// Which proxy is trusted, and how it passes certificates on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The header with the certificate. No other header is read.
    pub header: HeaderName,
    pub format: Format,
    /// The addresses of the proxy. Empty if the proxy is known by its own certificate: then it is every peer with one.
    pub from: Vec<Network>,
    /// Whether requests without a certificate are accepted.
    pub optional: bool,
}

/// Checks a chain, its own certificate first, at a time in seconds since 1970. Gives the second in which it ends to be
/// valid, or why it is not accepted.
pub type CheckChain = Box<dyn Fn(&[CertificateDer<'static>], u64) -> Result<u64, String> + Send + Sync>;

/// The proxy in front of a listener.
pub struct Hop {
    rules: Rules,
    check: CheckChain,
    /// The accepted certificates, by the text of their headers.
    seen: Seen<Accepted>,
}

struct Accepted {
    certificate: Arc<Certificate>,
    /// In seconds since 1970.
    until: u64,
}

impl Hop {
    /// The proxy with these rules, whose clients' certificates have to pass `check`.
    #[must_use]
    pub fn new(rules: Rules, check: CheckChain) -> Self {
        Self { rules, check, seen: Seen::with_capacity(REMEMBERED) }
    }

    /// The peer of a request on this connection: with the certificate that the proxy passes on, and never with that of
    /// the proxy itself.
    ///
    /// # Errors
    /// The header is not the proxy's, or has no certificate that is accepted.
    pub fn peer(&self, connection: &Peer, headers: &HeaderMap) -> Result<Peer, HopError> {
        let Rules { header, optional, .. } = &self.rules;
        let mut values = headers.get_all(header).iter();
        let value = values.next();
        if !self.is_of_proxy(connection) && (value.is_some() || !optional) {
            return Err(HopError::NotTrusted);
        }
        if values.next().is_some() {
            return Err(HopError::Several);
        }
        let certificate = match value {
            Some(value) => self.accepted(value.as_bytes(), now())?,
            None => None,
        };
        if certificate.is_none() && !optional {
            return Err(HopError::Missing);
        }
        Ok(connection.behind_proxy(certificate))
    }

    fn is_of_proxy(&self, connection: &Peer) -> bool {
        match self.rules.from.as_slice() {
            [] => connection.certificate().is_some(),
            from => connection.ip().is_some_and(|ip| from.iter().any(|network| network.contains(ip))),
        }
    }

    fn accepted(&self, value: &[u8], now: u64) -> Result<Option<Arc<Certificate>>, HopError> {
        let hash = TokenHash::of(value);
        match self.seen.find(hash) {
            Some(accepted) if now < accepted.until => return Ok(Some(accepted.certificate.clone())),
            Some(_) => self.seen.forget(hash),
            None => {}
        }
        let chain = self.rules.format.read(value).map_err(|_| HopError::Unreadable)?;
        let Some(chain) = chain else { return Ok(None) };
        let until = (self.check)(&chain, now).map_err(HopError::NotAccepted)?;
        let certificate = Certificate::of(&chain, |der| sha256(&[der])).ok_or(HopError::Unreadable)?;
        let accepted = Arc::new(Accepted { certificate: Arc::new(certificate), until });
        self.seen.keep(hash, value.len(), accepted.clone());
        Ok(Some(accepted.certificate.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::HeaderValue;

    use super::*;
    use crate::caller::peer::{Protocol, Tls};

    /// A proxy at 10.0.0.1, or with a certificate if `from` is empty. Certificates are accepted until the second 100.
    fn hop(from: &[&str], optional: bool, checks: &Arc<AtomicUsize>) -> Hop {
        let from = from.iter().map(|network| network.parse().unwrap()).collect();
        let rules = Rules { header: HeaderName::from_static("client-cert"), format: Format::Rfc9440, from, optional };
        let checks = checks.clone();
        let check = move |chain: &[CertificateDer<'static>], now| {
            checks.fetch_add(1, Ordering::Relaxed);
            if chain[0].as_ref() == [0] { Err("it is null".to_owned()) } else { Ok(now + 100) }
        };
        Hop::new(rules, Box::new(check))
    }

    fn peer(address: &str, own: Option<u8>) -> Peer {
        let certificate = own.and_then(|byte| Certificate::of(&[CertificateDer::from(vec![byte])], |_| [byte; 32]));
        let address = format!("{address}:4711").parse().unwrap();
        Peer::new(Some(address), Protocol::Http1, Some(Tls { certificate, ..Tls::default() }))
    }

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (HeaderName::from_static("client-cert"), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_the_proxy_is_believed_and_a_faulty_certificate_is_never_an_anonymous_caller() {
        let (proxy, other) = (peer("10.0.0.1", None), peer("10.0.0.2", Some(7)));
        let refused = HopError::NotAccepted("it is null".to_owned());
        for (connection, values, required, optional) in [
            (&proxy, &[":AQ==:"][..], Ok(Some(vec![1])), Ok(Some(vec![1]))),
            (&proxy, &[], Err(HopError::Missing), Ok(None)),
            (&proxy, &[""], Err(HopError::Missing), Ok(None)),
            (&proxy, &["::"], Err(HopError::Missing), Ok(None)),
            (&proxy, &["(null)"], Err(HopError::Missing), Ok(None)),
            (&proxy, &["AQ==:"], Err(HopError::Unreadable), Err(HopError::Unreadable)),
            (&proxy, &[":AA==:"], Err(refused.clone()), Err(refused)),
            (&proxy, &[":AQ==:", ":AQ==:"], Err(HopError::Several), Err(HopError::Several)),
            (&proxy, &["", ""], Err(HopError::Several), Err(HopError::Several)),
            // The certificate of the connection itself is that of a proxy, and nobody's identity.
            (&other, &[":AQ==:"], Err(HopError::NotTrusted), Err(HopError::NotTrusted)),
            (&other, &[""], Err(HopError::NotTrusted), Err(HopError::NotTrusted)),
            (&other, &[], Err(HopError::NotTrusted), Ok(None)),
        ] {
            for (is_optional, expected) in [(false, required), (true, optional)] {
                let hop = hop(&["10.0.0.1"], is_optional, &Arc::default());
                let made = hop.peer(connection, &headers(values));
                let shown = made.map(|peer| peer.certificate().map(|certificate| certificate.der().to_vec()));
                assert_eq!(shown, expected, "{values:?} {is_optional}");
            }
        }
    }

    #[test]
    fn a_proxy_without_addresses_is_known_by_its_certificate() {
        let hop = hop(&[], false, &Arc::default());
        let told =
            |connection: &Peer| hop.peer(connection, &headers(&[":AQ==:"])).map(|peer| peer.certificate().is_some());
        assert_eq!(told(&peer("10.0.0.1", Some(7))), Ok(true));
        assert_eq!(told(&peer("10.0.0.1", None)), Err(HopError::NotTrusted));
        assert_eq!(told(&Peer::default()), Err(HopError::NotTrusted));
    }

    #[test]
    fn an_accepted_certificate_is_checked_again_when_it_ends() {
        let checks = Arc::<AtomicUsize>::default();
        let hop = hop(&["10.0.0.1"], false, &checks);
        for (now, expected) in [(0, 1), (99, 1), (100, 2), (199, 2), (200, 3)] {
            assert!(hop.accepted(b":AQ==:", now).unwrap().is_some());
            assert_eq!(checks.load(Ordering::Relaxed), expected, "{now}");
        }
        // What is not accepted is not remembered.
        for expected in [4, 5] {
            assert!(hop.accepted(b":AA==:", 0).is_err());
            assert_eq!(checks.load(Ordering::Relaxed), expected);
        }
    }
}
