//! The right to make the call for an idempotency key, wherever the key is stored.

use super::outcome::Outcome;
use super::shared::ticket::SharedTicket;
use super::store::End;
use super::ticket::Ticket;

/// The right to make the call for a key. However it ends, the key is settled.
pub(crate) enum CallTicket {
    Memory(Ticket<Outcome>),
    Shared(SharedTicket),
}

impl CallTicket {
    /// Records that the call is sent to the backend from here on.
    pub(crate) fn sends(&mut self) {
        match self {
            Self::Memory(ticket) => ticket.sends(),
            Self::Shared(ticket) => ticket.sends(),
        }
    }

    /// Settles the key with the end of the call.
    pub(crate) fn settle(self, end: End<Outcome>) {
        match self {
            Self::Memory(ticket) => ticket.settle(end),
            Self::Shared(ticket) => ticket.settle(end),
        }
    }
}
