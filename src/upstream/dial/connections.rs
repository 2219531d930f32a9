//! How long connections may take, and how long they are kept.

use std::time::Duration;

/// How connections are made and how long they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Longest time for TCP, the tunnel of a proxy, TLS and the beginning of HTTP/2; the call's own deadline counts besides.
    pub connect_timeout: Duration,
    /// A connection without calls is closed after this time, a tenth more or less.
    pub idle: Duration,
    /// A connection gets no new calls after this time, a tenth more or less, and is closed when its calls are done.
    pub age: Duration,
    /// A connection on which nothing comes for this time while calls wait is asked with a PING; one without calls is asked
    /// before it has the next.
    pub ping_interval: Duration,
    /// Longest time for the answer to one; then the connection is closed.
    pub ping_timeout: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle: Duration::from_secs(10 * 60),
            age: Duration::from_secs(30 * 60),
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(10),
        }
    }
}
