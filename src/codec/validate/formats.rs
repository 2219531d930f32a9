//! The formats of strings that rules can demand. Each is decided in one pass, without patterns.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest host name, without a dot at its end (RFC 1035, section 2.3.4).
const LONGEST_HOST: usize = 253;
const LONGEST_LABEL: usize = 63;

/// HTML, "valid email address": what browsers accept.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_atom = |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    !local.is_empty() && local.bytes().all(is_atom) && domain.split('.').all(is_label)
}

/// RFC 1123, section 2.1: labels of letters, digits and hyphens; the last is not a number.
pub(super) fn is_hostname(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= LONGEST_HOST && text.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_label(label: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=LONGEST_LABEL).contains(&label.len())
        && label.bytes().all(is_part)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

pub(super) fn is_ip(text: &str) -> bool {
    is_ipv4(text) || is_ipv6(text)
}

pub(super) fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

/// RFC 4291, with a zone (RFC 4007) if there is one.
pub(super) fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    address.parse::<Ipv6Addr>().is_ok() && zone != Some("")
}

/// Which addresses are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Any,
    Four,
    Six,
}

pub(super) fn is_ip_of(text: &str, version: Version) -> bool {
    match version {
        Version::Any => is_ip(text),
        Version::Four => is_ipv4(text),
        Version::Six => is_ipv6(text),
    }
}

/// An address and the length of a prefix: `10.0.0.0/8`. If `strict`, all bits behind the prefix are 0.
pub(super) fn is_ip_prefix(text: &str, version: Version, strict: bool) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let is_number = !length.is_empty() && length.len() <= 3 && length.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_number && (length == "0" || !length.starts_with('0'));
    let Some(length) = length.parse::<u32>().ok().filter(|_| is_plain) else { return false };
    let four = address.parse::<Ipv4Addr>().ok().filter(|_| version != Version::Six);
    if let Some(address) = four {
        let behind = u32::MAX.checked_shr(length).unwrap_or(0);
        return length <= 32 && !(strict && address.to_bits() & behind != 0);
    }
    let six = address.parse::<Ipv6Addr>().ok().filter(|_| version != Version::Four);
    let Some(address) = six else { return false };
    let behind = u128::MAX.checked_shr(length).unwrap_or(0);
    length <= 128 && !(strict && address.to_bits() & behind != 0)
}

/// A full name of protobuf: identifiers with dots between them.
pub(super) fn is_protobuf_name(text: &str) -> bool {
    let is_identifier = |part: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
        part.bytes().next().is_some_and(is_letter) && part.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
    };
    text.split('.').all(is_identifier)
}

/// A full name of protobuf with a dot before it.
pub(super) fn is_dotted_protobuf_name(text: &str) -> bool {
    text.strip_prefix('.').is_some_and(is_protobuf_name)
}

/// The name of an HTTP header, as RFC 9110 has it, or a pseudo-header of HTTP/2.
pub(super) fn is_header_name(text: &str) -> bool {
    let name = text.strip_prefix(':').unwrap_or(text);
    // buf.validate has `+-.` in its character class, which means the characters from `+` to `.`.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+,-.^_|~`".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

/// What can be no more than the name of a header: text without line ends and NUL.
pub(super) fn is_loose_header_name(text: &str) -> bool {
    !text.is_empty() && is_loose_header_value(text)
}

/// The value of an HTTP header: no control characters but tabs.
pub(super) fn is_header_value(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

/// Text without line ends and NUL.
pub(super) fn is_loose_header_value(text: &str) -> bool {
    text.bytes().all(|byte| !matches!(byte, b'\0' | b'\r' | b'\n'))
}

pub(super) fn is_address(text: &str) -> bool {
    is_hostname(text) || is_ip(text)
}

/// RFC 9562, section 4.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

pub(super) fn is_tuuid(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// 26 characters of Crockford's base 32; the first is at most 7.
pub(super) fn is_ulid(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() && !b"ILOU".contains(&byte.to_ascii_uppercase());
    text.len() == 26 && text.bytes().all(is_digit) && matches!(text.as_bytes()[0], b'0'..=b'7')
}

/// A host or an IP address, IPv6 in brackets, then a port.
pub(super) fn is_host_and_port(text: &str) -> bool {
    is_host_with_port(text, true)
}

/// A host or an IP address, IPv6 in brackets, then a port, which may be missing unless it is required.
pub(super) fn is_host_with_port(text: &str, is_required: bool) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(inside) => {
            let Some((address, rest)) = inside.rsplit_once(']') else { return false };
            if !is_ipv6(address) {
                return false;
            }
            ("", rest)
        }
        None => text.find(':').map_or((text, ""), |colon| text.split_at(colon)),
    };
    let is_host = text.starts_with('[') || is_hostname(host) || is_ipv4(host);
    let has_port = match port.strip_prefix(':') {
        Some(port) => is_port(port) && (port == "0" || !port.starts_with('0')),
        None => port.is_empty() && !is_required,
    };
    is_host && has_port
}

fn is_port(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

/// RFC 3986, section 3: with a scheme.
pub(super) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(is_scheme) && is_relative(rest)
}

/// RFC 3986, section 4.1: a URI, or a reference relative to one.
pub(super) fn is_uri_ref(text: &str) -> bool {
    // Section 4.2: the first segment of a relative path has no colon; it would be a scheme.
    let first = text.split(['/', '?', '#']).next().unwrap_or_default();
    is_uri(text) || (!first.contains(':') && is_relative(text))
}

/// Everything behind the scheme.
fn is_relative(text: &str) -> bool {
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let path = match path.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            if !is_authority(&rest[..end]) {
                return false;
            }
            &rest[end..]
        }
        None => path,
    };
    has_only(path, b":@/") && has_only(query, b":@/?") && has_only(fragment, b":@/?")
}

