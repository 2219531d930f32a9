//! The HTTP status and `Location` that reply metadata sets, if the configuration allows it.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Uri};

use super::lists::Metadata;

/// What the backend's metadata sets in the response to a successful call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The HTTP status: 200 to 299, or 303.
    pub status: Option<StatusCode>,
    /// The `Location`: an absolute path, or an http or https URL.
    pub location: Option<HeaderValue>,
    /// Metadata with other values. They are ignored, since the call has succeeded anyway.
    pub ignored: Vec<HeaderName>,
}

impl Metadata {
    /// The status and `Location` in the metadata of a reply.
    #[must_use]
    pub fn outcome(&self, metadata: &HeaderMap) -> Outcome {
        let mut ignored = Vec::new();
        let status = said(self.http_status.as_ref(), metadata, status, &mut ignored);
        let location = said(self.location.as_ref(), metadata, location, &mut ignored);
        Outcome { status, location, ignored }
    }
}

/// The value under `name`, if there is exactly one and `read` accepts it.
fn said<T>(
    name: Option<&HeaderName>,
    metadata: &HeaderMap,
    read: fn(&HeaderValue) -> Option<T>,
    ignored: &mut Vec<HeaderName>,
) -> Option<T> {
    let name = name?;
    let mut values = metadata.get_all(name).iter();
    let value = values.next()?;
    let said = read(value).filter(|_| values.next().is_none());
    if said.is_none() {
        ignored.push(name.clone());
    }
    said
}

/// A success status, or `See Other`. After a successful call a backend cannot set a failure, a status without a
/// response (1xx), or one that refers to a response that the caller has (304).
fn status(value: &HeaderValue) -> Option<StatusCode> {
    let status = StatusCode::from_bytes(value.as_bytes()).ok()?;
    (status.is_success() || status == StatusCode::SEE_OTHER).then_some(status)
}

fn location(value: &HeaderValue) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    // RFC 3986, appendix A: a URI contains no other characters. Browsers read `\` as `/`.
    let is_uri = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    let uri = text.bytes().all(is_uri).then(|| text.parse::<Uri>().ok()).flatten()?;
    let is_url =
        || matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
    // RFC 3986, section 4.2: a reference that begins with `//` names another host.
    let is_path = text.starts_with('/') && !text.starts_with("//");
    (is_path || is_url()).then(|| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_and_303_are_accepted_as_an_http_status() {
        for (text, taken) in [
            ("200", true),
            ("201", true),
            ("204", true),
            ("299", true),
            ("303", true),
            ("100", false),
            ("199", false),
            ("300", false),
            ("301", false),
            ("304", false),
            ("400", false),
            ("500", false),
            ("2000", false),
            ("20", false),
            ("+201", false),
            (" 201", false),
            ("created", false),
            ("", false),
        ] {
            let read = status(&HeaderValue::from_static(text));
            assert_eq!(read.map(|status| status.as_u16().to_string()), taken.then(|| text.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_location_must_be_an_absolute_path_or_an_http_url() {
        for (text, taken) in [
            (&b"/transfers/t-1"[..], true),
            (b"/", true),
            (b"/transfers?transfer_id=t%201#top", true),
            (b"https://bank.test/transfers/1", true),
            (b"http://bank.test:8080", true),
            (b"https://[::1]/x", true),
            (b"//bank.test/x", false),
            (b"/\\bank.test/x", false),
            (b"transfers/1", false),
            (b"", false),
            (b"javascript:alert(1)", false),
            (b"ftp://bank.test/x", false),
            (b"https:///x", false),
            (b"https:bank.test", false),
            (b"https://", false),
            (b"/a b", false),
            (b"/a\tb", false),
            (b"/caf\xc3\xa9", false),
            (b"/<script>", false),
        ] {
            let value = HeaderValue::from_bytes(text).unwrap();
            assert_eq!(location(&value), taken.then(|| value.clone()), "{}", String::from_utf8_lossy(text));
        }
    }
}
