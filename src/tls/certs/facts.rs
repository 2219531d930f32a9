//! The contents of one certificate, as plain data.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::SignatureVerificationAlgorithm;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

/// A certificate of a file.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    /// The file, and the number of the certificate if the file has several.
    pub(super) place: String,
    pub(super) der: Vec<u8>,
    /// The subject as in RFC 4514, as x509-parser prints it.
    pub(super) subject: String,
    pub(super) issuer: String,
    /// The subject in DER, for comparisons.
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    pub(super) common_names: Vec<String>,
    pub(super) key: Key,
    pub(super) hash: Hash,
    /// The start of validity, in seconds since 1970.
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    /// The first day of validity, `YYYY-MM-DD`.
    pub(super) first_day: String,
    pub(super) last_day: String,
    pub(super) is_authority: bool,
    /// The names of the subjectAltName extension; `None` without the extension.
    pub(super) names: Option<Vec<String>>,
    /// The extendedKeyUsage extension; `None` without it, which allows any use.
    pub(super) usages: Option<Usages>,
    /// The SubjectPublicKeyInfo, in DER.
    pub(super) key_info: Vec<u8>,
    public_key: Vec<u8>,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

/// What an extendedKeyUsage allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usages {
    pub(super) server: bool,
    pub(super) client: bool,
}

/// The kind of a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// RSA, with the length of the modulus in bits.
    Rsa(usize),
    P256,
    P384,
    P521,
    Ed25519,
    Other(String),
}

/// The hash of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
    /// The signature algorithm has its own hash (Ed25519).
    Own,
    Other(String),
}

impl Certificate {
    /// Parses a certificate from DER; `None` if `der` is not a certificate.
    pub(super) fn read(place: String, der: Vec<u8>) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(&der).ok().filter(|(rest, _)| rest.is_empty())?;
        debug_assert!(rest.is_empty());
        let (subject, issuer) = (parsed.subject(), parsed.issuer());
        let text = |value: &x509_parser::x509::AttributeTypeAndValue<'_>| value.as_str().unwrap_or("?").to_owned();
        let day = |time: &x509_parser::time::ASN1Time| time.to_datetime().date().to_string();
        let validity = parsed.validity();
        let usages = parsed.extended_key_usage().ok().flatten().map(|usage| Usages {
            server: usage.value.server_auth || usage.value.any,
            client: usage.value.client_auth || usage.value.any,
        });
        let names = parsed.subject_alternative_name().ok().flatten();
        let certificate = Self {
            place,
            subject: subject.to_string(),
            issuer: issuer.to_string(),
            subject_der: subject.as_raw().to_vec(),
            issuer_der: issuer.as_raw().to_vec(),
            common_names: subject.iter_common_name().map(text).collect(),
            key: key_of(&parsed),
            hash: hash_of(&parsed.signature_algorithm.algorithm.to_id_string()),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            first_day: day(&validity.not_before),
            last_day: day(&validity.not_after),
            is_authority: parsed.is_ca(),
            names: names.map(|names| names.value.general_names.iter().map(name_of).collect()),
            usages,
            key_info: parsed.public_key().raw.to_vec(),
            public_key: parsed.public_key().subject_public_key.data.to_vec(),
            signed: parsed.tbs_certificate.as_ref().to_vec(),
            signature: parsed.signature_value.data.to_vec(),
            der: Vec::new(),
        };
        Some(Self { der, ..certificate })
    }

    /// The file that the certificate is in.
    pub(super) fn file(&self) -> &str {
        self.place.split_once(", certificate ").map_or(&self.place, |(file, _)| file)
    }

    /// Whether issuer and subject have the same name.
    pub(super) fn names_itself(&self) -> bool {
        self.subject_der == self.issuer_der
    }

    /// Whether the certificate is signed with its own key.
    pub(super) fn is_self_signed(&self) -> bool {
        self.is_issued_by(self)
    }

    /// Whether the certificate names `issuer` as its issuer.
    pub(super) fn names_as_issuer(&self, issuer: &Self) -> bool {
        self.issuer_der == issuer.subject_der
    }

    /// Whether the certificate names `issuer` as its issuer and carries its signature. The signature matters because
    /// two authorities may have the same name. Old and rare kinds of signatures cannot be verified here: then the name
    /// decides, and other rules report the kind.
    pub(super) fn is_issued_by(&self, issuer: &Self) -> bool {
        let fits = |algorithm: &&dyn SignatureVerificationAlgorithm| {
            algorithm.verify_signature(&issuer.public_key, &self.signed, &self.signature).is_ok()
        };
        if !self.names_as_issuer(issuer) || !self.is_verifiable_by(&issuer.key) {
            return self.names_as_issuer(issuer);
        }
        default_provider().signature_verification_algorithms.all.iter().any(fits)
    }

    fn is_verifiable_by(&self, key: &Key) -> bool {
        !matches!(key, Key::Rsa(..2048 | 8193..) | Key::Other(_)) && !matches!(self.hash, Hash::Sha1 | Hash::Other(_))
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    pub(super) fn key_digest(&self) -> [u8; 32] {
        sha256(&self.key_info)
    }

    /// Describes the certificate in a few lines for people.
    pub(super) fn described(&self) -> String {
        let names = match &self.names {
            Some(names) if !names.is_empty() => names.join(", "),
            _ => "none".to_owned(),
        };
        let usage = match self.usages {
            None => "any",
            Some(Usages { server: true, client: true }) => "server, client",
            Some(Usages { server: true, client: false }) => "server",
            Some(Usages { server: false, client: true }) => "client",
            Some(Usages { server: false, client: false }) => "neither server nor client",
        };
        let issuer = if self.is_self_signed() { "itself" } else { &self.issuer };
        let authority = if self.is_authority { "an authority's (CA:TRUE)" } else { "not an authority" };
        format!(
            "{}\n  subject    {}\n  issuer     {issuer}\n  key        {}, signed with {}\n  valid      {} to {}\n  names      \
             {names}\n  use        {usage}; {authority}\n  pins       cert-sha256:{}\n             spki-sha256:{}",
            self.place,
            self.subject,
            self.key,
            self.hash,
            self.first_day,
            self.last_day,
            hex(&sha256(&self.der)),
            hex(&self.key_digest()),
        )
    }
}

