//! Trust anchors.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::identity::{certificate_problem, certificates};
use crate::format::problem::Problem;

/// The certificate authorities that an end trusts.
#[derive(Debug, Clone)]
pub struct Trust(pub(super) RootCertStore);

impl Trust {
    /// Trusts the certificates of a PEM bundle, and no others.
    ///
    /// # Errors
    /// The bundle cannot be read or is empty.
    pub fn load(bundle: &Path) -> Result<Self, Vec<Problem>> {
        let certificates = certificates(bundle).map_err(|problem| vec![problem])?;
        Self::new(certificates).map_err(|error| vec![certificate_problem(bundle, &error)])
    }

    /// Trusts these certificates, and no others.
    ///
    /// # Errors
    /// One of them is not an X.509 certificate.
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        certificates.into_iter().try_for_each(|certificate| roots.add(certificate))?;
        Ok(Self(roots))
    }

    /// Trusts the authorities that the operating system trusts.
    ///
    /// # Errors
    /// The operating system has none.
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
