//! Limits log lines that callers can cause to one per second, with the number of those left out.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Least time between two lines.
const TELL: Duration = Duration::from_secs(1);

/// Decides when a line may be written.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<LastLine>);

#[derive(Debug, Default)]
struct LastLine {
    at: Option<Instant>,
    left_out: u64,
}

/// How many lines were left out since the last one. Displayed as an empty text if there were none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut(u64);

impl Seldom {
    /// Asks whether to write a line; `None` means to leave it out.
    pub fn line(&self) -> Option<LeftOut> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if told.at.is_some_and(|at| now - at < TELL) {
            told.left_out += 1;
            return None;
        }
        told.at = Some(now);
        Some(LeftOut(std::mem::take(&mut told.left_out)))
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            more => write!(f, "; {more} more since the last line"),
        }
    }
}
