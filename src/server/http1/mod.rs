//! Checks the bytes of requests by RFC 9112 before anything else reads them.
//!
//! A proxy in front and the gateway must agree on where each request ends and which host it is for. Otherwise one of
//! them may take for a request what the other took for a body ("request smuggling"). So everything that can be read in
//! two ways is rejected, and the connection ends. [`Strict`] stands between a connection and hyper, which is more
//! lenient. [`HeadReader`] checks heads, [`ChunkReader`] the framing of chunked bodies. None of them knows what a
//! request is about.

mod chunks;
pub(super) mod head;
pub(super) mod strict;

pub use chunks::ChunkReader;
pub use head::{Framing, Head, HeadReader, Limits};
