//! Who calls: what the connection shows, the address that trusted proxies name, and whether the call is admitted.

mod admission;
pub mod forwarded;
mod names;
mod peer;

pub use admission::{Admitted, Denied, Received, ReceivedBody, admit};
pub use names::{CallerNames, Hops};
pub use peer::{Certificate, Peer, Protocol, Tls};
