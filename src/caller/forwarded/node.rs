//! One entry of a list of hops: RFC 7239, section 4 (its parameters) and section 6 (the address in it).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where the last element of a `Forwarded` begins: at a comma that is in no quoted string.
///
/// Quotes are counted from the right. From the left, a quote that the caller has opened and not closed would take the elements
/// of the proxies into its string.
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

/// Whether what comes next is behind a backslash that is not behind one itself. Before the quotes that open a string there is
/// never one.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// What the one `for` of an element says; nothing if any part of the element is malformed.
///
/// ```text
/// forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )
/// ```
/// with the space around `;` that other fields allow. A quoted pair is left as it stands: no address has one.
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

/// A pair, and what stands behind it.
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

/// RFC 9110, section 5.6.2.
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

/// Nothing, or `":" node-port`: up to five digits, or an obfuscated one.
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
