//! Certificates, keys and trust bundles: PEM in, rustls configurations out.
//!
//! One crypto provider, aws-lc-rs; TLS 1.2 and 1.3. What is wrong with a file is a [`Problem`] that names it and quotes nothing. Knows
//! neither sockets nor which end it serves.

pub mod certs;
mod clients;
mod look;
mod order;
pub mod pem;
mod pin;
mod presented;
mod server;
mod sessions;
mod witness;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, InconsistentKeys, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::format::problem::Problem;
use crate::format::secret::Permissions;

pub use clients::{Client, Clients};
pub use look::{Look, Seen};
use pin::{Check, Verifier};
pub use pin::{PUBLISHED_KEY, Pin, PinError, explain, sha256};
pub use presented::{LONGEST_CERTIFICATE, MOST_CERTIFICATES, MOST_OF_ONE_SUBJECT};
pub use server::{Handshake, Server};
pub use witness::RefusedCertificate;

/// Where an end's certificate chain and private key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFiles {
    /// PEM: the end's own certificate and what leads to the root. They are shown in their order, whatever the file's.
    pub cert: PathBuf,
    /// PEM: PKCS#8, SEC1 or PKCS#1.
    pub key: PathBuf,
    /// Who may read the key's file.
    pub permissions: Permissions,
}

/// A certificate chain with its private key. Has no `Debug`: a key is not printed.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// What it is called in problems.
    name: String,
}

/// Whom an end trusts.
#[derive(Debug, Clone)]
pub struct Trust(RootCertStore);

const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

impl Identity {
    /// Reads the two files.
    ///
    /// # Errors
    /// What is wrong with each of them.
    pub fn load(files: &IdentityFiles) -> Result<Self, Vec<Problem>> {
        let chain = certificates(&files.cert);
        let key = pem::key(&files.key).map_err(|refusal| Problem::at(pem::place(&files.key), refusal));
        match (chain, key) {
            (Ok(chain), Ok(key)) => {
                let chain = order::in_order(chain, &key, &provider());
                check_pair(files, &chain, &key).map_err(|problem| vec![problem])?;
                Ok(Self { chain, key, name: files.cert.display().to_string() })
            }
            (chain, key) => Err(chain.err().into_iter().chain(key.err()).collect()),
        }
    }

    /// An identity made in memory; `name` stands for it in problems.
    #[must_use]
    pub fn new(name: &str, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        Self { chain, key, name: name.to_owned() }
    }
}

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
            let message = "the operating system trusts no certificate authority: name a bundle in upstream.tls.ca";
            return Err(vec![Problem::new(message)]);
        }
        Ok(Self(roots))
    }
}

/// The configuration of a server. With `clients`, it asks for a certificate and refuses who has none that they trust, and resumes
/// no session.
///
/// # Errors
/// Certificate and key do not fit, or `clients` is no trust at all.
pub fn server(identity: Identity, clients: Option<&Trust>, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, Problem> {
    let clients = clients.map(|trust| Clients { trust: Some(trust.clone()), ..Clients::default() });
    Server::new(identity, clients.as_ref(), alpn).map(|server| server.config())
}

/// What a server's configuration is made of, as one SHA-256: two that have the same do the same.
#[must_use]
pub fn fingerprint(identity: &Identity, clients: Option<&Clients>) -> [u8; 32] {
    let mut parts: Vec<Vec<u8>> = identity.chain.iter().map(|certificate| certificate.to_vec()).collect();
    parts.push(identity.key.secret_der().to_vec());
    if let Some(Clients { optional, trust, pinned }) = clients {
        parts.push(format!("{optional} {pinned:?}").into_bytes());
        for root in trust.iter().flat_map(|Trust(roots)| &roots.roots) {
            let constraints = root.name_constraints.as_ref().map(|constraints| constraints.to_vec());
            parts.extend([
                root.subject.to_vec(),
                root.subject_public_key_info.to_vec(),
                constraints.unwrap_or_default(),
            ]);
        }
    }
    let lengths = parts.iter().flat_map(|part| part.len().to_be_bytes());
    sha256(&lengths.chain(parts.concat()).collect::<Vec<u8>>())
}

/// Which servers a client takes.
#[derive(Debug, Clone)]
pub enum Servers {
    /// Those whose certificate one of these authorities has issued, for the name that is called.
    Trusted(Trust),
    /// Those whose certificate fits one of these pins, whoever has issued it and whatever it names.
    Pinned(Vec<Pin>),
}

/// The configuration of a client that takes `servers` and shows `identity` if it has one.
///
/// # Errors
/// Certificate and key do not fit, or there is no trust at all.
pub fn client(identity: Option<Identity>, servers: &Servers, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, Problem> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS);
    let builder = builder.map_err(Problem::new)?.dangerous().with_custom_certificate_verifier(verifier(servers)?);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { chain, key, name }) => {
            builder.with_client_auth_cert(chain, key).map_err(|error| identity_problem(&name, &error))?
        }
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

fn verifier(servers: &Servers) -> Result<Arc<dyn ServerCertVerifier>, Problem> {
    let certificate = match servers {
        Servers::Trusted(Trust(roots)) => {
            let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots.clone()), provider());
            Check::Standard(builder.build().map_err(Problem::new)?)
        }
        Servers::Pinned(pins) => Check::Pinned(pins.clone()),
    };
    Ok(Arc::new(Verifier { certificate, provider: provider() }))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    pem::certificates(file).map_err(|refusal| Problem::at(pem::place(file), refusal))
}

/// rustls checks this too, but only once everything else of an end is right, and it knows no files.
fn check_pair(files: &IdentityFiles, chain: &[CertificateDer<'static>], key: &PrivateKeyDer) -> Result<(), Problem> {
    let key = provider().key_provider.load_private_key(key.clone_key());
    let key = key.map_err(|_| {
        Problem::at(files.key.display(), "expected an RSA, ECDSA or Ed25519 private key, found one that cannot be read")
    })?;
    match CertifiedKey::new(chain.to_vec(), key).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let message = format!("the private key in {} is not the one of this certificate", files.key.display());
            Err(Problem::at(files.cert.display(), message))
        }
        Err(error) => Err(certificate_problem(&files.cert, &error)),
    }
}

fn certificate_problem(file: &Path, error: &rustls::Error) -> Problem {
    match error {
        // In rustls' words it would be a "peer certificate".
        rustls::Error::InvalidCertificate(reason) => {
            let message = format!("expected an X.509 certificate, found one that cannot be read ({reason})");
            Problem::at(file.display(), message)
        }
        error => Problem::at(file.display(), error),
    }
}

fn identity_problem(name: &str, error: &rustls::Error) -> Problem {
    match error {
        rustls::Error::InconsistentKeys(_) => Problem::at(name, "the private key is not the one of this certificate"),
        error => Problem::at(name, error),
    }
}
