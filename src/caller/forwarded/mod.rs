//! The caller's address as trusted proxies in front say it: a connection's address and a request's headers in, one address out.
//!
//! Each proxy appends the address that its own connection came from, and what stands to the left of that is as good as whoever
//! wrote it. So the list is read from its right end, for as long as a trusted proxy must have written the next entry; what was
//! written before that is not even parsed. Knows no metadata, and no names of hosts.

mod network;
mod node;
mod proxies;
#[cfg(test)]
mod tests;

pub use network::{Network, NetworkError};
pub use proxies::{List, Proxies};
