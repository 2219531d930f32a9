//! Streaming calls: reads several messages from a request body, and writes several messages and the status to a
//! response.
//!
//! Not every client of HTTP/1.1 receives trailers, so the body shows how the stream ended. A stream of lines or events
//! ends with one that has the status, and an array that is not closed is incomplete. So a reader can always tell a
//! complete stream from a truncated one.

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
pub(crate) use request::{End as UploadEnd, made_of_json};
pub use request::{Reading, Refused, Sending, Upload};
pub use resume::{LAST_EVENT_ID, NotAnEvent, last_event};
