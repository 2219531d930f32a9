//! The characters and numbers of HTTP/1.1 and HTTP/2: RFC 9110, section 5, and RFC 3986.

use std::net::Ipv6Addr;

use crate::format::block::{self, SIZE};

/// `uri-host [ ":" port ]` (RFC 9110, section 7.2; RFC 3986, section 3.2). Delimiters that the grammar allows in a host
/// name are rejected: no host has them, and some readers split lists or user information at them.
pub(super) fn is_authority(text: &[u8]) -> bool {
    let (is_host, port) = match text {
        [b'[', ..] => {
            let Some(end) = text.iter().position(|&byte| byte == b']') else { return false };
            let address = std::str::from_utf8(&text[1..end]).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
            (address.is_some(), &text[end + 1..])
        }
        _ => {
            let end = text.iter().position(|&byte| !IN_NAME[usize::from(byte)]).unwrap_or(text.len());
            (end > 0, &text[end..])
        }
    };
    is_host
        && match port {
            [] => true,
            [b':', digits @ ..] => digits.len() <= 5 && whole_number(digits).is_some_and(|port| port <= 0xffff),
            _ => false,
        }
}

/// Whether a byte may be part of a token (RFC 9110, section 5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

const TOKEN: [bool; 256] = alphanumeric_and(b"!#$%&'*+-.^_`|~");
/// The bytes that may be part of a host name.
const IN_NAME: [bool; 256] = alphanumeric_and(b"-._~");

/// The bytes that may be part of a request target: printable ASCII except for these.
const IN_TARGET: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        table[byte as usize] = !is_one_of(byte, b"\"#<>\\^`");
        byte += 1;
    }
    table
};

const fn alphanumeric_and(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || is_one_of(byte, others);
        byte += 1;
    }
    table
}

/// Whether a URI can be read from the text: RFC 3986, and also `{`, `|` and `}`, which many callers do not encode.
pub(super) fn is_target(text: &[u8]) -> bool {
    // Checks every byte without branching, as `has_control` does.
    text.iter().fold(true, |so_far, &byte| so_far & IN_TARGET[usize::from(byte)])
}

const fn is_one_of(byte: u8, bytes: &[u8]) -> bool {
    let mut index = 0;
    while index < bytes.len() {
        if bytes[index] == byte {
            return true;
        }
        index += 1;
    }
    false
}

/// Whether there is a control character other than the tab.
pub(super) fn has_control(text: &[u8]) -> bool {
    text.iter().fold(0, |found, &byte| found | u8::from(is_control(byte))) != 0
}

fn is_control(byte: u8) -> bool {
    ((byte < b' ') & (byte != b'\t')) | (byte == 0x7f)
}

/// The position of the first byte, from `from` on, that is set in the bits of its block. `is_one` decides for the bytes
/// behind the last whole block.
#[inline]
fn first(bytes: &[u8], from: usize, bits: impl Fn(&[u8; SIZE]) -> u32, is_one: impl Fn(u8) -> bool) -> Option<usize> {
    let mut at = from;
    while let Some(block) = bytes[at..].first_chunk() {
        match bits(block) {
            0 => at += SIZE,
            found => return Some(at + found.trailing_zeros() as usize),
        }
    }
    bytes[at..].iter().position(|&byte| is_one(byte)).map(|found| at + found)
}

/// The position of the first control character other than the tab, from `from` on.
#[inline]
pub(super) fn first_control(bytes: &[u8], from: usize) -> Option<usize> {
    first(bytes, from, block::controls, is_control)
}

/// The position of the first byte, from `from` on, that a request target cannot have.
#[inline]
pub(super) fn target_end(bytes: &[u8], from: usize) -> Option<usize> {
    first(bytes, from, block::not_in_target, |byte| !IN_TARGET[usize::from(byte)])
}

/// A number in decimal digits, if it certainly fits into 64 bits.
pub(super) fn whole_number(digits: &[u8]) -> Option<u64> {
    // The largest numbers of 64 bits have 20 digits; 19 digits always fit.
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0, |value, &digit| digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0')))
}
