//! Builds the head of a call: `Request-Headers` of gRPC over HTTP/2.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, Request};
use tokio::time::Instant;

use super::message::ACCEPTED;

/// What the heads of all calls to a backend have in common.
#[derive(Clone)]
pub(crate) struct CallHeads {
    pub(crate) scheme: Scheme,
    authority: Authority,
    /// The headers, with a place for the timeout. Copying them costs less than making them for each call.
    headers: HeaderMap,
}

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

impl CallHeads {
    /// With `compression` the backend is told that it may compress replies.
    pub(crate) fn new(scheme: Scheme, authority: Authority, compression: bool) -> Self {
        let fixed = |value| HeaderValue::from_static(value);
        let mut headers = HeaderMap::from_iter([
            (TE, fixed("trailers")),
            (CONTENT_TYPE, fixed("application/grpc")),
            (USER_AGENT, fixed(AGENT)),
            (TIMEOUT, fixed("1S")),
        ]);
        if compression {
            headers.insert(HeaderName::from_static("grpc-accept-encoding"), fixed(ACCEPTED));
        }
        Self { scheme, authority, headers }
    }

    /// The head of a call with this deadline.
    pub(crate) fn request(&self, path: &PathAndQuery, metadata: HeaderMap, deadline: Instant) -> Request<()> {
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(path.clone());
        let mut request = Request::new(());
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = http::Version::HTTP_2;
        *request.uri_mut() = http::Uri::from_parts(uri).expect("scheme, authority and path make a URI");
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        match grpc_timeout(deadline.saturating_duration_since(Instant::now())) {
            Some(timeout) => headers.insert(TIMEOUT, timeout),
            None => headers.remove(TIMEOUT),
        };
        self.add(metadata, headers);
        request
    }

    /// Adds metadata. It cannot replace what makes a call one of gRPC.
    fn add(&self, metadata: HeaderMap, headers: &mut HeaderMap) {
        let mut last = None;
        for (name, value) in metadata {
            // Further values of a name come without it.
            let is_first = name.is_some();
            let name = name.or(last.take()).expect("the first value comes with its name");
            if name == USER_AGENT {
                if is_first {
                    headers.insert(USER_AGENT, behind(&value));
                }
            } else if !self.headers.contains_key(&name) {
                headers.append(name.clone(), value);
            }
            last = Some(name);
        }
    }
}

/// The `user-agent` of Towbar.
const AGENT: &str = concat!("towbar/", env!("CARGO_PKG_VERSION"));

/// Appends [`AGENT`] to the caller's `user-agent`: RFC 9110, section 10.1.5, lists products in decreasing order of
/// significance.
fn behind(callers: &HeaderValue) -> HeaderValue {
    let both = [callers.as_bytes().trim_ascii(), AGENT.as_bytes()].join(&b' ');
    HeaderValue::from_bytes(both.trim_ascii()).unwrap_or(HeaderValue::from_static(AGENT))
}

/// The value of `grpc-timeout`. gRPC over HTTP/2: `TimeoutValue` has at most 8 digits. That many milliseconds are more
/// than a day, and that many seconds three years; anything longer is sent without a timeout.
fn grpc_timeout(left: Duration) -> Option<HeaderValue> {
    const MOST: u64 = 99_999_999;
    // Rounded up: the backend's timer should not end before the gateway's, which gives the better error.
    let begun = u64::from(left.subsec_nanos().div_ceil(1_000_000));
    let milliseconds = left.as_secs().saturating_mul(1000).saturating_add(begun).max(1);
    let (mut value, unit) = match milliseconds {
        0..=MOST => (milliseconds, b'm'),
        _ => (milliseconds.div_ceil(1000), b'S'),
    };
    if value > MOST {
        return None;
    }
    // This runs for every call, so it writes the digits itself and allocates only the value.
    let mut text = *b"00000000m";
    let mut first = text.len() - 1;
    text[first] = unit;
    while value > 0 {
        first -= 1;
        text[first] += (value % 10) as u8;
        value /= 10;
    }
    Some(HeaderValue::from_bytes(&text[first..]).expect("digits and a letter are a header value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeout_is_the_remaining_time_rounded_up() {
        for (left, header) in [
            (Duration::ZERO, "1m"),
            (Duration::from_micros(1), "1m"),
            (Duration::from_millis(25), "25m"),
            (Duration::from_micros(25_001), "26m"),
            (Duration::from_millis(99_999_999), "99999999m"),
            (Duration::from_millis(100_000_000), "100000S"),
            (Duration::from_millis(100_000_001), "100001S"),
            (Duration::from_secs(99_999_999), "99999999S"),
        ] {
            assert_eq!(grpc_timeout(left).unwrap(), header, "{left:?}");
        }
        for left in [Duration::from_secs(100_000_000), Duration::MAX] {
            assert_eq!(grpc_timeout(left), None, "{left:?}");
        }
    }
}
