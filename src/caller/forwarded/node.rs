//! Parses one entry of a forwarding list: RFC 7239, section 4 (its parameters) and section 6 (its address).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The position of the last comma of a `Forwarded` line that is not in a quoted string: behind it, the last element
/// begins.
///
/// Quotes are counted from the right. Counted from the left, a quote that the caller opens and does not close would
/// swallow the elements of the proxies.
pub(super) fn last_comma(line: &[u8]) -> Option<usize> {
    let mut is_quoted = false;
    for (at, byte) in line.iter().enumerate().rev() {
        match byte {
            b'"' if !is_escaped(&line[..at]) => is_quoted = !is_quoted,
            b',' if !is_quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Whether the next byte is escaped, by a backslash that is not escaped itself. The quote that opens a string is never
/// escaped.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The value of the only `for` parameter of an element; `None` if any part of the element is malformed.
///
/// ```text
/// forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )
/// ```
/// Spaces around `;` are allowed, as in other fields. A quoted pair is not decoded, because no address has one.
pub(super) fn value_of_for(element: &[u8]) -> Option<&str> {
    let mut found = None;
    let mut rest = element;
    loop {
        if !rest.is_empty() && !rest.starts_with(b";") {
            let Pair { name, value, behind } = pair(rest)?;
            if name.eq_ignore_ascii_case(b"for") && found.replace(value).is_some() {
                return None;
            }
            rest = behind.trim_ascii_start();
        }
        match rest.split_first() {
            Some((b';', behind)) => rest = behind.trim_ascii_start(),
            Some(_) => return None,
            None => return std::str::from_utf8(found?).ok(),
        }
    }
}

/// A parameter, and the text behind it.
struct Pair<'a> {
    name: &'a [u8],
    value: &'a [u8],
    behind: &'a [u8],
}

fn pair(text: &[u8]) -> Option<Pair<'_>> {
    let (name, rest) = token(text)?;
    let value = rest.strip_prefix(b"=")?;
    let Some(inner) = value.strip_prefix(b"\"") else {
        let (value, behind) = token(value)?;
        return Some(Pair { name, value, behind });
    };
    let end = (0..inner.len()).find(|&at| inner[at] == b'"' && !is_escaped(&inner[..at]))?;
    Some(Pair { name, value: &inner[..end], behind: &inner[end + 1..] })
}

/// Splits off a token (RFC 9110, section 5.6.2).
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let end = text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The address of a node, without its port.
///
/// ```text
/// node     = nodename [ ":" node-port ]
/// nodename = IPv4address / "[" IPv6address "]" / "unknown" / obfnode
/// ```
pub(super) fn address(node: &str) -> Option<IpAddr> {
    if let Some(rest) = node.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        return is_port(port).then_some(address.into());
    }
    let (address, port) = node.split_at(node.find(':').unwrap_or(node.len()));
    let address: Ipv4Addr = address.parse().ok()?;
    is_port(port).then_some(address.into())
}

/// Whether the text is empty or `":" node-port`: up to five digits, or an obfuscated port.
fn is_port(text: &str) -> bool {
    let is_obfuscated = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    let Some(port) = text.strip_prefix(':') else { return text.is_empty() };
    match port.strip_prefix('_') {
        Some(name) => is_obfuscated(name),
        None => (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}
