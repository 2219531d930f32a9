//! A certificate that a peer has presented.

use super::facts::{Certificate, hex, sha256};

/// The contents of a certificate, for output on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The subject, as in RFC 4514.
    pub subject: String,
    /// The issuer, as in RFC 4514; `itself` if the certificate is self-signed.
    pub issuer: String,
    /// The kind of key, such as `EC P-256`.
    pub key: String,
    /// First and last day of validity, `YYYY-MM-DD`.
    pub days: (String, String),
    /// First and last moment of validity, in seconds since 1970.
    pub seconds: (i64, i64),
    /// The names of the subjectAltName extension.
    pub names: Vec<String>,
    /// The digest of the certificate as `pins` takes it: `cert-sha256:` and hex digits.
    pub certificate_pin: String,
    /// The digest of the public key as `pins` takes it: `spki-sha256:` and hex digits.
    pub key_pin: String,
}

impl Shown {
    /// Parses a certificate from DER; `None` if `der` is not a certificate.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let one = Certificate::read(String::new(), der.to_vec())?;
        Some(Self {
            issuer: if one.is_self_signed() { "itself".to_owned() } else { one.issuer.clone() },
            key: one.key.to_string(),
            certificate_pin: format!("cert-sha256:{}", hex(&sha256(&one.der))),
            key_pin: format!("spki-sha256:{}", hex(&one.key_digest())),
            subject: one.subject,
            days: (one.first_day, one.last_day),
            seconds: (one.not_before, one.not_after),
            names: one.names.unwrap_or_default(),
        })
    }
}
