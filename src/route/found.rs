//! What comes of the search for a route.

use std::sync::Arc;

use super::choice::KeysApart;
use super::entry::Route;

/// A route and what the path gave to its variables, still percent-encoded.
#[derive(Debug)]
pub struct Found<'a> {
    /// The route.
    pub route: &'a Arc<Route>,
    /// One raw text for each variable.
    pub captures: Vec<&'a str>,
}

/// Why no route was found.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// No template has this path.
    #[error("no route matches this path")]
    Path,
    /// A segment of the path is `.` or `..`.
    #[error("the path contains \".\" or \"..\" as a segment; send the normalized path (RFC 3986, section 6.2.2.3)")]
    Dots,
    /// Templates have this path, but for other methods.
    #[error("the path exists, but not for this method")]
    Method {
        /// Those methods, sorted; `OPTIONS` is always one of them, and `HEAD` where `GET` is.
        allowed: Vec<String>,
    },
    /// Several rpcs share method and path, and none of them takes these query keys together.
    #[error(transparent)]
    Keys(KeysApart),
}
