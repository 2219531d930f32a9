//! Whose time is over, for the answers that say so.

use std::fmt;
use std::time::Duration;

use http::HeaderName;

/// How long a call may take, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// Who.
    pub whose: Whose,
    /// How long, from the request's arrival on.
    pub length: Duration,
}

/// Who limits the time of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// The caller, in this header.
    Caller(HeaderName),
    /// The configuration, for this rpc.
    Route,
    /// The configuration, for all rpcs.
    Gateway,
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whose, length } = self;
        match whose {
            Whose::Caller(header) => write!(f, "the caller's timeout of {length:?} ({header})"),
            Whose::Route => write!(f, "the route's deadline of {length:?}"),
            Whose::Gateway => write!(f, "the gateway's deadline of {length:?}"),
        }
    }
}
