//! Why a connection of HTTP/2 was ended.

use std::error::Error;
use std::fmt;

/// What a caller has sent that is not HTTP/2 (RFC 9113, section 5.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BrokenHttp2(h2::Reason);

/// The fault of the caller for which a connection was ended. `None` if it was ended for something else: by the caller itself, say.
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
