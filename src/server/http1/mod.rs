//! What RFC 9112 says of the bytes of a request, checked before anybody else reads them.
//!
//! A box in front and the gateway must agree on where each request ends and which host it is for; else one of them takes for a
//! request what the other one took for a body ("request smuggling"). So what can be read in two ways is refused, and the
//! connection ends: [`Strict`] stands between a connection and hyper, which is more lenient. [`HeadReader`] checks heads,
//! [`ChunkReader`] the framing of chunked bodies. None of them knows what a request is about.

mod chunks;
pub(super) mod head;
pub(super) mod strict;

pub use chunks::ChunkReader;
pub use head::{Framing, Head, HeadReader, Limits};
