//! Callers and their certificates: by an authority, or each known by pins of its own.

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

/// Which callers come in.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    /// A caller without a certificate comes in too. One that has one needs the right one anyway.
    pub optional: bool,
    /// Who issues their certificates.
    pub trust: Option<Trust>,
    /// Those who are known by their certificates, whoever issued them.
    pub pinned: Vec<PinnedClient>,
}

/// A caller who is known by its certificates: two, while one takes the other's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedClient {
    /// What the operator calls it.
    pub name: String,
    /// Any of them.
    pub pins: Vec<Pin>,
}

/// Verifies callers.
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

    /// Names of authorities make callers choose among their certificates, and whose is pinned may have none of theirs.
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
                tracing::debug!(client = client.name, "a caller shows a pinned certificate");
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
