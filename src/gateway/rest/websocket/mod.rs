//! Streaming calls over WebSockets (RFC 6455): both directions at once over HTTP/1.1, and from browsers.
//!
//! [`talk`] gets an open call and an upgraded connection, and carries messages between them until one of them ends. A
//! text frame is one message in JSON, as in a line of NDJSON. An empty text frame means that no more follow. The last
//! frame that is sent has the status. This module does not know which rpcs may be called this way, nor what else a
//! handshake may contain.

mod handshake;
mod socket;
mod talk;

pub use handshake::{agreed, is_handshake};
pub use talk::{Opened, talk};
