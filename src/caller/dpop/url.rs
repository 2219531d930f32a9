//! Compares the URL of a proof with the URL of a request.
//!
//! Both are compared after the normalisation of RFC 3986, sections 6.2.2 and 6.2.3: scheme and host in lower case, no default port, `/` in
//! place of an empty path, percent-encoding in upper case and only where it is needed. Segments `.` and `..` stay: a
//! request with one is refused anyway. The URL of a request comes from the configuration and its path, never from `Host`.

use std::borrow::Cow;
use std::fmt;

/// The URL that callers use for this API, up to the paths of the routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(TargetUrl);

/// A URL of `https`, normalised, without query and fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetUrl {
    authority: String,
    path: String,
}

impl TargetUrl {
    /// Parses a URL and drops its query and fragment. `None` if it is not an `https` URL, or has a user.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let path = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
        let path = if path.is_empty() { "/" } else { path };
        Some(Self { authority: normal_authority(authority)?, path: normal_path(path)?.into_owned() })
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.authority, self.path)
    }
}

impl PublicUrl {
    /// Parses the URL.
    ///
    /// # Errors
    /// It is not an `https` URL, or has a user, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = if text.contains(['?', '#']) { None } else { TargetUrl::parse(text) };
        let url = url.ok_or_else(|| format!("expected a URL such as `https://api.bank.example`, got `{text}`"))?;
        Ok(Self(TargetUrl { path: url.path.trim_end_matches('/').to_owned(), ..url }))
    }

    /// Whether `target` is the URL of a request for this path.
    pub(super) fn is_of(&self, target: &TargetUrl, path: &str) -> bool {
        let Self(base) = self;
        let rest = target.path.strip_prefix(&base.path).filter(|_| target.authority == base.authority);
        rest.is_some_and(|rest| normal_path(path).is_some_and(|path| path == rest))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn normal_authority(text: &str) -> Option<String> {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let (host, port) = match text.rsplit_once(':') {
        // The colons of an IPv6 address are within brackets.
        Some((host, port)) if is_port(port) && !host.contains(['[', ']']) => (host, port),
        Some((host, port)) if is_port(port) && host.ends_with(']') => (host, port),
        _ => (text, ""),
    };
    let is_address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).is_some_and(|address| {
        !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.')
    });
    let is_name = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if !is_address && !is_name {
        return None;
    }
    let host = host.to_ascii_lowercase();
    Some(if port.is_empty() || port == "443" { host } else { format!("{host}:{port}") })
}

/// `None` if something in it is neither a character of a path nor percent-encoding.
fn normal_path(path: &str) -> Option<Cow<'_, str>> {
    let is_right = |byte: u8| matches!(byte, 0x21..=0x7e) && !b"\"<>\\^`{|}?#".contains(&byte);
    if !path.starts_with('/') || !path.bytes().all(is_right) {
        return None;
    }
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut normal = String::with_capacity(path.len());
    let mut pieces = path.split('%');
    normal.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        // `from_str_radix` takes a sign.
        let byte = if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            u8::from_str_radix(digits, 16).ok()?
        } else {
            return None;
        };
        // RFC 3986, section 2.3.
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            normal.push(char::from(byte));
        } else {
            normal.push('%');
            normal.push_str(&digits.to_ascii_uppercase());
        }
        normal.push_str(rest);
    }
    Some(Cow::Owned(normal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        TargetUrl::parse(text).map(|url| format!("{} {}", url.authority, url.path))
    }

    #[test]
    fn a_url_is_normalised_according_to_rfc_3986() {
        for (text, expected) in [
            ("https://server.example.com/token", Some("server.example.com /token")),
            ("HTTPS://API.Bank.Example:443", Some("api.bank.example /")),
            ("https://api.bank.example:/a", Some("api.bank.example /a")),
            ("https://api.bank.example:8443/a?b=c#d", Some("api.bank.example:8443 /a")),
            ("https://api.bank.example?b", Some("api.bank.example /")),
            ("https://[::1]:8443/", Some("[::1]:8443 /")),
            ("https://[2001:DB8::1]/", Some("[2001:db8::1] /")),
            ("https://a/%7euser/%2f%c3%a9/%41", Some("a /~user/%2F%C3%A9/A")),
            ("https://a/b//c/", Some("a /b//c/")),
            ("http://api.bank.example/", None),
            ("api.bank.example/", None),
            ("https:///a", None),
            ("https://u@a/", None),
            ("https://a:b/", None),
            ("https://a:1:2/", None),
            ("https://[::1/", None),
            ("https://[]/", None),
            ("https://a/%4", None),
            ("https://a/%+1", None),
            ("https://a/%zz", None),
            ("https://a/b c", None),
            ("https://a/\u{e9}", None),
            ("https://a\u{e9}/", None),
            ("", None),
        ] {
            assert_eq!(shown(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_target_of_a_proof_must_be_the_public_url_followed_by_the_request_path() {
        for (public, path, target, is_of) in [
            ("https://api.bank.example", "/v1/7", "https://api.bank.example/v1/7", true),
            ("https://api.bank.example/", "/v1/7", "https://API.bank.example:443/v1/7?a=b", true),
            ("https://api.bank.example/ob", "/v1/7", "https://api.bank.example/ob/v1/7", true),
            ("https://api.bank.example", "/v1/%7e", "https://api.bank.example/v1/~", true),
            ("https://api.bank.example", "/v1/a%2fb", "https://api.bank.example/v1/a%2Fb", true),
            ("https://api.bank.example", "/", "https://api.bank.example", true),
            ("https://api.bank.example", "/v1/a%2Fb", "https://api.bank.example/v1/a/b", false),
            ("https://api.bank.example", "/v1/7", "https://api.bank.example/v1/7/", false),
            ("https://api.bank.example", "/v1/7", "https://api.bank.example/v1/../v1/7", false),
            ("https://api.bank.example", "/v1/7", "https://api.bank.example:8443/v1/7", false),
            ("https://api.bank.example", "/v1/7", "https://api.bank.example.evil.test/v1/7", false),
            ("https://api.bank.example/ob", "/v1/7", "https://api.bank.example/v1/7", false),
            ("https://api.bank.example/ob", "/v1/7", "https://api.bank.example/obv1/7", false),
        ] {
            let public = PublicUrl::parse(public).unwrap();
            assert_eq!(public.is_of(&TargetUrl::parse(target).unwrap(), path), is_of, "{public} {path} {target}");
        }
        for text in ["http://a", "https://a?b", "https://a/#", "https://", "a"] {
            let expected = format!("expected a URL such as `https://api.bank.example`, got `{text}`");
            assert_eq!(PublicUrl::parse(text), Err(expected));
        }
    }
}
