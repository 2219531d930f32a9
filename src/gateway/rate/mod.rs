//! Rate limits: how often callers may call, by who they are, where they come from and what they call.
//!
//! Limits that do not ask who calls are checked before a token is verified, the others after. A request that one limit
//! refuses is not counted by those before it.

mod config;
pub(crate) mod limits;

pub use config::{By, Limit, Mode};
