//! The certificate chain that a peer presents, checked against bounds before any signature is verified.
//!
//! To find a path from a certificate to a trust anchor, a verifier tries every certificate whose subject is the issuer
//! that it looks for. A peer that presents many certificates with the same subject can cause up to 100 signature
//! verifications before it is identified.

use std::time::Duration;

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::pin::{PUBLISHED_KEY, Pin, sha256};
use super::reason::other;

/// The most certificates that a peer may present, including its own.
pub const MOST_CERTIFICATES: usize = 8;
/// The most certificates with the same subject, besides the peer's own. Two are needed if an authority changes its key,
/// or if two others have certified it.
pub const MOST_OF_ONE_SUBJECT: usize = 2;
/// The longest certificate, in bytes of DER.
pub const LONGEST_CERTIFICATE: usize = 16 << 10;

/// The certificate of a peer, presented with a chain that is within the bounds.
pub(super) struct Presented<'a> {
    der: &'a [u8],
    parsed: X509Certificate<'a>,
}

impl<'a> Presented<'a> {
    /// Checks the chain against the bounds.
    ///
    /// # Errors
    /// The bound that is exceeded, or a certificate that cannot be parsed.
    pub(super) fn within_bounds(
        certificate: &'a CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<Self, rustls::Error> {
        let count = 1 + intermediates.len();
        if count > MOST_CERTIFICATES {
            let message = format!("the peer shows {count} certificates; at most {MOST_CERTIFICATES} are accepted");
            return Err(other(message));
        }
        let mut all = std::iter::once(certificate).chain(intermediates);
        if let Some(length) = all.find_map(|one| Some(one.len()).filter(|length| *length > LONGEST_CERTIFICATE)) {
            let message = format!(
                "the peer shows a certificate of {length} bytes; at most {LONGEST_CERTIFICATE} bytes are accepted"
            );
            return Err(other(message));
        }
        let parsed = parse(certificate)?;
        let others: Vec<X509Certificate<'_>> = intermediates.iter().map(|one| parse(one)).collect::<Result<_, _>>()?;
        let of_one_subject = |one: &X509Certificate<'_>| {
            others.iter().filter(|of_other| of_other.subject().as_raw() == one.subject().as_raw()).count()
        };
        if others.iter().any(|one| of_one_subject(one) > MOST_OF_ONE_SUBJECT) {
            let message = format!(
                "the peer shows more than {MOST_OF_ONE_SUBJECT} certificates of authorities with the same subject"
            );
            return Err(other(message));
        }
        Ok(Self { der: certificate, parsed })
    }

    /// Whether the certificate or its key matches one of these pins.
    pub(super) fn fits_one(&self, pins: &[Pin]) -> bool {
        pins.iter().any(|pin| pin.fits(self.der, self.parsed.tbs_certificate.subject_pki.raw))
    }

    /// Checks that the certificate is valid now. Pinned certificates must be valid too.
    pub(super) fn verify_dates(&self, now: UnixTime) -> Result<(), rustls::Error> {
        let validity = self.parsed.validity();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now < validity.not_before.timestamp() {
            return Err(CertificateError::NotValidYet.into());
        }
        if now > validity.not_after.timestamp() {
            return Err(CertificateError::Expired.into());
        }
        Ok(())
    }

    /// Rejects a certificate with the published key, because anybody may have its private key.
    pub(super) fn refuse_published(&self) -> Result<(), rustls::Error> {
        if sha256(self.parsed.tbs_certificate.subject_pki.raw) == PUBLISHED_KEY {
            return Err(other("the private key of this certificate is published with the sample bank".to_owned()));
        }
        Ok(())
    }

    /// What standard verifiers reject in a server's certificate.
    pub(super) fn peculiarities(&self) -> Option<String> {
        let found = [
            (self.parsed.subject() == self.parsed.issuer(), "is self-signed"),
            (self.parsed.is_ca(), "is marked as an authority's (CA:TRUE)"),
            (!matches!(self.parsed.subject_alternative_name(), Ok(Some(_))), "has no host name (no subjectAltName)"),
        ];
        let found: Vec<&str> = found.into_iter().filter_map(|(is_so, text)| is_so.then_some(text)).collect();
        (!found.is_empty()).then(|| found.join(", "))
    }
}

/// The first moment after `now` at which one of these certificates expires.
pub(super) fn next_end(chain: &[CertificateDer<'_>], now: UnixTime) -> Option<UnixTime> {
    let end = |one: &CertificateDer<'_>| {
        // RFC 5280, section 4.1.2.5: a certificate is still valid at the second of notAfter.
        let last = u64::try_from(parse(one).ok()?.validity().not_after.timestamp()).ok()?;
        Some(last.saturating_add(1)).filter(|end| *end > now.as_secs())
    };
    let end = chain.iter().filter_map(end).min()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(end)))
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, rustls::Error> {
    let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| CertificateError::BadEncoding)?;
    if rest.is_empty() { Ok(parsed) } else { Err(CertificateError::BadEncoding.into()) }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;
    use crate::tls::reason::explain;

    fn issued(subject: &str, names: usize) -> CertificateDer<'static> {
        let names: Vec<String> = (0..names).map(|number| format!("name-{number:06}.example.com")).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, subject);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_chain_beyond_a_limit_is_refused_and_the_error_names_the_limit() {
        let others = |subjects: &[&str]| subjects.iter().map(|subject| issued(subject, 0)).collect::<Vec<_>>();
        let (own, long) = (issued("own", 0), issued("long", 700));
        let subject = "the peer shows more than 2 certificates of authorities with the same subject";
        let length = format!("the peer shows a certificate of {} bytes; at most 16384 bytes are accepted", long.len());
        let garbage = CertificateDer::from(vec![0x30, 3, 2, 1, 5]);
        let behind = CertificateDer::from([own.as_ref(), &[0]].concat());
        let unreadable = "invalid peer certificate: BadEncoding";
        for (case, own, others, expected) in [
            ("alone", &own, others(&[]), None),
            ("eight", &own, others(&["a", "a", "b", "b", "c", "c", "own"]), None),
            (
                "nine",
                &own,
                others(&["a", "b", "c", "d", "e", "f", "g", "h"]),
                Some("the peer shows 9 certificates; at most 8 are accepted"),
            ),
            ("three of one subject", &own, others(&["a", "b", "a", "a"]), Some(subject)),
            ("a long one", &long, others(&[]), Some(&*length)),
            ("a long one behind", &own, vec![long.clone()], Some(&*length)),
            ("no certificate", &garbage, others(&[]), Some(unreadable)),
            ("no certificate behind", &own, vec![garbage.clone()], Some(unreadable)),
            ("more than a certificate", &behind, others(&[]), Some(unreadable)),
        ] {
            let refused = Presented::within_bounds(own, &others).err().map(|error| explain(&error));
            assert_eq!(refused.as_deref(), expected, "{case}");
        }
    }
}
