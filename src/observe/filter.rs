//! The filter of the log, for whoever replaces it while the process runs.

/// Which lines of the log are written.
pub trait LogFilter: Send + Sync {
    /// The filter that holds.
    fn shown(&self) -> String;

    /// Replaces it.
    ///
    /// # Errors
    /// The text is no filter, and why.
    fn replace(&self, filter: &str) -> Result<(), String>;
}
