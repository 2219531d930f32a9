//! What memory is used for, and how much of it counts as part of a call.

/// A worker takes memory from the budget, and gives it back, in units of this many bytes. It thus mostly has in reserve
/// what its next calls need.
pub(super) const CHUNK: usize = 256 << 10;

/// Bytes counted for everything small in one call: its task, its headers, bodies of a few KiB.
pub const CALL: usize = 16 << 10;

/// Up to this many bytes, a body or message is part of [`CALL`] and not counted separately.
pub const SMALL: usize = 4 << 10;

/// What memory is used for. The further a call has come, the more of the budget it may use, so that calls that have
/// begun can end. Large bodies leave some of the budget for small ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A new connection.
    Connection,
    /// What a request needs beyond [`CALL`].
    Request,
    /// A new call, counted as [`CALL`].
    Call,
    /// A message from the backend.
    Reply,
    /// The response to the caller.
    Answer,
}

impl Use {
    /// How many eighths of the budget may be in use after taking `bytes`. The last eighth is for small responses,
    /// because their calls have already been executed.
    pub(super) fn eighths(self, bytes: usize) -> usize {
        match self {
            Self::Connection | Self::Request => 4,
            Self::Call | Self::Reply => 5,
            Self::Answer if bytes > CHUNK => 7,
            Self::Answer => 8,
        }
    }
}
