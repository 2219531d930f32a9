//! A handshake for inspection only: what a server offers and presents, whom it asks for a certificate, and whether it
//! would be trusted.
//!
//! Takes bytes and gives bytes; the result is [`Seen`]. The handshake continues where a connection would stop, so that
//! everything about an untrusted server can be reported. Therefore no certificate of the gateway is presented, and
//! nothing can be sent over the connection.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, SignatureScheme};
use x509_parser::prelude::{FromDer as _, X509Name};

use super::client::{Servers, verifier};
use super::provider::{VERSIONS, provider};
use super::signatures::{Signatures, verify_signatures};
use crate::format::problem::Problem;

/// A handshake for inspection, after which no data is sent.
pub struct Look {
    connection: ClientConnection,
    notes: Arc<Notes>,
}

/// What was seen of the server, as far as the handshake has come.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The protocol version, such as `TLSv1.3`.
    pub version: Option<String>,
    /// The cipher suite, such as `TLS13_AES_256_GCM_SHA384`.
    pub suite: Option<String>,
    /// The ALPN protocol that the server chose.
    pub alpn: Option<Vec<u8>>,
    /// The certificates that the server presented, in DER; its own comes first.
    pub chain: Vec<Vec<u8>>,
    /// Whether a connection would trust the server, or why not.
    pub verdict: Option<Result<(), rustls::Error>>,
    /// Set if the server asks for a certificate: the authorities that it names, possibly none.
    pub asked: Option<Vec<String>>,
}

/// What the callbacks of rustls have seen so far.
#[derive(Debug, Default)]
struct Notes(Mutex<Seen>);

impl Notes {
    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Look {
    /// Begins a handshake with the server of this name, and judges it by `servers`.
    ///
    /// # Errors
    /// There is nothing to trust.
    pub fn new(name: ServerName<'static>, servers: &Servers, alpn: &[&[u8]]) -> Result<Self, Problem> {
        let notes = Arc::new(Notes::default());
        let judge = Looking { judge: verifier(servers)?, signatures: Signatures::new(), notes: notes.clone() };
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS);
        let builder = builder.map_err(Problem::new)?.dangerous().with_custom_certificate_verifier(Arc::new(judge));
        let mut config = builder.with_client_cert_resolver(Arc::new(NoCertificate(notes.clone())));
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let connection = ClientConnection::new(Arc::new(config), name).map_err(Problem::new)?;
        Ok(Self { connection, notes })
    }

    /// The bytes to send to the server now.
    pub fn outgoing(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut bytes).is_err() {
                break;
            }
        }
        bytes
    }

    /// Processes bytes that the server has sent.
    ///
    /// # Errors
    /// Why the handshake failed.
    pub fn incoming(&mut self, mut bytes: &[u8]) -> Result<(), rustls::Error> {
        while !bytes.is_empty() {
            let read = self.connection.read_tls(&mut bytes);
            read.map_err(|error| rustls::Error::General(error.to_string()))?;
            self.connection.process_new_packets()?;
        }
        Ok(())
    }

    /// Whether the handshake is complete.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// What was seen so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let noted = self.notes.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let version = self.connection.protocol_version().and_then(|version| version.as_str());
        Seen {
            version: version.map(|version| version.replace('_', ".")),
            suite: self.connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())),
            alpn: self.connection.alpn_protocol().map(<[u8]>::to_vec),
            ..noted
        }
    }
}

/// Notes the verdict of the verifier that connections use, and continues in any case.
#[derive(Debug)]
struct Looking {
    judge: Arc<dyn ServerCertVerifier>,
    signatures: Signatures,
    notes: Arc<Notes>,
}

impl ServerCertVerifier for Looking {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.judge.verify_server_cert(certificate, intermediates, name, ocsp, now);
        let chain = std::iter::once(certificate).chain(intermediates).map(|one| one.to_vec()).collect();
        self.notes.note(|seen| (seen.chain, seen.verdict) = (chain, Some(verdict.map(drop))));
        Ok(ServerCertVerified::assertion())
    }

    verify_signatures!();
}

/// Notes that the server asks for a certificate, and presents none.
#[derive(Debug)]
struct NoCertificate(Arc<Notes>);

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, authorities: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let name = |der: &&[u8]| X509Name::from_der(der).map_or_else(|_| "?".to_owned(), |(_, name)| name.to_string());
        self.0.note(|seen| seen.asked = Some(authorities.iter().map(name).collect()));
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}
