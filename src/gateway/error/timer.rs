//! Whose timeout ended a call, for the errors that say so.

use std::fmt;
use std::time::Duration;

use http::HeaderName;

/// The timeout of a call, and who set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    pub whose: Whose,
    /// The timeout, counted from the arrival of the request.
    pub length: Duration,
}

/// Who set the timeout of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// The caller, with this header.
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
