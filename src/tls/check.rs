//! Checks client certificates that did not come in a handshake, by the rules of one.

use std::sync::Arc;
use std::time::Duration;

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;

use super::clients::Clients;
use super::presented::{Presented, next_end};
use super::reason::explain;
use crate::format::problem::Problem;

/// Checks the certificates of clients. That a client has the key of its certificate is proved elsewhere.
pub struct ClientCheck {
    /// `None` if every certificate is accepted while it is valid.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

impl ClientCheck {
    /// Accepts the certificates that `clients` accept. If these have neither authorities nor pins, accepts every
    /// certificate while it is valid, whoever issued it.
    ///
    /// # Errors
    /// The authorities are empty.
    pub fn new(clients: &Clients) -> Result<Self, Problem> {
        let is_open = clients.trust.is_none() && clients.pinned.is_empty();
        let verifier = if is_open { None } else { Some(clients.verifier()?) };
        Ok(Self { verifier })
    }

    /// Checks a chain, its own certificate first, at a time in seconds since 1970. Gives the first second in which one
    /// of its certificates is not valid any more.
    ///
    /// # Errors
    /// Why the chain is not accepted.
    pub fn check(&self, chain: &[CertificateDer<'_>], now: u64) -> Result<u64, String> {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        self.checked(chain, now).map_err(|error| explain(&error))?;
        Ok(next_end(chain, now).map_or(0, |end| end.as_secs()))
    }

    fn checked(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), rustls::Error> {
        let (own, others) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        let Some(verifier) = &self.verifier else {
            let presented = Presented::within_bounds(own, others)?;
            presented.refuse_published()?;
            return presented.verify_dates(now);
        };
        verifier.verify_client_cert(own, others, now)?;
        if next_end(chain, now).is_none() { Err(CertificateError::Expired.into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

    use super::*;
    use crate::tls::clients::PinnedClient;
    use crate::tls::pin::Pin;
    use crate::tls::trust::Trust;

    /// The seconds at which the certificates begin and end to be valid: 2020 and 2030.
    const FROM: u64 = 1_577_836_800;
    const TO: u64 = 1_893_456_000;

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2030, 1, 1));
        params
    }

    #[test]
    fn a_certificate_without_a_handshake_is_checked_by_authority_pin_and_date() {
        let mut ca = params("authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
        let issued = params("issued").signed_by(&KeyPair::generate().unwrap(), &ca).unwrap().der().clone();
        let own = params("own").self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
        let trust = Trust::new(vec![ca.der().clone()]).unwrap();
        let pinned = PinnedClient { name: "own".to_owned(), pins: vec![Pin::certificate(&own)] };
        let open = Clients::default();
        let by_authority = Clients { trust: Some(trust), ..Clients::default() };
        let by_pin = Clients { pinned: vec![pinned], ..Clients::default() };
        let unknown = Err("invalid peer certificate: UnknownIssuer".to_owned());
        for (clients, of_issued, of_own) in
            [(open, Ok(TO + 1), Ok(TO + 1)), (by_authority, Ok(TO + 1), unknown.clone()), (by_pin, unknown, Ok(TO + 1))]
        {
            let check = ClientCheck::new(&clients).unwrap();
            for (chain, expected) in [(&issued, of_issued), (&own, of_own)] {
                assert_eq!(check.check(std::slice::from_ref(chain), FROM), expected, "{clients:?}");
                for now in [FROM - 1, TO + 1] {
                    assert!(check.check(std::slice::from_ref(chain), now).is_err(), "{clients:?} {now}");
                }
            }
            for garbage in [vec![0x30, 3, 2, 1, 5], [&*issued, &[0]].concat(), Vec::new()] {
                assert!(check.check(&[CertificateDer::from(garbage)], FROM).is_err());
            }
            assert!(check.check(&[], FROM).is_err());
        }
    }
}
