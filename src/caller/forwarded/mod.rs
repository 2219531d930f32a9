//! Finds the address of the caller behind trusted proxies, from the address of the connection and the headers of a
//! request.
//!
//! Each proxy appends the address that its connection came from. What stands to the left of that is only as reliable as
//! whoever wrote it. So the list is read from its right end, as long as the next entry was certainly written by a
//! trusted proxy. Anything further left is not even parsed. This module knows nothing of metadata and host names.

mod network;
mod node;
mod proxies;
#[cfg(test)]
mod tests;

pub use network::{Network, NetworkError};
pub use proxies::{List, Proxies};
