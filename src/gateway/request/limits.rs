//! Size limits of a request's head, measured alike for every HTTP version.

use http::header::HeaderMap;

use crate::gateway::error::Refusal;

/// The most headers of a request. Over HTTP/1.1, hyper reads no more than this.
pub const MOST_HEADERS: usize = 100;

/// Checks the number and size of all headers, and returns the size.
///
/// # Errors
/// 431 if there are too many headers, or they are too long.
pub(crate) fn check_headers(headers: &HeaderMap, limit: usize) -> Result<usize, Refusal> {
    let size = size(headers);
    if headers.len() > MOST_HEADERS || size > limit {
        return Err(Refusal::headers_too_large(MOST_HEADERS, limit));
    }
    Ok(size)
}

/// The size in bytes as lines of HTTP/1.1, each with its `: ` and line end.
fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
}
