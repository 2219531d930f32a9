//! Secrets that the file refers to: `${NAME}` is an environment variable, `file:PATH` a file.
//!
//! The file itself holds no secret, so that it can be shown and kept with other configuration. No message quotes one.

use super::input::Input;
use super::reader::{Read, Value};
use crate::format::secret::SecretSource;

const EXPECTED: &str =
    "expected `${NAME}` for an environment variable, or `file:PATH`; the secret itself does not belong here";

/// Where a secret is.
pub(super) enum Reference<'a> {
    Variable(&'a str),
    File(&'a str),
}

impl Input<'_> {
    /// Where the secret is that a value refers to. It is read later.
    pub(super) fn secret(&self, value: Value) -> Read<SecretSource> {
        let text = value.text("`${NAME}` or `file:PATH`")?;
        let place = format!("{}: {}", value.place(), value.name());
        match Reference::of(text) {
            None => Err(value.wrong(EXPECTED)),
            Some(Reference::Variable(name)) => Ok(SecretSource::variable(place, name.to_owned())),
            Some(Reference::File(path)) => Ok(SecretSource::file(place, self.folder.join(path), self.secret_files())),
        }
    }
}

impl<'a> Reference<'a> {
    /// `None` if the text refers to nothing: it may be a secret.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_letter);
        if let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
            return is_name(name).then_some(Self::Variable(name));
        }
        text.strip_prefix("file:").filter(|path| !path.is_empty()).map(Self::File)
    }
}
