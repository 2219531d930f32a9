//! What the attempts at one call leave behind, for whoever records it.

use std::net::SocketAddr;

use tokio::time::Instant;

/// How often and where a call was tried. It is filled while the call goes on, and so it is true of one that is given up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trail {
    /// How often the call was given to a connection.
    pub attempts: u32,
    /// The address of the last one.
    pub address: Option<SocketAddr>,
    /// When the head of an answer came, if [`Self::is_timed`].
    pub heard: Option<Instant>,
    /// Whether somebody wants to know the times.
    pub is_timed: bool,
}

impl Trail {
    /// One whose times are noted, or not.
    #[must_use]
    pub fn new(is_timed: bool) -> Self {
        Self { is_timed, ..Self::default() }
    }

    pub(crate) fn tried(&mut self, address: SocketAddr) {
        self.attempts += 1;
        self.address = Some(address);
    }
}
