//! Verifies callers by their certificates: by an authority, or by pins.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DistinguishedName};

use super::pin::Pin;
use super::presented::Presented;
use super::provider::provider;
use super::signatures::{Signatures, verify_signatures};
use super::trust::Trust;
use crate::format::problem::Problem;

/// Which callers are accepted.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    /// Whether callers without a certificate are accepted too. A certificate that is presented must be right in any
    /// case.
    pub optional: bool,
    /// The authorities that issue the certificates of callers.
    pub trust: Option<Trust>,
    /// Callers that are known by their certificates, whoever issued them.
    pub pinned: Vec<PinnedClient>,
}

/// A caller that is known by its certificates. There may be two, so that a certificate can be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedClient {
    /// The name that the operator has given to the caller.
    pub name: String,
    /// The pins of its certificates; one of them must match.
    pub pins: Vec<Pin>,
}

#[derive(Debug)]
struct ClientVerifier {
    optional: bool,
    standard: Option<Arc<dyn ClientCertVerifier>>,
    pinned: Vec<PinnedClient>,
    signatures: Signatures,
}

impl Clients {
    pub(super) fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, Problem> {
        let standard = match &self.trust {
            None => None,
            Some(Trust(roots)) => {
                let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider());
                Some(builder.build().map_err(Problem::new)?)
            }
        };
        let (optional, pinned) = (self.optional, self.pinned.clone());
        Ok(Arc::new(ClientVerifier { optional, standard, pinned, signatures: Signatures::new() }))
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        !self.optional
    }

    /// With pinned callers, no names of authorities are sent: a client would choose its certificate by them, and a
    /// pinned certificate may have another issuer.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match &self.standard {
            Some(standard) if self.pinned.is_empty() => standard.root_hint_subjects(),
            _ => &[],
        }
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let presented = Presented::within_bounds(certificate, intermediates)?;
        presented.refuse_published()?;
        for client in &self.pinned {
            if presented.fits_one(&client.pins) {
                presented.verify_dates(now)?;
                tracing::debug!(client = client.name, "a client presents a pinned certificate");
                return Ok(ClientCertVerified::assertion());
            }
        }
        match &self.standard {
            Some(standard) => standard.verify_client_cert(certificate, intermediates, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    verify_signatures!();
}
