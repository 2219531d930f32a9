//! A new key with its self-signed certificate.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize, SanType, date_time_ymd,
};

use super::report::Profile;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Clocks of peers are not ours.
const EARLIER: Duration = Duration::from_secs(5 * 60);
/// X.520, upper bound of a common name.
const LONGEST_NAME: usize = 64;

/// What kind of key.
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

/// What shall be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCertificate {
    /// The common name, exactly.
    pub name: String,
    /// The network that it is for.
    pub profile: Option<Profile>,
    /// The key.
    pub key: KeyType,
    /// For how many days, from now; by default as many as the profile allows, or a year.
    pub days: Option<u32>,
}

/// A certificate and its key, both PEM.
pub struct Made {
    /// The certificate.
    pub certificate: String,
    /// PKCS#8.
    pub key: String,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The common name.
    #[error("expected a common name of 1 to {LONGEST_NAME} characters without control characters, found `{0}`")]
    Name(String),
    /// The time.
    #[error("expected 1 to {most} days, found {found}")]
    Days {
        /// As many are allowed.
        most: u32,
        /// Were asked for.
        found: u32,
    },
    /// A key that the profile does not take.
    #[error("Thales supports only EC P-256, EC P-384 and RSA 2048")]
    Key,
    /// The library's.
    #[error(transparent)]
    Library(#[from] rcgen::Error),
}

/// Makes a key and a certificate that begins now.
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
    // All of it is within the days that were asked for, however they are counted.
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

/// Of Thales' certificate only the common name says who it is, and it is a client's.
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

/// The name as that of a host, if it can be one.
fn alternative_name(name: &str) -> Option<SanType> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Some(SanType::IpAddress(address));
    }
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_host = name.strip_prefix("*.").unwrap_or(name).split('.').all(label);
    is_host.then(|| name.try_into().ok().map(SanType::DnsName)).flatten()
}
