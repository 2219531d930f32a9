//! The sources of the configuration, and what several sections read in the same way.

use std::path::{Path, PathBuf};

use super::overrides::Overrides;
use super::reader::{Noted, Problems, Read, Section, Value, or_default};
use super::value;
use crate::format::secret::Permissions;
use crate::tls::IdentityFiles;

/// The file, and the flags and environment that override it.
pub(super) struct Input<'a> {
    /// The file's top-level map. If it cannot be read, no key in it is reported as missing.
    pub(super) top: Read<Section<'a>>,
    pub(super) folder: &'a Path,
    pub(super) problems: &'a Problems,
    pub(super) overrides: &'a Overrides,
}

impl<'a> Input<'a> {
    pub(super) fn value(&self, key: &str) -> Option<Value<'a>> {
        self.top.ok()?.value(key)
    }

    /// The section under that key; `None` if the key is missing or its value is not a map.
    pub(super) fn section(&self, key: &str, known: &[&str]) -> Option<Section<'a>> {
        self.value(key)?.section(known).ok()
    }

    /// The certificate file and its key file. One without the other is a problem.
    pub(super) fn identity(&self, section: Section) -> Read<Option<IdentityFiles>> {
        match (section.value("cert"), section.value("key")) {
            (Some(cert), Some(key)) => {
                let (cert, key) = (cert.path(self.folder), key.path(self.folder));
                let permissions = self.secret_files();
                Ok(Some(IdentityFiles { cert: cert?, key: key?, permissions }))
            }
            (Some(cert), None) => Err(cert.wrong("`key` is missing: set it to the file of the private key")),
            (None, Some(key)) => Err(key.wrong("`cert` is missing: set it to the file of the certificate")),
            (None, None) => Ok(None),
        }
    }

    /// Which permissions files with secrets may have.
    pub(super) fn secret_files(&self) -> Permissions {
        let read = |value: &Value| value.parsed("`strict` or `any`", value::permissions);
        or_default(self.value("secret_files"), read, Permissions::default())
    }

    pub(super) fn path(&self, section: Section, key: &str) -> Read<Option<PathBuf>> {
        section.value(key).map(|value| value.path(self.folder)).transpose()
    }

    pub(super) fn missing(&self, key: &str, flag: &str) -> Noted {
        let message = format!("no {key}: set `{key}` in the configuration file, or pass `{flag}`");
        self.top.err().unwrap_or_else(|| self.problems.file(message))
    }
}
