//! Explains why an HTTP/2 connection was ended.

use std::error::Error;
use std::fmt;

/// A connection error that the caller has caused (RFC 9113, section 5.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BrokenHttp2(h2::Reason);

/// The connection error that the caller has caused. `None` if the connection ended for another reason, for example
/// because the caller ended it.
pub(crate) fn broken(error: &hyper::Error) -> Option<BrokenHttp2> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.reason().filter(|_| error.is_library() && error.is_go_away()).map(BrokenHttp2);
        }
        cause = error.source();
    }
    None
}

impl fmt::Display for BrokenHttp2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what it sent is not HTTP/2 as RFC 9113 has it: {}", self.0.description())
    }
}
