//! Idempotency keys in a server of Redis or Valkey, which several gateways share.
//!
//! ```text
//! script   the two steps of the server: claim a key, settle it
//! record   what is stored of a key
//! answer   a stored response as bytes
//! seal     encrypts stored responses
//! ticket   the right to make the call of a claimed key
//! settle   tells the server the end of a call, again if it must
//! store    all of it, for the gateway
//! ```
//! Why a backend acts at most once for a key:
//!
//! - A call is made only after the server has confirmed the claim of its key. A claim without an answer is no right.
//! - A record in flight has no owner whose death frees it. After its lease it reads as unknown, by the server's clock,
//!   and it stays so until its lifetime ends. No gateway has to be alive for that.
//! - Only the gateway whose token is in the record frees it, and only if its call was certainly not sent.
//! - A claim that reaches the server late finds that its token was given up, and claims nothing.
//!
//! So if the server does not learn how a call ended, the key stays in flight and then reads as unknown. An answer
//! therefore need not wait for the server to store it.

mod answer;
mod counts;
mod record;
mod script;
mod seal;
mod settle;
mod store;
pub(crate) mod ticket;

pub(crate) use counts::SettleCounts;
pub use seal::SealingKeys;
pub use store::SharedKeys;
