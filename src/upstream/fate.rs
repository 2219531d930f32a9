//! What happened to a call at the backend.

/// Whether the backend may have acted on a call. Every call error and every rejected request has a fate. It decides
/// about retries, log lines and the texts for callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// The backend has not acted: nothing was sent, or the backend says that it has not processed what was sent (RFC
    /// 9113, section 8.7).
    NotSent,
    /// Unknown: the request may have arrived, but no readable answer came.
    Unknown,
    /// The backend has answered, with a reply or a status.
    Answered,
}

impl Fate {
    /// Whether the call can be sent again without the risk of acting twice.
    #[must_use]
    pub fn is_safe_to_repeat(self) -> bool {
        self == Self::NotSent
    }
}
