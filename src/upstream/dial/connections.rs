//! Settings for the lifetime of connections.

use std::time::Duration;

/// How connections are made and how long they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// The longest time for TCP, the tunnel of a proxy, TLS and the start of HTTP/2. The deadline of the call applies
    /// as well.
    pub connect_timeout: Duration,
    /// After this time without calls a connection is closed, give or take a tenth.
    pub idle: Duration,
    /// After this time a connection gets no new calls, give or take a tenth; it is closed when its calls are done.
    pub age: Duration,
    /// If nothing arrives for this time while calls wait, a PING is sent. A connection without calls is checked with a
    /// PING before its next call.
    pub ping_interval: Duration,
    /// The longest time for the answer to a PING; then the connection is closed.
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
