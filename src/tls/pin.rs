//! Pinned certificates: servers known by the digest of their certificate or of its key, whoever signed it.
//!
//! Banks make self-signed certificates that are marked as an authority's (`CA:TRUE`) and name no host
//! (`subjectAltName`); every standard verifier refuses those. A pin says which certificate it must be, so chain, names and
//! usages say nothing more; its dates count, and the handshake's signature proves that the server has the key.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};

use super::presented::Presented;

/// A SHA-256 that a certificate, or its public key, must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    of: Of,
    digest: [u8; 32],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The whole certificate, DER.
    Certificate,
    /// SubjectPublicKeyInfo, DER: stays the same when a certificate is renewed with its key.
    Key,
}

/// SHA-256 of the public key whose private key is published with Token's sample banks: whoever shows it may be anybody.
pub const PUBLISHED_KEY: [u8; 32] = [
    0x2f, 0xfb, 0xd9, 0xc8, 0x3b, 0x07, 0x03, 0x5f, 0xf7, 0x01, 0x13, 0x34, 0xbb, 0x34, 0x95, 0x11, 0x3f, 0xf0, 0x5c,
    0x6f, 0xac, 0xa0, 0x58, 0x47, 0x1a, 0xb7, 0xd6, 0xd5, 0x21, 0x31, 0x0e, 0xcf,
];

const CERTIFICATE: &str = "cert-sha256:";
const KEY: &str = "spki-sha256:";

/// A text that is no pin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `cert-sha256:` or `spki-sha256:` and 32 bytes in hex or base64")]
pub struct PinError;

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let certificate = text.strip_prefix(CERTIFICATE).map(|digest| (Of::Certificate, digest));
        let key = || text.strip_prefix(KEY).map(|digest| (Of::Key, digest));
        let (of, digest) = certificate.or_else(key).ok_or(PinError)?;
        let bytes = hex(digest).or_else(|| STANDARD.decode(digest).ok());
        let digest = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(PinError)?;
        Ok(Self { of, digest })
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.of == Of::Certificate { CERTIFICATE } else { KEY })?;
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Pin {
    /// Whether it is that of [`PUBLISHED_KEY`].
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.of == Of::Key && self.digest == PUBLISHED_KEY
    }

    fn certificate(der: &[u8]) -> Self {
        Self { of: Of::Certificate, digest: sha256(der) }
    }

    pub(super) fn fits(&self, certificate: &[u8], key: &[u8]) -> bool {
        self.digest == sha256(if self.of == Of::Certificate { certificate } else { key })
    }
}

/// The SHA-256 of these bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut made = [0; 32];
    made.copy_from_slice(digest(&SHA256, bytes).as_ref());
    made
}

/// Two digits a byte, with colons between bytes or without, as `openssl x509 -fingerprint` prints them.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| (high << 4 | low) as u8).collect())
}

/// Verifies a server: its certificate in one of two ways, the handshake's signature always in the same.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) certificate: Check,
    pub(super) provider: Arc<CryptoProvider>,
}

/// How a server's certificate is verified.
#[derive(Debug)]
pub(super) enum Check {
    /// It fits one of the pins, and its dates hold.
    Pinned(Vec<Pin>),
    /// As ever; where it is refused, the error says what is peculiar about it, and how to pin it.
    Standard(Arc<WebPkiServerVerifier>),
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let presented = Presented::within_bounds(certificate, intermediates)?;
        presented.refuse_published()?;
        match &self.certificate {
            Check::Pinned(pins) => verify_pinned(pins, &presented, certificate, now),
            Check::Standard(standard) => standard
                .verify_server_cert(certificate, intermediates, name, ocsp, now)
                .map_err(|error| with_advice(error, &presented, certificate)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn verify_pinned(
    pins: &[Pin],
    presented: &Presented<'_>,
    certificate: &[u8],
    now: UnixTime,
) -> Result<ServerCertVerified, rustls::Error> {
    if !presented.fits_one(pins) {
        let found = Pin::certificate(certificate);
        return Err(other(format!("the server's certificate fits none of the pins; it is {found}")));
    }
    presented.verify_dates(now).map(|()| ServerCertVerified::assertion())
}

fn with_advice(error: rustls::Error, presented: &Presented<'_>, certificate: &[u8]) -> rustls::Error {
    match presented.peculiarities() {
        Some(found) => {
            let (error, pin) = (explain(&error), Pin::certificate(certificate));
            other(format!(
                "{error}; the certificate {found}: if it is the backend's own, write upstream.tls.pins: [{pin}]"
            ))
        }
        None => error,
    }
}

/// What is wrong, in words: rustls shows reasons that are not its own as nested values.
#[must_use]
pub fn explain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(reason))) => reason.to_string(),
        error => error.to_string(),
    }
}

/// A reason of ours.
pub(super) fn other(text: String) -> rustls::Error {
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Explained(String);
    CertificateError::Other(OtherError(Arc::new(Explained(text)))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_in_hex_and_base64_and_printed_in_hex() {
        let hex = "2ffbd9c83b07035ff7011334bb3495113ff05c6faca058471ab7d6d521310ecf";
        let colons = "2F:FB:D9:C8:3B:07:03:5F:F7:01:13:34:BB:34:95:11:3F:F0:5C:6F:AC:A0:58:47:1A:B7:D6:D5:21:31:0E:CF";
        let base64 = "L/vZyDsHA1/3ARM0uzSVET/wXG+soFhHGrfW1SExDs8=";
        for digest in [hex, colons, base64] {
            for prefix in [CERTIFICATE, KEY] {
                let pin: Pin = format!("{prefix}{digest}").parse().unwrap();
                assert_eq!(pin.to_string(), format!("{prefix}{hex}"), "{digest}");
            }
        }
        for text in ["", hex, "cert-sha256:", "cert-sha1:2ffb", "spki-sha256:2ffb", &format!("cert-sha256:{hex}00")] {
            assert_eq!(text.parse::<Pin>(), Err(PinError), "{text}");
        }
    }
}
