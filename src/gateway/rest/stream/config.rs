//! Settings for streaming calls.

use std::time::Duration;

use super::frames::Format;

/// The default of [`Config::deadline`].
pub const DEADLINE: Duration = Duration::from_secs(60 * 60);

/// The default of [`Config::keep_alive`]: less than the minute after which most proxies close an idle response.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Settings for streaming calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The format for callers that do not ask for one.
    pub format: Format,
    /// The longest time that a streaming call may take.
    pub deadline: Duration,
    /// An event stream sends a comment after this time without a message.
    pub keep_alive: Duration,
    /// The longest time that callers may poll for the next messages as an array, in whole seconds. `None` turns polling
    /// off.
    pub long_poll: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self { format: Format::Ndjson, deadline: DEADLINE, keep_alive: KEEP_ALIVE, long_poll: None }
    }
}
