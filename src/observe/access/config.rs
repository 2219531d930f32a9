//! `log.access`: where the lines go, in which format, and which of them are written.

use std::path::PathBuf;

use super::line::Outcome;

/// Configuration of the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub to: Output,
    pub format: Format,
    /// What share of the lines is written, per outcome.
    pub sample: PerOutcome<Share>,
    /// The value of the field `level`, per outcome.
    pub levels: PerOutcome<&'static str>,
}

/// Where the lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error, mixed with the log.
    Stderr,
    /// Appended to this file, which is reopened on SIGHUP and SIGUSR1.
    File(PathBuf),
}

/// Format of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object.
    Json,
    /// A JSON object with field names of the Elastic Common Schema.
    Ecs,
    /// `key=value` pairs.
    Logfmt,
    /// Text for people to read.
    Text,
}

/// A value for each [`Outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerOutcome<T> {
    /// [`Outcome::Answered`].
    pub answered: T,
    /// [`Outcome::Refused`].
    pub refused: T,
    /// [`Outcome::Failed`].
    pub failed: T,
    /// [`Outcome::Abandoned`].
    pub abandoned: T,
}

/// A share of the lines, in units of 1/10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(pub u16);

impl Share {
    /// Every line.
    pub const ALL: Self = Self(10_000);

    /// Decides at random whether this one belongs to the share.
    pub(in crate::observe) fn has_this_one(self) -> bool {
        self == Self::ALL || fastrand::u16(..10_000) < self.0
    }
}

impl<T: Copy> PerOutcome<T> {
    pub(super) fn of(&self, outcome: Outcome) -> T {
        match outcome {
            Outcome::Answered => self.answered,
            Outcome::Refused => self.refused,
            Outcome::Failed => self.failed,
            Outcome::Abandoned => self.abandoned,
        }
    }
}

impl Default for PerOutcome<Share> {
    fn default() -> Self {
        Self { answered: Share::ALL, refused: Share::ALL, failed: Share::ALL, abandoned: Share::ALL }
    }
}

impl Default for PerOutcome<&'static str> {
    fn default() -> Self {
        Self { answered: "info", refused: "warn", failed: "error", abandoned: "warn" }
    }
}

impl Config {
    /// All lines as JSON, written to `to`.
    #[must_use]
    pub fn to(to: Output) -> Self {
        Self { to, format: Format::Json, sample: PerOutcome::default(), levels: PerOutcome::default() }
    }
}
