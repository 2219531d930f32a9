//! The result of the search for a route.

use std::sync::Arc;

use super::choice::KeysApart;
use super::entry::Route;
use crate::format::suggestion::did_you_mean;

/// A route, and the text that each path variable captures, still percent-encoded.
#[derive(Debug)]
pub struct Found<'a> {
    pub route: &'a Arc<Route>,
    /// The captured text of each path variable, in the order of the template.
    pub captures: Vec<&'a str>,
}

/// Why no route was found.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// No template matches the path.
    #[error("no route matches this path{}", did_you_mean(near.as_deref()))]
    Path {
        /// A path that a route matches, and that differs from this one by little.
        near: Option<String>,
    },
    /// A segment of the path is `.` or `..`.
    #[error("the path contains \".\" or \"..\" as a segment; send the normalized path (RFC 3986, section 6.2.2.3)")]
    Dots,
    /// Templates match the path, but only for other methods.
    #[error("the path exists, but not for this method")]
    Method {
        /// The allowed methods, sorted. `OPTIONS` is always among them, and `HEAD` is if `GET` is.
        allowed: Vec<String>,
    },
    /// Several rpcs share method and path, and none of them takes this combination of query keys.
    #[error(transparent)]
    Keys(KeysApart),
}
