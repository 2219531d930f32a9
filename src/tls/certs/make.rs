//! Makes a new key with a self-signed certificate.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize, SanType, date_time_ymd,
};

use super::report::Profile;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before now a certificate begins to be valid, because clocks of peers may be behind.
const EARLIER: Duration = Duration::from_secs(5 * 60);
/// The most characters of a common name (upper bound in X.520).
const LONGEST_NAME: usize = 64;

/// The kind of key to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// Elliptic curve prime256v1.
    P256,
    /// Elliptic curve secp384r1.
    P384,
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
}

/// The certificate to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCertificate {
    /// The common name, used exactly as given.
    pub name: String,
    /// The network that the certificate is for.
    pub profile: Option<Profile>,
    /// The kind of key.
    pub key: KeyType,
    /// The validity in days, from now. The default is the longest time that the profile allows, or else a year.
    pub days: Option<u32>,
}

/// A certificate and its key, both PEM.
pub struct Made {
    /// The certificate, in PEM.
    pub certificate: String,
    /// The private key, PKCS#8 in PEM.
    pub key: String,
}

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The common name is empty, too long or has control characters.
    #[error("expected a common name of 1 to {LONGEST_NAME} characters without control characters, found `{0}`")]
    Name(String),
    /// The number of days is out of range.
    #[error("expected 1 to {most} days, found {found}")]
    Days {
        /// The most days that are allowed.
        most: u32,
        /// The days that were asked for.
        found: u32,
    },
    /// The profile does not allow this kind of key.
    #[error("Thales supports only EC P-256, EC P-384 and RSA 2048")]
    Key,
    /// The library failed.
    #[error(transparent)]
    Library(#[from] rcgen::Error),
}

/// Makes a key and a self-signed certificate that is valid from now on.
///
/// # Errors
/// See [`MakeError`].
pub fn make(wanted: &NewCertificate, now: SystemTime) -> Result<Made, MakeError> {
    let NewCertificate { name, profile, key, days } = wanted;
    let is_name = !name.is_empty() && name.chars().count() <= LONGEST_NAME && !name.contains(char::is_control);
    if !is_name {
        return Err(MakeError::Name(name.clone()));
    }
    let is_thales = *profile == Some(Profile::Thales);
    if is_thales && *key == KeyType::Rsa4096 {
        return Err(MakeError::Key);
    }
    let (usual, most) = if is_thales { (730, 730) } else { (365, 3650) };
    let days = days.unwrap_or(usual);
    if !(1..=most).contains(&days) {
        return Err(MakeError::Days { most, found: days });
    }
    let key = generate(*key)?;
    let mut params = params(name, is_thales);
    if matches!(wanted.key, KeyType::Rsa2048 | KeyType::Rsa4096) {
        params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let begin = date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    // The whole validity lies within the days that were asked for, whichever way a peer counts them.
    (params.not_before, params.not_after) = (begin - EARLIER, begin + DAY * days - EARLIER);
    let certificate = params.self_signed(&key)?;
    Ok(Made { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn generate(key: KeyType) -> Result<KeyPair, rcgen::Error> {
    match key {
        KeyType::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        KeyType::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
        KeyType::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        KeyType::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
    }
}

/// A certificate for Thales is a client certificate, identified by its common name alone.
fn params(name: &str, is_thales: bool) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if !is_thales {
        params.extended_key_usages.insert(0, ExtendedKeyUsagePurpose::ServerAuth);
        params.subject_alt_names = alternative_name(name).into_iter().collect();
    }
    params
}

/// The name as a host name or IP address, if it can be one.
fn alternative_name(name: &str) -> Option<SanType> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Some(SanType::IpAddress(address));
    }
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_host = name.strip_prefix("*.").unwrap_or(name).split('.').all(label);
    is_host.then(|| name.try_into().ok().map(SanType::DnsName)).flatten()
}
