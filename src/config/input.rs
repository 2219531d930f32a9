//! What the configuration is made of, and what several of its parts read alike.

use std::path::{Path, PathBuf};

use super::overrides::Overrides;
use super::reader::{Noted, Problems, Read, Section, Value, or_default};
use super::value;
use crate::format::secret::Permissions;
use crate::tls::IdentityFiles;

/// Where the configuration comes from.
pub(super) struct Input<'a> {
    /// The file's own map. When it cannot be read, nothing is missing from it.
    pub(super) top: Read<Section<'a>>,
    pub(super) folder: &'a Path,
    pub(super) problems: &'a Problems,
    pub(super) overrides: &'a Overrides,
}

impl<'a> Input<'a> {
    pub(super) fn value(&self, key: &str) -> Option<Value<'a>> {
        self.top.ok()?.value(key)
    }

    /// The section of that key; one with no such key, or none that can be read, has no keys either.
    pub(super) fn section(&self, key: &str, known: &[&str]) -> Option<Section<'a>> {
        self.value(key)?.section(known).ok()
    }

    /// The certificate and its key: both or neither.
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

    /// Who may read files with secrets.
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
