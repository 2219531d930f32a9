//! Parses the blocks of a PEM file.

use rustls::pki_types::pem::{PemObject as _, SectionKind};

use super::unusable::{Kind, Unusable};

/// One block of a PEM file.
pub(super) struct Section {
    /// The line number of its BEGIN line, counted from 1.
    pub(super) line: usize,
    pub(super) kind: Kind,
    /// The content in DER; empty for kinds that are not read.
    pub(super) der: Vec<u8>,
}

/// A block whose END line is still to come.
struct Open {
    line: usize,
    label: String,
    text: String,
    is_encrypted: bool,
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// Reads all blocks. Text around them is a comment, as `openssl x509 -text` writes it. Lines may be indented and end
/// with CR, LF or both. A byte order mark is dropped at the start of any line, because a file joined from two may have
/// two.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Section>, Unusable> {
    let mut sections = Vec::new();
    let mut open: Option<Open> = None;
    for (line, number) in lines(bytes) {
        match (&mut open, line) {
            (Some(_), None) => return Err(Unusable::NotBase64 { line: number }),
            // A comment in another encoding.
            (None, None) => {}
            (None, Some(line)) => open = begun(line, number)?,
            (Some(section), Some(line)) => {
                if section.ends(line, number)?
                    && let Some(section) = open.take()
                {
                    sections.push(section.closed()?);
                }
            }
        }
    }
    match open {
        Some(Open { line, .. }) => Err(Unusable::NoEnd { line }),
        None => Ok(sections),
    }
}

/// The lines with their numbers, without surrounding white space. A line that is not UTF-8 is `None`.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (Option<&str>, usize)> {
    let mut number = 1;
    let pieces = bytes.split_inclusive(|byte| *byte == b'\n').flat_map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line).split(|byte| *byte == b'\r')
    });
    pieces.map(move |piece| {
        let line = std::str::from_utf8(piece).ok();
        number += 1;
        (line.map(|line| line.trim().trim_start_matches('\u{feff}').trim_start()), number - 1)
    })
}

fn begun(line: &str, number: usize) -> Result<Option<Open>, Unusable> {
    let Some(at) = line.find(BEGIN) else {
        return match () {
            () if line.contains(END) => Err(Unusable::StrayEnd { line: number }),
            () if is_bare_mark(line) => Err(Unusable::Dashes { line: number }),
            () => Ok(None),
        };
    };
    let rest = &line[at + BEGIN.len()..];
    let Some((label, behind)) = rest.split_once(DASHES) else { return Err(Unusable::Dashes { line: number }) };
    match () {
        () if rest.contains("\\n") => Err(Unusable::LineBreaksEscaped),
        () if behind.starts_with('-') => Err(Unusable::Dashes { line: number }),
        () if behind.starts_with(' ') => Err(Unusable::LineBreaksBlank),
        () if !behind.is_empty() => Err(Unusable::LineBreaksLost),
        () if line[..at].contains(|c| c != '-') => Err(Unusable::Prefixed { line: number }),
        () if at > 0 => Err(Unusable::Dashes { line: number }),
        () => Ok(Some(Open { line: number, label: label.to_owned(), text: String::new(), is_encrypted: false })),
    }
}

/// Whether the line would be the BEGIN or END line of a key or certificate if it had all its dashes.
fn is_bare_mark(line: &str) -> bool {
    let words = line.trim_matches(['-', ' ']);
    let label = words.strip_prefix("BEGIN ").or_else(|| words.strip_prefix("END "));
    let is_label = |label: &str| {
        ["PRIVATE KEY", "RSA ", "EC ", "ENCRYPTED ", "OPENSSH ", "CERTIFICATE"]
            .iter()
            .any(|known| label.starts_with(known))
    };
    label.is_some_and(is_label)
}

impl Open {
    /// Whether the line is the END line. Any other line is added to the block.
    fn ends(&mut self, line: &str, number: usize) -> Result<bool, Unusable> {
        if let Some(rest) = line.strip_prefix(END) {
            let Some((label, behind)) = rest.split_once(DASHES) else { return Err(Unusable::Dashes { line: number }) };
            return match () {
                () if label != self.label => Err(Unusable::StrayEnd { line: number }),
                () if behind.contains(BEGIN) => Err(Unusable::Prefixed { line: number }),
                () if behind.is_empty() => Ok(true),
                () => Err(Unusable::Dashes { line: number }),
            };
        }
        match () {
            () if line.contains("\\n") => Err(Unusable::LineBreaksEscaped),
            () if line.contains(BEGIN) => Err(Unusable::NoEnd { line: self.line }),
            () if line.contains(END) && line.starts_with('-') => Err(Unusable::Dashes { line: number }),
            () if line.contains(END) => Err(Unusable::LineBreaksLost),
            () if is_bare_mark(line) => Err(Unusable::Dashes { line: number }),
            // RFC 1421, section 4.6: headers, such as those of OpenSSL's own encryption.
            () if self.text.is_empty() && line.contains(": ") => {
                self.is_encrypted |= line.starts_with("Proc-Type:") && line.contains("ENCRYPTED");
                Ok(false)
            }
            () if line.bytes().all(is_base64) => {
                self.text.extend(line.chars().filter(|c| !c.is_whitespace()));
                Ok(false)
            }
            () => Err(Unusable::NotBase64 { line: number }),
        }
    }

    fn closed(self) -> Result<Section, Unusable> {
        let Self { line, label, text, is_encrypted } = self;
        let kind = if is_encrypted { Kind::Encrypted } else { Kind::of_label(&label) };
        let is_read = kind == Kind::Certificate || kind.is_key();
        let der = if is_read { decoded(&label, &text).ok_or(Unusable::NotBase64 { line })? } else { Vec::new() };
        Ok(Section { line, kind, der })
    }
}

/// Decodes with the PEM decoder of the library, which takes the same time whatever the bits of a key are.
fn decoded(label: &str, text: &str) -> Option<Vec<u8>> {
    let block = format!("{BEGIN}{label}{DASHES}\n{text}\n{END}{label}{DASHES}\n");
    let read = <(SectionKind, Vec<u8>)>::from_pem_slice(block.as_bytes());
    read.ok().map(|(_, der)| der)
}

pub(super) fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b' ' | b'\t')
}
