//! What RFC 9113 demands of an HTTP/2 server and hyper does not do.
//!
//! `Metered` stands between a connection and hyper. It counts the frames that cost their sender nothing against those
//! that calls need. If a caller sends too many, its connection is ended (RFC 9113, section 10.5). Some faults should
//! end only their stream, but hyper would end the connection with the calls of everybody on it: malformed headers,
//! which `heads` finds, and a WINDOW_UPDATE of zero. `Metered` keeps those to their stream. `request` checks the parts
//! of a request that hyper does not check.

pub(super) mod broken;
pub(super) mod frames;
mod heads;
mod hpack;
mod huffman;
pub(super) mod metered;
pub(super) mod request;
