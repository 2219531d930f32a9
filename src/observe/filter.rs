//! Lets the filter of the log be replaced while the process runs.

/// Decides which log lines are written.
pub trait LogFilter: Send + Sync {
    /// The current filter.
    fn shown(&self) -> String;

    /// Replaces the filter.
    ///
    /// # Errors
    /// `filter` is not a valid filter; the error says why.
    fn replace(&self, filter: &str) -> Result<(), String>;
}
