//! What memory is for, and how much of it is one call's.

/// A worker takes and gives back so many bytes at one time: what its calls need next is mostly at hand.
pub(super) const CHUNK: usize = 256 << 10;

/// The memory of everything small that one call has: its task, its headers, bodies of a few KiB.
pub const CALL: usize = 16 << 10;

/// As much of a body, or of a message, is part of [`CALL`].
pub const SMALL: usize = 4 << 10;

/// What memory is for. The further a call has come, the more of it may be used, so that those that have begun can end, and that
/// large bodies leave some for small ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A connection.
    Connection,
    /// What a request has beyond [`CALL`].
    Request,
    /// A new call.
    Call,
    /// A message of the backend.
    Reply,
    /// What the caller gets.
    Answer,
}

impl Use {
    /// Eighths of the whole that may be in use after so many bytes of it. The last eighth is for small answers: their calls are made
    /// already.
    pub(super) fn eighths(self, bytes: usize) -> usize {
        match self {
            Self::Connection | Self::Request => 4,
            Self::Call | Self::Reply => 5,
            Self::Answer if bytes > CHUNK => 7,
            Self::Answer => 8,
        }
    }
}
