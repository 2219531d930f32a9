//! Idempotency keys: a request that its caller repeats is executed once, and later attempts get the first response
//! again.
//!
//! ```text
//! key and caller -> slot; request -> fingerprint; both -> Store -> first: Ticket | again: Outcome | Conflict
//! first: Ticket -> call -> its outcome, stored whether or not the caller is still there
//! ```
//! A [`Ticket`] is the right to make the call; there is one per slot. However the call ends, the slot is settled. It
//! becomes free if the call was certainly not sent. It holds the backend's response if there is one, and is unknown
//! otherwise. The store is the memory of this process, or a server that several processes share ([`shared`]). It holds keys, callers and requests only as SHA-256 digests, so nothing in it could be used to
//! make a call.

pub(crate) mod call_ticket;
pub(crate) mod key;
pub(crate) mod outcome;
mod request;
pub(super) mod shared;
mod slot;
pub(crate) mod store;
#[cfg(test)]
mod tests;
pub(crate) mod ticket;
pub(crate) mod turn;
