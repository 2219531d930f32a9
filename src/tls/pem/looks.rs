//! Recognizes what a file without PEM blocks holds, and whether a text looks like a key.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::der;
use super::unusable::{Kind, Unusable};

/// The fewest bytes or characters that can be recognized as a key or certificate; anything shorter is too uncertain.
const SHORTEST: usize = 32;

/// What bytes without a PEM block look like.
pub(super) fn at(bytes: &[u8]) -> Unusable {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || is_utf16_without_mark(bytes) {
        return Unusable::Utf16;
    }
    if bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) {
        return Unusable::JavaKeystore;
    }
    if bytes.first() == Some(&0x30)
        && let Some(kind) = der::kind(bytes)
    {
        return Unusable::Der(kind);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Unusable::Binary };
    let text = text.trim_start_matches('\u{feff}').trim();
    match () {
        () if text.is_empty() => Unusable::Empty,
        () if text.contains(|c: char| c.is_control() && !c.is_whitespace()) => Unusable::Binary,
        () if text.starts_with("PuTTY-User-Key-File") => Unusable::Putty,
        () if ["ssh-", "ecdsa-sha2-", "---- BEGIN SSH2"].iter().any(|start| text.starts_with(start)) => {
            Unusable::SshPublic
        }
        () => base64_kind(text).map_or(Unusable::Nothing, Unusable::Base64),
    }
}

fn is_utf16_without_mark(bytes: &[u8]) -> bool {
    bytes.len() >= SHORTEST && bytes[..SHORTEST].chunks(2).all(|pair| pair.contains(&0) && pair != [0, 0])
}

/// The kind of structure, if the text is base64 of a known one.
fn base64_kind(text: &str) -> Option<Kind> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = STANDARD.decode(&text).ok().filter(|bytes| bytes.len() >= SHORTEST)?;
    der::kind(&bytes).filter(|_| der::is_whole(&bytes))
}

/// Whether a text is most of the contents of a key or certificate file, given where a file name was expected.
#[must_use]
pub fn is_file(text: &str) -> bool {
    let has_mark = ["BEGIN ", "END "].iter().any(|mark| text.contains(mark))
        && ["PRIVATE KEY", "CERTIFICATE", "PGP "].iter().any(|label| text.contains(label));
    has_mark || base64_kind(text).is_some()
}

/// Whether a text may be part of a private key. Code that quotes an operator's files leaves such texts out.
#[must_use]
pub fn is_secret(text: &str) -> bool {
    is_file(text) || text.split(|c: char| !is_of_word(c)).any(is_random)
}

/// A path as problems show it. If someone has put a key where its file name belongs, the text is not repeated.
#[must_use]
pub fn place(path: &Path) -> String {
    let text = path.display().to_string();
    if is_secret(&text) && !path.exists() { "a key or certificate in place of a file's name".to_owned() } else { text }
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')
}

/// Whether a word looks like a line of base64: capital letters, small letters and digits mixed. Words, paths and
/// digests in hex are not mixed like this.
fn is_random(word: &str) -> bool {
    let has = |test: fn(&char) -> bool| word.chars().filter(test).count() >= 4;
    word.len() >= SHORTEST
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_lowercase)
        && word.chars().filter(char::is_ascii_digit).count() >= 2
}