fn is_authority(text: &str) -> bool {
    let (user, host) = text.rsplit_once('@').unwrap_or(("", text));
    let (host, port) = match host.strip_prefix('[') {
        Some(inside) => {
            let Some((address, port)) = inside.rsplit_once(']') else { return false };
            if !(is_literal_address(address) && (port.is_empty() || port.starts_with(':'))) {
                return false;
            }
            ("", port.strip_prefix(':').unwrap_or(port))
        }
        None => host.split_once(':').unwrap_or((host, "")),
    };
    has_only(user, b":") && is_reg_name(host) && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// RFC 3986, section 3.2.2, and RFC 6874: what may stand in brackets.
fn is_literal_address(text: &str) -> bool {
    if let Some(future) = text.strip_prefix(['v', 'V']) {
        return future.split_once('.').is_some_and(|(version, address)| {
            let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_version && !address.is_empty() && !address.contains('%') && has_only(address, b":")
        });
    }
    match text.split_once("%25") {
        Some((address, zone)) => {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
            address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() && zone.bytes().all(is_plain) && is_reg_name(zone)
        }
        None => text.parse::<Ipv6Addr>().is_ok(),
    }
}

/// A name of a host; what is percent-encoded in it is UTF-8.
fn is_reg_name(text: &str) -> bool {
    has_only(text, b"") && percent_encoding::percent_decode_str(text).decode_utf8().is_ok()
}

/// Whether a text has only unreserved characters, sub-delimiters, `more`, and percent-encoded bytes.
fn has_only(text: &str, more: &[u8]) -> bool {
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = match byte {
            b'%' => match after {
                [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
                _ => return false,
            },
            byte if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte) || more.contains(byte) => after,
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_accepts_what_its_specification_allows_and_nothing_else() {
        type Case = (&'static str, fn(&str) -> bool, &'static [&'static str], &'static [&'static str]);
        let long = "a".repeat(64);
        assert!(!is_hostname(&long) && is_hostname(&long[1..]));
        let cases: &[Case] = &[
            (
                "email",
                is_email,
                &["a@b", "a.b+c@d-e.example"],
                &["", "a", "@b", "a@", "a@-b", "a b@c", "a@b..c", "a@b@c"],
            ),
            (
                "hostname",
                is_hostname,
                &["a", "a.b.", "xn--4gbrim", "1a.2b"],
                &["", ".", "a..b", "-a", "a-", "a_b", "1.2.3.4", "é"],
            ),
            ("ipv4", is_ipv4, &["127.0.0.1"], &["127.0.0", "127.0.0.01", "256.0.0.1", "::1"]),
            ("ipv6", is_ipv6, &["::1", "fe80::1%eth0", "1:2:3:4:5:6:7:8"], &["127.0.0.1", ":::", "::1%", "[::1]"]),
            ("address", is_address, &["a.example", "127.0.0.1", "::1"], &["", "a_b", "1.2.3"]),
            (
                "uuid",
                is_uuid,
                &["8e03978e-40d5-43dd-bc93-6894a57f9324"],
                &["8e03978e40d543ddbc936894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f932g"],
            ),
            ("tuuid", is_tuuid, &["8e03978e40d543ddbc936894a57f9324"], &["8e03978e-40d5-43dd-bc93-6894a57f9324"]),
            (
                "ulid",
                is_ulid,
                &["01ARZ3NDEKTSV4RRFFQ69G5FAV"],
                &["81ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAU", ""],
            ),
            (
                "host_and_port",
                is_host_and_port,
                &["a:80", "127.0.0.1:0", "[::1]:443"],
                &["a", "a:", "a:65536", "a:080", "::1:80", "[a]:1"],
            ),
            (
                "uri",
                is_uri,
                &["https://a.example/b?c=d#e", "urn:a:b", "a:", "http://u@[::1]:80/%20"],
                &["", "a", "//a", "1a:b", "http://[a]/", "http://a b", "a:%2", "a:[", "http://a:b/"],
            ),
            ("uri_ref", is_uri_ref, &["", "a/b", "/a", "//a/b", "?c", "#d", "https://a"], &["a b", "1:a", "%", "a[b"]),
        ];
        for (name, is, good, bad) in cases {
            for text in *good {
                assert!(is(text), "{name}: {text:?}");
            }
            for text in *bad {
                assert!(!is(text), "{name}: {text:?}");
            }
        }
    }
}
