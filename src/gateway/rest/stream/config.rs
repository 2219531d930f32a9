//! How streams are answered.

use std::time::Duration;

use super::frames::Format;

/// Default of [`Config::deadline`].
pub const DEADLINE: Duration = Duration::from_secs(60 * 60);

/// Default of [`Config::keep_alive`]: below the minute after which most proxies give up an idle answer.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How streams are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// For callers that do not say which they want.
    pub format: Format,
    /// Longest time for a call of several messages.
    pub deadline: Duration,
    /// Time without a message after which a stream of events gets a comment.
    pub keep_alive: Duration,
    /// Longest time that callers wait who ask for the next messages as an array, in whole seconds. None: nobody does.
    pub long_poll: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self { format: Format::Ndjson, deadline: DEADLINE, keep_alive: KEEP_ALIVE, long_poll: None }
    }
}
