//! Reads files of certificates and private keys.

use std::path::Path;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

use super::unusable::{Kind, PemError, Unusable, Wanted};
use super::{der, looks, sections};
use crate::format::secret;

/// A certificate or a private key. It has no `Debug`, so that a key is never printed.
pub struct Item {
    /// [`Kind::Certificate`], or a kind for which [`Kind::is_key`] holds.
    pub kind: Kind,
    /// The content in DER. It is not verified, so it may be no valid certificate or key.
    pub der: Vec<u8>,
}

/// Reads all certificates of a file, in its order.
///
/// # Errors
/// The file cannot be read, is damaged, or has no certificate.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let items = items(file, Wanted::Certificates)?;
    let certificates = items.into_iter().filter(|item| item.kind == Kind::Certificate);
    Ok(certificates.map(|item| CertificateDer::from(item.der)).collect())
}

/// Reads the first private key of a file.
///
/// # Errors
/// The file cannot be read, is damaged, or has no unencrypted private key.
pub fn key(file: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    let mut items = items(file, Wanted::Key)?.into_iter();
    let key = items.find_map(|item| item.into_key());
    key.ok_or(PemError::Found { wanted: Wanted::Key, fault: Unusable::Nothing })
}

/// Reads all certificates and keys of a file, in its order. There must be at least one of what is wanted.
///
/// # Errors
/// The file cannot be read, is damaged, or holds nothing of what is wanted.
pub fn items(file: &Path, wanted: Wanted) -> Result<Vec<Item>, PemError> {
    let contents = secret::read(file)?;
    in_bytes(contents.bytes(), wanted).map_err(|fault| PemError::Found { wanted, fault })
}

/// Reads all certificates and keys from bytes, as [`items`] does from a file.
pub(super) fn in_bytes(bytes: &[u8], wanted: Wanted) -> Result<Vec<Item>, Unusable> {
    let is_wanted = |kind: Kind| match wanted {
        Wanted::Certificates => kind == Kind::Certificate,
        Wanted::Key => kind.is_key(),
        Wanted::Either => kind == Kind::Certificate || kind.is_key(),
    };
    let found = sections::read(bytes)?;
    for section in &found {
        let (line, label) = (section.line, section.kind);
        match der::kind(&section.der) {
            Some(content) if content != label => return Err(Unusable::Mislabelled { line, label, content }),
            Some(_) if !der::is_whole(&section.der) => return Err(Unusable::Cut { line }),
            _ => {}
        }
    }
    // A bundle is rejected if one of its certificates is in a form that cannot be read.
    let lost = found.iter().find(|section| matches!(section.kind, Kind::Trusted | Kind::Pkcs7));
    if let Some(lost) = lost.filter(|_| wanted != Wanted::Key) {
        return Err(Unusable::Pem(lost.kind));
    }
    if found.iter().any(|section| is_wanted(section.kind)) {
        let known = found.into_iter().filter(|section| section.kind == Kind::Certificate || section.kind.is_key());
        return Ok(known.map(|section| Item { kind: section.kind, der: section.der }).collect());
    }
    let told = found.iter().find(|section| section.kind == Kind::Encrypted);
    let told = told.or_else(|| found.iter().find(|section| section.kind != Kind::Parameters)).or_else(|| found.first());
    Err(told.map_or_else(|| looks::at(bytes), |section| Unusable::Pem(section.kind)))
}

impl Item {
    /// The private key; `None` for a certificate.
    #[must_use]
    pub fn into_key(self) -> Option<PrivateKeyDer<'static>> {
        match self.kind {
            Kind::Pkcs8 => Some(PrivatePkcs8KeyDer::from(self.der).into()),
            Kind::Pkcs1 => Some(PrivatePkcs1KeyDer::from(self.der).into()),
            Kind::Sec1 => Some(PrivateSec1KeyDer::from(self.der).into()),
            _ => None,
        }
    }
}
