//! What a check of certificate files is asked, and what it reports.

use std::fmt;
use std::path::PathBuf;

use crate::format::secret::Permissions;

/// The network that a certificate is for. `docs/certificates.md` has the rules of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Token: the network knows the bank's certificate itself, not its issuer.
    Token,
    /// Thales: a self-signed client certificate is endorsed in their portal.
    Thales,
}

/// What the certificates are used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Presented to callers.
    Server,
    /// Presented to an upstream.
    Client,
    /// Trusted: a bundle of authorities.
    Trust,
}

/// What to check.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// PEM files with certificates and keys, in any order and split in any way.
    pub files: Vec<PathBuf>,
    /// What the certificates are used for, if it is known.
    pub usage: Option<Usage>,
    /// The network whose own rules apply.
    pub profile: Option<Profile>,
    /// The common name that the certificate must have.
    pub name: Option<String>,
    /// Who may read the files with private keys.
    pub permissions: Permissions,
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The certificate or key does not work, or must not be used.
    Error,
    /// It works today, or with some peers only.
    Warning,
    /// Files alone cannot answer the question.
    Note,
}

/// One finding about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The severity.
    pub level: Level,
    /// The file, and the number of the certificate if it has several.
    pub place: String,
    /// What was expected and what was found.
    pub message: String,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The contents of the files: some lines for people for each certificate and each key.
    pub facts: Vec<String>,
    /// The findings, in the order of the files.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The number of findings that are errors.
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
