//! Idempotency keys: a request that its caller repeats is executed once, and answered with the first answer.
//!
//! ```text
//! key and caller -> slot; request -> fingerprint; both -> Store -> first: Ticket | again: Outcome | Conflict
//! first: Ticket -> call -> its outcome, stored whether or not the caller is still there
//! ```
//! A [`Ticket`] is the right to make the call, and there is one for each slot. However it ends, the slot is settled: free if the call
//! was certainly not sent, with the backend's answer if there is one, and unknown otherwise. Nothing in the store could be used to
//! call: keys, callers and requests are there as SHA-256.

pub(crate) mod key;
pub(crate) mod outcome;
mod request;
mod slot;
pub(crate) mod store;
#[cfg(test)]
mod tests;
pub(crate) mod ticket;
pub(crate) mod turn;
