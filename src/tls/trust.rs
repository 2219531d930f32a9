//! Authorities, and nobody else.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::identity::{certificate_problem, certificates};
use crate::format::problem::Problem;

/// Whom an end trusts.
#[derive(Debug, Clone)]
pub struct Trust(pub(super) RootCertStore);

impl Trust {
    /// The certificates of a PEM bundle, and nobody else.
    ///
    /// # Errors
    /// The bundle cannot be read or is empty.
    pub fn load(bundle: &Path) -> Result<Self, Vec<Problem>> {
        let certificates = certificates(bundle).map_err(|problem| vec![problem])?;
        Self::new(certificates).map_err(|error| vec![certificate_problem(bundle, &error)])
    }

    /// These certificates, and nobody else.
    ///
    /// # Errors
    /// One of them is no X.509 certificate.
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        certificates.into_iter().try_for_each(|certificate| roots.add(certificate))?;
        Ok(Self(roots))
    }

    /// The authorities that the operating system trusts.
    ///
    /// # Errors
    /// There are none.
    pub fn system() -> Result<Self, Vec<Problem>> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let message = "the operating system has no trusted certificate authorities; set upstream.tls.ca";
            return Err(vec![Problem::new(message)]);
        }
        Ok(Self(roots))
    }
}
