//! Calls of several messages: how they come in a request's body, and how an answer tells them and their end.
//!
//! HTTP/1.1 has no trailers that reach everybody, so the end of a stream is told in its body: a stream of lines or of events
//! ends with one that has the status, and an array that is not closed is not whole. A reader always knows a complete
//! stream from a cut one.

mod accept;
mod batch;
mod call;
mod config;
mod frames;
mod inbox;
mod prefer;
mod reply;
mod request;
mod resume;

pub use accept::{Asking, chosen};
pub use batch::{Batch, BatchEnd};
pub use call::{Converted, Converting, Failure, OnlyMessage, Stopping, StreamingCall};
pub use config::{Config, DEADLINE, KEEP_ALIVE};
pub use frames::Format;
pub use inbox::{Inbox, Item, Prepared, inbox};
pub use prefer::wait;
pub use reply::{Reply, Streamed};
pub use request::{Reading, Sending, Upload};
pub use resume::{LAST_EVENT_ID, NotAnEvent, last_event};
