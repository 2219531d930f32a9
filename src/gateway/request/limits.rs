//! What a request's head may have, measured alike whatever carried it.

use http::header::HeaderMap;

use crate::gateway::error::Refusal;

/// Most headers; over HTTP/1.1 hyper reads no more.
pub const MOST_HEADERS: usize = 100;

/// Checks the size of all headers, and gives it.
///
/// # Errors
/// 431.
pub(crate) fn check_headers(headers: &HeaderMap, limit: usize) -> Result<usize, Refusal> {
    let size = size(headers);
    if headers.len() > MOST_HEADERS || size > limit {
        return Err(Refusal::headers_too_large(MOST_HEADERS, limit));
    }
    Ok(size)
}

/// As lines of HTTP/1.1, each with its `: ` and its end.
fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
}
