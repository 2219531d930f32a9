//! What became of a call at the backend.

/// Whether the backend may have acted on a call. Every error of a call has one, and every refusal of a request: retries, logs and the
/// texts for callers are made from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It has not: nothing was sent, or the backend says that it has not touched what was sent (RFC 9113, section 8.7).
    NotSent,
    /// Nobody knows: the request may have arrived, and no answer came that could be read.
    Unknown,
    /// It has answered, with a reply or a status.
    Answered,
}

impl Fate {
    /// Whether the same call can be made again without being made twice.
    #[must_use]
    pub fn is_safe_to_repeat(self) -> bool {
        self == Self::NotSent
    }
}
