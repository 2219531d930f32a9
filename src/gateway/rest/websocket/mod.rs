//! Calls of several messages over WebSockets (RFC 6455): both ways at once over HTTP/1.1, and from a browser.
//!
//! In go a call that is opened and a connection that has left HTTP; [`talk`] carries messages between them until one of
//! them ends. A text frame is a message in JSON as a line of NDJSON would have it, an empty one says that there are no more,
//! and the last one that goes out has the status. Which rpcs may be called so, and what a handshake says besides, is not
//! known here.

mod handshake;
mod socket;
mod talk;

pub use handshake::{agreed, is_handshake};
pub use talk::{Opened, talk};
