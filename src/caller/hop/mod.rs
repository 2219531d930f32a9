//! Client certificates that a trusted proxy in front passes on in a header, because TLS ends there.
//!
//! The proxy proves that its client has the key of the certificate; everything else is checked here, as for a
//! certificate from a TLS handshake. A header counts only on a connection of the proxy. What is missing, repeated,
//! unreadable or not accepted is an error, and never an anonymous caller. This module knows nothing of sockets and trust
//! anchors: the check of a chain is given to it.

mod error;
mod format;
mod proxy;

pub use error::HopError;
pub use format::{Format, Unreadable};
pub use proxy::{CheckChain, Hop, Rules};
