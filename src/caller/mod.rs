//! Who calls: what the connection shows, and the address that trusted proxies name.

pub mod forwarded;
mod peer;

pub use peer::{Caller, CallerNames, Said};
