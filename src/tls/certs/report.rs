//! What is asked of files of certificates, and what is found.

use std::fmt;
use std::path::PathBuf;

use crate::format::secret::Permissions;

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
pub struct Inspection {
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
