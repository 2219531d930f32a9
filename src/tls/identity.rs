//! The identity of an end: its certificate chain and the private key that belongs to it.

use std::path::{Path, PathBuf};

use rustls::InconsistentKeys;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::provider::provider;
use super::{order, pem};
use crate::format::problem::Problem;
use crate::format::secret::Permissions;

/// The files of a certificate chain and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFiles {
    /// PEM file with the end's own certificate and those that lead to the root. They are presented in the order of the
    /// chain, whatever their order in the file.
    pub cert: PathBuf,
    /// PEM file with the private key: PKCS#8, SEC1 or PKCS#1.
    pub key: PathBuf,
    /// Who may read the file of the key.
    pub permissions: Permissions,
}

/// A certificate chain with its private key. It has no `Debug`, so that the key is never printed.
pub struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// The name for it in problems.
    pub(super) name: String,
}

impl Identity {
    /// Reads the two files.
    ///
    /// # Errors
    /// What is wrong with each file.
    pub fn load(files: &IdentityFiles) -> Result<Self, Vec<Problem>> {
        let chain = certificates(&files.cert);
        let key = pem::key(&files.key).map_err(|error| Problem::at(pem::place(&files.key), error));
        match (chain, key) {
            (Ok(chain), Ok(key)) => {
                let chain = order::in_order(chain, &key, &provider());
                check_pair(files, &chain, &key).map_err(|problem| vec![problem])?;
                Ok(Self { chain, key, name: files.cert.display().to_string() })
            }
            (chain, key) => Err(chain.err().into_iter().chain(key.err()).collect()),
        }
    }

    /// An identity made in memory; problems call it `name`.
    #[must_use]
    pub fn new(name: &str, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        Self { chain, key, name: name.to_owned() }
    }
}

pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    pem::certificates(file).map_err(|error| Problem::at(pem::place(file), error))
}

/// rustls checks this as well, but only after everything else is right, and it cannot name the files.
fn check_pair(files: &IdentityFiles, chain: &[CertificateDer<'static>], key: &PrivateKeyDer) -> Result<(), Problem> {
    let key = provider().key_provider.load_private_key(key.clone_key());
    let key = key.map_err(|_| {
        Problem::at(files.key.display(), "expected an RSA, ECDSA or Ed25519 private key, found one that cannot be read")
    })?;
    match CertifiedKey::new(chain.to_vec(), key).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let message = format!("the private key in {} does not match this certificate", files.key.display());
            Err(Problem::at(files.cert.display(), message))
        }
        Err(error) => Err(certificate_problem(&files.cert, &error)),
    }
}

pub(super) fn certificate_problem(file: &Path, error: &rustls::Error) -> Problem {
    match error {
        // rustls would call it a "peer certificate".
        rustls::Error::InvalidCertificate(reason) => {
            let message = format!("expected an X.509 certificate, found one that cannot be read ({reason})");
            Problem::at(file.display(), message)
        }
        error => Problem::at(file.display(), error),
    }
}

pub(super) fn identity_problem(name: &str, error: &rustls::Error) -> Problem {
    match error {
        rustls::Error::InconsistentKeys(_) => Problem::at(name, "the private key does not match this certificate"),
        error => Problem::at(name, error),
    }
}
