//! `Range` (RFC 9110, section 14): sends a part of a raw response body.
//!
//! The backend sends the whole reply, again for every part. If the backend handles ranges itself, its headers win.

use std::ops::Range;

use http::header::{ACCEPT_RANGES, CONTENT_RANGE, HeaderMap, HeaderName, HeaderValue, RANGE};
use http::request::Parts;
use http::{Method, StatusCode};

use crate::gateway::answer::{Body, Response};
use crate::gateway::conditional;
use crate::gateway::error::Refusal;

/// RFC 9530, section 2: a digest of the bytes that are sent. The backend's digest of the whole does not match a part.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// The requested part of the response, or the whole response. Parts are not compressed, so they need a caller that
/// `takes_identity`.
///
/// # Errors
/// 416 if the response has none of the requested bytes.
pub(super) fn part(
    head: &Parts,
    mut response: Response,
    takes_identity: impl FnOnce() -> bool,
) -> Result<Response, Refusal> {
    let Body::Whole(whole) = response.body() else { return Ok(response) };
    let whole = whole.clone();
    let says = |name| response.headers().contains_key(name);
    let is_told = response.status() != StatusCode::OK || says(ACCEPT_RANGES) || says(CONTENT_RANGE);
    if is_told || !matches!(head.method, Method::GET | Method::HEAD) {
        return Ok(response);
    }
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Section 14.2: `Range` applies to GET only.
    let asked = asked(&head.headers).filter(|_| head.method == Method::GET);
    let asked = asked.filter(|_| conditional::allows_part(&head.headers, response.headers()) && takes_identity());
    let Some(asked) = asked else { return Ok(response) };
    let range = asked.within(whole.len()).ok_or_else(|| Refusal::range(whole.len()))?;
    // A suffix of an empty body is empty, which `Content-Range` cannot express.
    if range.is_empty() {
        return Ok(response);
    }
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let headers = response.headers_mut();
    headers.remove(CONTENT_DIGEST);
    let told = HeaderValue::try_from(format!("bytes {}-{}/{}", range.start, range.end - 1, whole.len()));
    headers.insert(CONTENT_RANGE, told.expect("numbers and a hyphen are a header's value"));
    *response.body_mut() = Body::Whole(whole.slice(range));
    Ok(response)
}

/// The range of bytes that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Requested {
    /// From the first position to the last, both included.
    Between(usize, usize),
    /// This many bytes at the end.
    Last(usize),
}

impl Requested {
    /// The range within a body of `length` bytes; `None` if it contains none of them.
    fn within(self, length: usize) -> Option<Range<usize>> {
        match self {
            Self::Between(first, last) => (first < length).then(|| first..last.saturating_add(1).min(length)),
            Self::Last(count) => (count > 0).then(|| length.saturating_sub(count)..length),
        }
    }
}

/// The range of bytes that a request asks for. Several ranges, other units and invalid values are ignored: "A server
/// MAY ignore the Range header field" (section 14.2).
fn asked(request: &HeaderMap) -> Option<Requested> {
    let mut values = request.get_all(RANGE).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let (unit, range) = value.split_once('=')?;
    let (first, last) = range.split_once('-').filter(|_| unit.eq_ignore_ascii_case("bytes"))?;
    match (first, last) {
        ("", count) => number(count).map(Requested::Last),
        (first, "") => number(first).map(|first| Requested::Between(first, usize::MAX)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Requested::Between(first, last))
        }
    }
}

/// Parses digits only. A number that is too large becomes the maximum, since no body is that long.
fn number(text: &str) -> Option<usize> {
    let add = |number: usize, byte: u8| {
        byte.is_ascii_digit().then(|| number.saturating_mul(10).saturating_add(usize::from(byte - b'0')))
    };
    text.bytes().try_fold(0, add).filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_byte_range_is_read_and_any_other_range_header_is_ignored() {
        use Requested::{Between, Last};
        const MOST: usize = usize::MAX;
        for (value, expected) in [
            ("bytes=0-0", Some(Between(0, 0))),
            ("bytes=2-5", Some(Between(2, 5))),
            ("bytes=2-", Some(Between(2, MOST))),
            ("bytes=-5", Some(Last(5))),
            ("bytes=-0", Some(Last(0))),
            ("BYTES=007-09", Some(Between(7, 9))),
            ("bytes=1-99999999999999999999999999999999999999", Some(Between(1, MOST))),
            ("bytes=99999999999999999999999999999999999999-", Some(Between(MOST, MOST))),
            ("bytes=-18446744073709551616", Some(Last(MOST))),
            // The last position is before the first: section 14.1.1, "invalid".
            ("bytes=5-2", None),
            ("bytes=", None),
            ("bytes=-", None),
            ("bytes=--5", None),
            ("bytes=5", None),
            ("bytes", None),
            ("", None),
            ("bytes=0-1,3-4", None),
            ("bytes=0-1,", None),
            ("bytes=,0-1", None),
            ("bytes= 0-1", None),
            ("bytes=0 -1", None),
            ("bytes=0- 1", None),
            ("bytes =0-1", None),
            ("bytes=+0-1", None),
            ("bytes=0-+1", None),
            ("bytes=0x0-1", None),
            ("bytes=0-1-2", None),
            ("bytes=a-b", None),
            ("bytes:0-1", None),
            ("items=0-1", None),
            ("=0-1", None),
        ] {
            let request = HeaderMap::from_iter([(RANGE, HeaderValue::from_static(value))]);
            assert_eq!(asked(&request), expected, "{value}");
        }
        let mut twice = HeaderMap::new();
        for _ in 0..2 {
            twice.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        }
        assert_eq!(asked(&twice), None);
        assert_eq!(asked(&HeaderMap::new()), None);
    }

    #[test]
    fn a_range_is_limited_to_the_length_of_the_body() {
        use Requested::{Between, Last};
        for (asked, length, expected) in [
            (Between(0, 0), 10, Some(0..1)),
            (Between(0, 9), 10, Some(0..10)),
            (Between(0, 10), 10, Some(0..10)),
            (Between(9, usize::MAX), 10, Some(9..10)),
            (Between(10, usize::MAX), 10, None),
            (Between(usize::MAX, usize::MAX), 10, None),
            (Between(0, usize::MAX), 0, None),
            (Last(3), 10, Some(7..10)),
            (Last(10), 10, Some(0..10)),
            (Last(usize::MAX), 10, Some(0..10)),
            (Last(0), 10, None),
            (Last(0), 0, None),
            (Last(1), 0, Some(0..0)),
        ] {
            assert_eq!(asked.within(length), expected, "{asked:?} of {length}");
        }
    }
}
