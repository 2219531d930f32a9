//! `log.access`: where the lines go, their form, and which of them are written.

use std::path::PathBuf;

use super::line::Outcome;

/// The access log, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the lines go.
    pub to: Output,
    /// Their form.
    pub format: Format,
    /// How many of them are written.
    pub sample: PerOutcome<Share>,
    /// The level that a line says.
    pub levels: PerOutcome<&'static str>,
}

/// Where the lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error, among the lines of the log.
    Stderr,
    /// This file, appended to, and opened again on SIGHUP and SIGUSR1.
    File(PathBuf),
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An object of JSON.
    Json,
    /// The same, with field names of the Elastic Common Schema.
    Ecs,
    /// `key=value` pairs.
    Logfmt,
    /// For people.
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

/// A part of all lines, in parts of 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(pub u16);

impl Share {
    /// Every line.
    pub const ALL: Self = Self(10_000);

    /// Whether this line is one of them.
    pub(super) fn has_this_one(self) -> bool {
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
    /// All lines as JSON, there.
    #[must_use]
    pub fn to(to: Output) -> Self {
        Self { to, format: Format::Json, sample: PerOutcome::default(), levels: PerOutcome::default() }
    }
}
