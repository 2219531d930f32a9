//! Verifies the caller of one connection, and remembers a certificate that was rejected.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::pin::sha256;

/// The longest subject in a text, in bytes: the caller chooses it.
const LONGEST_SUBJECT: usize = 100;

/// A certificate that was rejected, or whose key was not proven. Its text has the subject, quoted and cut to about 100
/// bytes, and the SHA-256 of the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedCertificate(CertificateDer<'static>);

/// Gives the verdict of `verifier`, and notes a rejected certificate.
#[derive(Debug)]
pub(super) struct Witness {
    verifier: Arc<dyn ClientCertVerifier>,
    refused: OnceLock<RefusedCertificate>,
}

impl Witness {
    pub(super) fn new(verifier: Arc<dyn ClientCertVerifier>) -> Self {
        Self { verifier, refused: OnceLock::new() }
    }

    pub(super) fn refused(&self) -> Option<&RefusedCertificate> {
        self.refused.get()
    }

    fn note<T>(&self, certificate: &CertificateDer<'_>, result: Result<T, rustls::Error>) -> Result<T, rustls::Error> {
        result.inspect_err(|_| {
            self.refused.get_or_init(|| RefusedCertificate(certificate.clone().into_owned()));
        })
    }
}

impl ClientCertVerifier for Witness {
    fn offer_client_auth(&self) -> bool {
        self.verifier.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.verifier.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.note(certificate, self.verifier.verify_client_cert(certificate, intermediates, now))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.note(certificate, self.verifier.verify_tls12_signature(message, certificate, signed))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.note(certificate, self.verifier.verify_tls13_signature(message, certificate, signed))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.verifier.requires_raw_public_keys()
    }
}

impl fmt::Display for RefusedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok((_, certificate)) = X509Certificate::from_der(&self.0) {
            let subject = certificate.subject().to_string();
            let end = subject.floor_char_boundary(LONGEST_SUBJECT);
            let more = if end < subject.len() { "..." } else { "" };
            write!(f, "subject \"{}{more}\", ", subject[..end].escape_debug())?;
        }
        f.write_str("SHA-256 ")?;
        sha256(&self.0).iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    #[test]
    fn a_refused_certificate_is_named_in_one_line_of_bounded_length() {
        let named = |name: &str| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            RefusedCertificate(made.der().clone()).to_string()
        };
        let text = named("a \"caller\"\n");
        assert!(text.starts_with(r#"subject "CN=a \"caller\"\n", SHA-256 "#), "{text}");
        let text = named(&"\u{1f}".repeat(1000));
        assert!(text.contains("...\", SHA-256 ") && text.len() < 6 * LONGEST_SUBJECT + 100, "{}", text.len());
        let none = RefusedCertificate(vec![0x30].into()).to_string();
        assert!(none.starts_with("SHA-256 ") && none.len() == 72, "{none}");
    }
}
