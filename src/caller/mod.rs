//! Who calls: what the connection shows, the address that trusted proxies name, and whether the call is admitted.

mod admission;
pub mod forwarded;
mod peer;

pub use admission::{Admitted, admit};
pub use peer::{Caller, CallerNames, Said};