fn key_of(parsed: &X509Certificate<'_>) -> Key {
    let info = parsed.public_key();
    let id = info.algorithm.algorithm.to_id_string();
    if let Ok(PublicKey::RSA(key)) = info.parsed() {
        return Key::Rsa(bits(key.modulus));
    }
    // RFC 5480, section 2.1.1: the curve is the parameter. RFC 8410, section 3: Ed25519 has none.
    let curve = info.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    match (id.as_str(), curve.map(|curve| curve.to_id_string()).as_deref()) {
        ("1.2.840.10045.2.1", Some("1.2.840.10045.3.1.7")) => Key::P256,
        ("1.2.840.10045.2.1", Some("1.3.132.0.34")) => Key::P384,
        ("1.2.840.10045.2.1", Some("1.3.132.0.35")) => Key::P521,
        ("1.2.840.10045.2.1", Some("1.3.132.0.10")) => Key::Other("EC secp256k1".to_owned()),
        ("1.2.840.10045.2.1", curve) => Key::Other(format!("EC {}", curve.unwrap_or("without a named curve"))),
        ("1.3.101.112", _) => Key::Ed25519,
        (id, _) => Key::Other(id.to_owned()),
    }
}

/// The length of a big-endian number, in bits.
fn bits(number: &[u8]) -> usize {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let digits = &number[start..];
    digits.first().map_or(0, |first| digits.len() * 8 - first.leading_zeros() as usize)
}

/// The hash of a signature algorithm (RFC 3279, 4055, 5758 and 8410).
fn hash_of(id: &str) -> Hash {
    match id {
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => Hash::Sha1,
        "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" => Hash::Sha256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Hash::Sha384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Hash::Sha512,
        "1.3.101.112" => Hash::Own,
        "1.2.840.113549.1.1.4" => Hash::Other("MD5".to_owned()),
        "1.2.840.113549.1.1.10" => Hash::Other("RSASSA-PSS".to_owned()),
        id => Hash::Other(id.to_owned()),
    }
}

fn name_of(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(v4), _) => std::net::Ipv4Addr::from(v4).to_string(),
            (_, Ok(v6)) => std::net::Ipv6Addr::from(v6).to_string(),
            _ => "?".to_owned(),
        },
        other => other.to_string(),
    }
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut made = [0; 32];
    made.copy_from_slice(digest(&SHA256, bytes).as_ref());
    made
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::P256 => f.write_str("EC P-256"),
            Self::P384 => f.write_str("EC P-384"),
            Self::P521 => f.write_str("EC P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha1 => f.write_str("SHA-1"),
            Self::Sha256 => f.write_str("SHA-256"),
            Self::Sha384 => f.write_str("SHA-384"),
            Self::Sha512 => f.write_str("SHA-512"),
            Self::Own => f.write_str("Ed25519"),
            Self::Other(name) => f.write_str(name),
        }
    }
}
