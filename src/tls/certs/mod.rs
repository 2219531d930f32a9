//! Certificates and keys as files: what is in them, what is wrong with them, and new ones.
//!
//! PEM files in, a [`Report`] out: what each certificate says, and [`Finding`]s by the rules of TLS and of the network that a
//! certificate is for ([`Profile`]). The start asks the same questions as `towbar certs check`. Knows no sockets and no
//! configuration.

mod chain;
mod check;
mod facts;
mod make;
mod read;
mod shown;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::format::secret::Permissions;

pub use check::sample_key_is;
pub use make::{KeyType, Made, MakeError, Wanted, make};
pub use shown::Shown;

/// The network that a certificate is for: `docs/certificates.md` has the rules of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Token's: the bank's certificate is known as it is.
    Token,
    /// Thales': a self-signed client certificate is endorsed in their portal.
    Thales,
}

/// What a certificate is shown as, or whether it is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Shown to callers.
    Server,
    /// Shown to an upstream.
    Client,
    /// A bundle of authorities.
    Trust,
}

/// What shall be checked.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Certificates and keys, PEM, in any order and any division.
    pub files: Vec<PathBuf>,
    /// What they are for, if it is known.
    pub usage: Option<Usage>,
    /// The network's own rules.
    pub profile: Option<Profile>,
    /// The common name that the certificate must have.
    pub name: Option<String>,
    /// Who may read the files of keys.
    pub permissions: Permissions,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It will not work, or must not.
    Error,
    /// It works today, or with some peers only.
    Warning,
    /// Files alone do not tell.
    Note,
}

/// One thing about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub level: Level,
    /// The file, and which certificate of several.
    pub place: String,
    /// What was expected, and what was found.
    pub message: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What the files hold: for each certificate and each key some lines for people.
    pub facts: Vec<String>,
    /// In the order of the files.
    pub findings: Vec<Finding>,
}

/// Checks files as they are now.
#[must_use]
pub fn check(asked: &Asked, now: SystemTime) -> Report {
    let mut report = Report::default();
    let material = read::read(&asked.files, &mut report.findings);
    report.facts = material.certificates.iter().map(facts::Certificate::described).collect();
    report.facts.extend(material.keys.iter().map(|key| key.described(&material.certificates)));
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    check::check(asked, &material, i64::try_from(seconds).unwrap_or(i64::MAX), &mut report.findings);
    report
}

/// The certificate of the key among those of `cert`; `None` if there is none.
#[must_use]
pub fn first_of(cert: &Path, key: &Path) -> Option<Shown> {
    let material = read::read(&[cert.to_owned(), key.to_owned()], &mut Vec::new());
    let is_own = |one: &facts::Certificate| material.keys.iter().any(|key| key.is_of(one));
    chain::Chain::of(&material.certificates, is_own).and_then(|chain| Shown::read(&chain.own().der))
}

impl Report {
    /// How many findings are errors.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.level == Level::Error).count()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        };
        write!(f, "{level}: {}: {}", self.place, self.message)
    }
}
