//! Limits of how often callers may call, and how many of their requests are in progress, by who they are, where they come
//! from and what they call.
//!
//! Limits that do not ask who calls are checked before a token is verified, the others after. A request that one limit
//! refuses is not counted by those before it. A request is in progress until the last byte of its answer.

mod config;
pub(crate) mod key;
pub(crate) mod limits;
mod shared;

pub use config::{By, Limit, Mode, QuotaHeaders, Shared, StoreAway};
