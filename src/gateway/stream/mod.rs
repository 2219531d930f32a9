//! Calls of several messages: how they come in a request's body, and how an answer tells them and their end.
//!
//! HTTP/1.1 has no trailers that reach everybody, so the end of a stream is told in its body: a stream of lines or of events
//! ends with one that has the status, and an array that is not closed is not whole. A reader always knows a complete
//! stream from a cut one.

mod accept;
mod batch;
mod exchange;
mod frames;
mod inbox;
mod prefer;
mod reply;
mod request;
mod resume;

use std::time::Duration;

pub use accept::{Asking, chosen};
pub use batch::{Batch, BatchEnd};
pub use exchange::{Converted, Converting, Exchange, Failure, Stopping};
pub use frames::Format;
pub use inbox::{Inbox, Item, Known, inbox};
pub use prefer::wait;
pub use reply::Reply;
pub use request::{Reading, Sending, Upload};
pub use resume::{LAST_EVENT_ID, NotAnEvent, last_event};

/// Default of [`Config::deadline`].
pub const DEADLINE: Duration = Duration::from_secs(60 * 60);

/// Default of [`Config::keep_alive`]: below the minute after which most proxies give up an idle answer.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How streams are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// For callers that do not say which they want.
    pub format: Format,
    /// Whether lines that all went well with end with one that says so.
    pub closing_line: bool,
    /// Longest time for a call of several messages.
    pub deadline: Duration,
    /// Time without a message after which a stream of events gets a comment.
    pub keep_alive: Duration,
    /// Longest time that callers wait who ask for the next messages as an array, in whole seconds. None: nobody does.
    pub long_poll: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self { format: Format::Ndjson, closing_line: true, deadline: DEADLINE, keep_alive: KEEP_ALIVE, long_poll: None }
    }
}
