//! Pinned certificates: a peer is identified by the digest of its certificate or of its public key, whoever signed it.
//!
//! Banks make self-signed certificates that are marked as an authority's (`CA:TRUE`) and have no host name
//! (`subjectAltName`). Standard verifiers reject those. A pin says which certificate it must be, so chain, names and
//! usages are not checked. The dates are checked, and the signature of the handshake proves that the peer has the key.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The SHA-256 digest that a certificate or its public key must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    of: Of,
    digest: [u8; 32],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The digest of the whole certificate, in DER.
    Certificate,
    /// The digest of the SubjectPublicKeyInfo, in DER. It stays the same if a certificate is renewed with the same key.
    Key,
}

/// SHA-256 of the public key whose private key is published with Token's sample banks, so that anybody may have it.
pub const PUBLISHED_KEY: [u8; 32] = [
    0x2f, 0xfb, 0xd9, 0xc8, 0x3b, 0x07, 0x03, 0x5f, 0xf7, 0x01, 0x13, 0x34, 0xbb, 0x34, 0x95, 0x11, 0x3f, 0xf0, 0x5c,
    0x6f, 0xac, 0xa0, 0x58, 0x47, 0x1a, 0xb7, 0xd6, 0xd5, 0x21, 0x31, 0x0e, 0xcf,
];

const CERTIFICATE: &str = "cert-sha256:";
const KEY: &str = "spki-sha256:";

/// The text is not a pin.
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
    /// Whether the pin is that of [`PUBLISHED_KEY`].
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.of == Of::Key && self.digest == PUBLISHED_KEY
    }

    pub(super) fn certificate(der: &[u8]) -> Self {
        Self { of: Of::Certificate, digest: sha256(der) }
    }

    pub(super) fn fits(&self, certificate: &[u8], key: &[u8]) -> bool {
        self.digest == sha256(if self.of == Of::Certificate { certificate } else { key })
    }
}

#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut made = [0; 32];
    made.copy_from_slice(digest(&SHA256, bytes).as_ref());
    made
}

/// Parses hex digits, with colons between bytes or without, as `openssl x509 -fingerprint` prints them.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| (high << 4 | low) as u8).collect())
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
