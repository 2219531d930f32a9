//! Reads PEM files and gives their certificates and private keys.

use std::path::{Path, PathBuf};

use rustls::crypto::aws_lc_rs::sign::any_supported_type;

use super::facts::Certificate;
use super::report::{Finding, Level};
use crate::format::secret::{self, Exposed};
use crate::tls::pem::{self, Kind, Wanted};

/// The certificates and keys of some files.
#[derive(Default)]
pub(super) struct Material {
    pub(super) certificates: Vec<Certificate>,
    pub(super) keys: Vec<PrivateKey>,
}

/// A private key of a file, without the key itself: only what may be shown of it.
pub(super) struct PrivateKey {
    pub(super) place: String,
    pub(super) form: KeyForm,
    /// The SubjectPublicKeyInfo of its public half, in DER.
    pub(super) key_info: Option<Vec<u8>>,
    /// Set if others may read the file.
    pub(super) exposed: Option<Exposed>,
}

/// The format of a private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyForm {
    Pkcs8,
    Pkcs1,
    Sec1,
}

impl PrivateKey {
    pub(super) fn is_of(&self, certificate: &Certificate) -> bool {
        self.key_info.as_ref() == Some(&certificate.key_info)
    }

    pub(super) fn described(&self, certificates: &[Certificate]) -> String {
        let form = match self.form {
            KeyForm::Pkcs8 => "PKCS#8",
            KeyForm::Pkcs1 => "PKCS#1",
            KeyForm::Sec1 => "SEC1",
        };
        let of = certificates.iter().find(|certificate| self.is_of(certificate));
        let of = of.map_or_else(String::new, |certificate| format!(", of {}", certificate.place));
        format!("{}\n  private key, {form}{of}", self.place)
    }
}

/// Reads the files. A file that cannot be read becomes a finding.
pub(super) fn read(files: &[PathBuf], findings: &mut Vec<Finding>) -> Material {
    let mut material = Material::default();
    for file in files {
        if let Err(message) = read_file(file, &mut material) {
            findings.push(Finding { level: Level::Error, place: pem::place(file), message });
        }
    }
    material
}

fn read_file(file: &Path, material: &mut Material) -> Result<(), String> {
    let items = pem::items(file, Wanted::Either).map_err(|refusal| refusal.to_string())?;
    let count = items.iter().filter(|item| item.kind == Kind::Certificate).count();
    let exposed = secret::exposed(file);
    let mut number = 0;
    for item in items {
        let place = file.display().to_string();
        if item.kind == Kind::Certificate {
            number += 1;
            let place = if count > 1 { format!("{place}, certificate {number}") } else { place };
            let read = Certificate::read(place, item.der);
            let wrong = || format!("certificate {number}: expected an X.509 certificate, found something else");
            material.certificates.push(read.ok_or_else(wrong)?);
            continue;
        }
        let form = match item.kind {
            Kind::Pkcs1 => KeyForm::Pkcs1,
            Kind::Sec1 => KeyForm::Sec1,
            _ => KeyForm::Pkcs8,
        };
        let key = item.into_key().and_then(|key| any_supported_type(&key).ok());
        let key = key.ok_or_else(|| {
            "expected an RSA (2048 bits or more), ECDSA or Ed25519 private key, found one that cannot be used"
                .to_owned()
        })?;
        let key_info = key.public_key().map(|info| info.as_ref().to_vec());
        material.keys.push(PrivateKey { place, form, key_info, exposed: exposed.clone() });
    }
    Ok(())
}
