//! What the attempts at one call leave behind for logs and traces.

use std::net::SocketAddr;

use tokio::time::Instant;

/// How often and where a call was tried. It is filled while the call runs, so it is also right for a call that is
/// abandoned.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trail {
    /// How often the call was placed on a connection.
    pub attempts: u32,
    /// The address of the last attempt.
    pub address: Option<SocketAddr>,
    /// When the head of the answer came, if [`Self::is_timed`].
    pub heard: Option<Instant>,
    /// Whether times are noted.
    pub is_timed: bool,
}

impl Trail {
    /// A trail that notes times if `is_timed`.
    #[must_use]
    pub fn new(is_timed: bool) -> Self {
        Self { is_timed, ..Self::default() }
    }

    pub(crate) fn tried(&mut self, address: SocketAddr) {
        self.attempts += 1;
        self.address = Some(address);
    }
}
