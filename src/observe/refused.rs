//! What ended before it had a route: a request or a connection that nobody else tells of.
//!
//! Callers can cause as many of these as they like, so the log has a line a second for each [`Stage`], with the number of those
//! that were left out. No line repeats what a caller has sent.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::seldom::Seldom;

/// The record of an exchange that ended before routing.
pub struct Refused<'a> {
    /// The address that the connection comes from, if it is known.
    pub peer: Option<IpAddr>,
    /// Where it ended.
    pub at: Stage,
    /// Why, in words of ours.
    pub reason: &'a dyn fmt::Display,
}

/// How far an exchange came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its connection: what came on it is not HTTP/2, or too much of it was no call.
    Connection,
    /// Its head.
    Head,
}

/// All that were refused. Cheap to clone: the clones are one.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<Lines>);

/// When the log had its last line of each stage.
#[derive(Debug, Default)]
struct Lines {
    connections: Seldom,
    heads: Seldom,
}

impl Refusals {
    /// Tells of one more, unless the last second had a line.
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

/// Those of one connection.
#[derive(Debug, Clone, Default)]
pub struct PeerRefusals {
    /// Where they are told.
    pub all: Refusals,
    /// [`Refused::peer`].
    pub peer: Option<IpAddr>,
}

impl PeerRefusals {
    /// Tells of one more.
    pub fn note(&self, at: Stage, reason: &dyn fmt::Display) {
        self.all.note(&Refused { peer: self.peer, at, reason });
    }
}

/// An address, for a line of the log.
#[must_use]
pub fn shown(peer: Option<IpAddr>) -> String {
    peer.map_or_else(|| "an unknown address".to_owned(), |peer| peer.to_string())
}
