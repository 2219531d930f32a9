//! Checks the host and the expectations of an HTTP/2 request.

use http::Request;
use http::header::{EXPECT, HOST};

use super::super::syntax::is_authority;
use super::super::violation::Violation;

/// The rule that a request breaks. hyper has already checked the framing and each pseudo-header field by itself.
pub(crate) fn violation<B>(request: &Request<B>) -> Option<Violation> {
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let (host, others) = (hosts.next(), hosts.count());
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    match (authority, host) {
        _ if others > 0 => return Some(Violation::HostCount(1 + others)),
        // RFC 9113, section 8.3.1: a request with these schemes has an authority or a Host header.
        (None, None) => return Some(Violation::HostCount(0)),
        // RFC 9113, section 8.3.1: a Host header must name the same host as the authority.
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host.as_bytes()) => {
            return Some(Violation::HostDiffers);
        }
        (Some(host), _) if !is_authority(host) => return Some(Violation::HostForm),
        (None, Some(host)) if !is_authority(host.as_bytes()) => return Some(Violation::HostForm),
        _ => {}
    }
    let is_known = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    (!headers.get_all(EXPECT).iter().all(is_known)).then_some(Violation::Expectation)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_request_must_name_one_host_and_have_a_supported_expectation() {
        for (uri, headers, expected) in [
            ("https://a.test/b", &[][..], None),
            ("https://a.test/b", &[("host", "A.test")], None),
            ("https://a.test:8443/b", &[("expect", "100-Continue")], None),
            ("/b", &[("host", "a.test")], None),
            ("/b", &[], Some(Violation::HostCount(0))),
            ("https://a.test/b", &[("host", "b.test")], Some(Violation::HostDiffers)),
            ("https://a.test/b", &[("host", "a.test:443")], Some(Violation::HostDiffers)),
            ("https://a.test/b", &[("host", "a.test"), ("host", "a.test")], Some(Violation::HostCount(2))),
            ("https://u@a.test/b", &[], Some(Violation::HostForm)),
            ("/b", &[("host", "a b")], Some(Violation::HostForm)),
            ("https://a.test/b", &[("expect", "y")], Some(Violation::Expectation)),
        ] {
            let request =
                headers.iter().fold(Request::get(uri), |request, (name, value)| request.header(*name, *value));
            assert_eq!(violation(&request.body(()).unwrap()), expected, "{uri} {headers:?}");
        }
    }
}
