//! `Prefer: wait=N` (RFC 7240, section 4.3): how long a caller waits for its response.

use http::HeaderMap;
use http::header::HeaderName;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The most digits that are read: enough for more seconds than anybody waits.
const DIGITS: usize = 9;

/// The seconds to wait, at least one. Other preferences are ignored (section 2), and the first of several counts.
#[must_use]
pub fn wait(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let first = values.flat_map(preferences).find_map(|preference| {
        // Parameters refine a preference; `wait` has none.
        let preference = preference.split(';').next().unwrap_or_default();
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim())
    })?;
    let digits = first.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(first);
    let is_number = (1..=DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|seconds| is_number && *seconds > 0)
}

/// The preferences in one header value, split at the commas outside quotes.
fn preferences(value: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    value.split(move |c| {
        let is_literal = std::mem::take(&mut is_escaped);
        match c {
            _ if is_literal => {}
            '\\' => is_escaped = is_quoted,
            '"' => is_quoted = !is_quoted,
            _ => return c == ',' && !is_quoted,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_the_first_wait_preference_counts_and_it_must_be_a_number() {
        for (values, seconds) in [
            (&["wait=10"][..], Some(10)),
            (&["Wait = 10"], Some(10)),
            (&["wait=\"10\""], Some(10)),
            (&["respond-async, wait=10"], Some(10)),
            (&["respond-async", "wait=10;x=1"], Some(10)),
            (&["wait=1, wait=2"], Some(1)),
            (&["wait=1", "wait=2"], Some(1)),
            (&["a=\"b, wait=3\", wait=4"], Some(4)),
            (&["a=\"b\\\", wait=3\", wait=4"], Some(4)),
            (&["wait=999999999"], Some(999_999_999)),
            (&[], None),
            (&[""], None),
            (&["wait"], None),
            (&["wait="], None),
            (&["wait=0"], None),
            (&["wait=-1"], None),
            (&["wait=+1"], None),
            (&["wait=1.5"], None),
            (&["wait=10s"], None),
            (&["wait=soon, wait=2"], None),
            (&["wait=1234567890"], None),
            (&["waiting=1"], None),
            (&["a=\"wait=1"], None),
        ] {
            let headers = values.iter().map(|value| (PREFER, HeaderValue::from_static(value))).collect();
            assert_eq!(wait(&headers), seconds, "{values:?}");
        }
    }
}
