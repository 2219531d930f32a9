//! A certificate that a peer has shown.

use super::facts::{Certificate, hex, sha256};

/// What a certificate says, for one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// RFC 4514.
    pub subject: String,
    /// RFC 4514; `itself` if it is self-signed.
    pub issuer: String,
    /// Such as `EC P-256`.
    pub key: String,
    /// First and last day of validity, `YYYY-MM-DD`.
    pub days: (String, String),
    /// The same in seconds since 1970.
    pub seconds: (i64, i64),
    /// Of the subjectAltName.
    pub names: Vec<String>,
    /// `cert-sha256:`, as `pins` takes it.
    pub certificate_pin: String,
    /// `spki-sha256:`, as `pins` takes it.
    pub key_pin: String,
}

impl Shown {
    /// Reads one, DER; `None` if it is none.
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
