//! What RFC 9113 leaves to whoever serves HTTP/2, below and beside hyper.
//!
//! `Metered` stands between a connection and hyper. It counts the frames that cost their sender nothing against those that a
//! call needs, and ends the connection of a caller who sends too many of them (RFC 9113, section 10.5). It also keeps some faults to
//! their stream that would otherwise end the connection with the calls of everybody on it: malformed headers, which `heads` finds,
//! and a WINDOW_UPDATE of zero. `request` checks the parts of a request that hyper leaves open.

pub(super) mod broken;
pub(super) mod frames;
mod heads;
mod hpack;
mod huffman;
pub(super) mod metered;
pub(super) mod request;
