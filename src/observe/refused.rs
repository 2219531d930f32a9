//! Logs requests and connections that end before a route is found; nothing else logs them.
//!
//! Callers can cause any number of these, so the log has at most one line per second and [`Stage`], with the number of
//! those left out. No line repeats anything that a caller sent.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::seldom::Seldom;

/// A request or connection that ended before routing.
pub struct Refused<'a> {
    /// The remote address of the connection, if known.
    pub peer: Option<IpAddr>,
    /// At which stage it ended.
    pub at: Stage,
    /// Why it ended, in our own words.
    pub reason: &'a dyn fmt::Display,
}

/// At which stage a request or connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The connection: it does not speak HTTP/2, or too much of what it carried was no call.
    Connection,
    /// The head of a request.
    Head,
}

/// Logs refusals, rate-limited. Cheap to clone: clones share one limit.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<Lines>);

/// When each stage last had a log line.
#[derive(Debug, Default)]
struct Lines {
    connections: Seldom,
    heads: Seldom,
}

impl Refusals {
    /// Logs a refusal, unless there was a line within the last second.
    pub fn note(&self, refused: &Refused<'_>) {
        let Refused { peer, at, reason } = refused;
        let (lines, what) = match at {
            Stage::Connection => (&self.0.connections, "ended a connection"),
            Stage::Head => (&self.0.heads, "refused a request"),
        };
        let Some(left_out) = lines.line() else { return };
        tracing::info!("{what} from {}: {reason}{left_out}", shown(*peer));
    }
}

/// Logs the refusals of one connection.
#[derive(Debug, Clone, Default)]
pub struct PeerRefusals {
    pub all: Refusals,
    /// The remote address of the connection, if known.
    pub peer: Option<IpAddr>,
}

impl PeerRefusals {
    /// Logs a refusal, unless there was a line within the last second.
    pub fn note(&self, at: Stage, reason: &dyn fmt::Display) {
        self.all.note(&Refused { peer: self.peer, at, reason });
    }
}

/// Formats an address for a log line.
#[must_use]
pub fn shown(peer: Option<IpAddr>) -> String {
    peer.map_or_else(|| "an unknown address".to_owned(), |peer| peer.to_string())
}
