//! How much a request may have of what routes and messages are made from.

use crate::format::json;

/// The limits of requests, of all or of one rpc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How deep objects and arrays of a JSON body may be nested.
    pub json_depth: usize,
    /// How many pairs a query or a form may have, and how many parts a form in parts.
    pub query_pairs: usize,
    /// The longest query, in bytes, as it came.
    pub query_length: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { json_depth: json::DEPTH_LIMIT, query_pairs: 512, query_length: 16 << 10 }
    }
}
