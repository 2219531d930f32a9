//! Origins of web pages (RFC 6454, section 6.2) that may open a WebSocket. Browsers open one without a CORS preflight,
//! so the server must check the origin.

use std::str::FromStr;

use super::layer::optional;

optional!(Origins);

/// A set of origins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins(Vec<Origin>);

/// An origin, `scheme://host` or `scheme://host:port`, normalized to the form that browsers send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// The text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected scheme, host and port of pages, such as `https://app.bank.example`, found `{text}`")]
pub struct NoOrigin {
    text: String,
}

impl NoOrigin {
    /// This text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self { text: text.to_owned() }
    }
}

impl Origins {
    /// Whether the value of an `Origin` header is in the set.
    #[must_use]
    pub fn cover(&self, header: &[u8]) -> bool {
        self.0.iter().any(|origin| origin.0.as_bytes() == header)
    }

    /// The configured origins, in the form that browsers send.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|origin| origin.0.as_str())
    }
}

impl FromIterator<Origin> for Origins {
    fn from_iter<I: IntoIterator<Item = Origin>>(origins: I) -> Self {
        Self(origins.into_iter().collect())
    }
}

impl FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        origin(&text.to_ascii_lowercase()).map(Self).ok_or_else(|| NoOrigin { text: text.to_owned() })
    }
}

fn origin(text: &str) -> Option<String> {
    let (scheme, authority) = text.split_once("://")?;
    // An IPv6 address ends with `]`, so a `:` with `]` somewhere behind it does not begin a port.
    let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((host, port)) => (host, Some(port.parse::<u16>().ok().filter(|_| port.as_bytes()[0] != b'+')?)),
        None => (authority, None),
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let is_name = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_address = inside.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    if !is_scheme || !(is_name || is_address) {
        return None;
    }
    // Browsers leave out the default port of the scheme.
    let implied = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    Some(match port.filter(|port| Some(*port) != implied) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_normalised_to_the_form_that_browsers_send() {
        for (text, kept) in [
            ("https://app.bank.example", Some("https://app.bank.example")),
            ("HTTPS://App.Bank.Example", Some("https://app.bank.example")),
            ("https://app.bank.example:443", Some("https://app.bank.example")),
            ("http://localhost:80", Some("http://localhost")),
            ("http://localhost:443", Some("http://localhost:443")),
            ("http://127.0.0.1:3000", Some("http://127.0.0.1:3000")),
            ("https://[::1]", Some("https://[::1]")),
            ("https://[::1]:8443", Some("https://[::1]:8443")),
            ("chrome-extension://abc", Some("chrome-extension://abc")),
            ("https://app.bank.example/", None),
            ("https://app.bank.example/path", None),
            ("https://*.bank.example", None),
            ("https://user@bank.example", None),
            ("https://b\u{e4}nk.example", None),
            ("https://bank.example:", None),
            ("https://bank.example:+1", None),
            ("https://bank.example:65536", None),
            ("https://[bank]", None),
            ("https://", None),
            ("://bank.example", None),
            ("bank.example", None),
            ("null", None),
            ("*", None),
        ] {
            let origin = text.parse::<Origin>();
            assert_eq!(origin.as_ref().ok().map(|origin| origin.0.as_str()), kept, "{text}");
            if let Err(error) = origin {
                let expected = "expected scheme, host and port of pages, such as `https://app.bank.example`, found";
                assert_eq!(error.to_string(), format!("{expected} `{text}`"));
            }
        }
    }

    #[test]
    fn only_listed_origins_are_covered() {
        let origins: Origins = ["https://app.bank.example"].iter().map(|text| text.parse().unwrap()).collect();
        for (header, covered) in [
            ("https://app.bank.example", true),
            ("https://app.bank.example:8443", false),
            ("http://app.bank.example", false),
            ("https://app.bank.example.evil.example", false),
            ("https://bank.example", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(origins.cover(header.as_bytes()), covered, "{header}");
            assert!(!Origins::default().cover(header.as_bytes()), "{header}");
        }
    }
}
