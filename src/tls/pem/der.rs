//! Recognizes the kind of a DER structure by its outermost fields. Nothing in it is verified.

use super::unusable::Kind;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0] EXPLICIT`: the tag of a certificate's version.
const VERSION: u8 = 0xa0;

/// PKCS#7 `signedData`, 1.2.840.113549.1.7.2.
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];

/// One field: its tag, and as much of its content as is present.
#[derive(Clone, Copy)]
struct DerField<'a> {
    tag: u8,
    content: &'a [u8],
}

/// The kind of a structure, even if its end is missing.
pub(super) fn kind(der: &[u8]) -> Option<Kind> {
    let (outer, _) = field(der)?;
    if outer.tag != SEQUENCE {
        return None;
    }
    let [first, second, third] = three(outer.content);
    let second = second.map(|field| field.tag);
    let first = first?;
    match (first.tag, second) {
        // RFC 2315, section 7.
        (OBJECT_ID, _) if first.content == SIGNED_DATA => Some(Kind::Pkcs7),
        // RFC 8017, A.1.2: version, modulus, exponents, primes. RFC 5915: version and key.
        (INTEGER, Some(INTEGER)) => Some(Kind::Pkcs1),
        (INTEGER, Some(OCTET_STRING)) => Some(Kind::Sec1),
        // RFC 7292, section 4: version 3. RFC 5958: version 0 or 1.
        (INTEGER, Some(SEQUENCE)) if first.content == [3] => Some(Kind::Pkcs12),
        (INTEGER, Some(SEQUENCE)) => Some(Kind::Pkcs8),
        (SEQUENCE, Some(BIT_STRING)) => Some(Kind::PublicKey),
        (SEQUENCE, Some(OCTET_STRING)) => Some(Kind::Encrypted),
        (SEQUENCE, Some(SEQUENCE)) if third.is_none_or(|third| third.tag == BIT_STRING) => signed(first.content),
        _ => None,
    }
}

/// The kind of a signed structure: a certificate or a revocation list (RFC 5280, sections 4.1 and 5.1), or a
/// certificate request (RFC 2986, section 4.1).
fn signed(content: &[u8]) -> Option<Kind> {
    let [first, second, third] = three(content);
    let (first, second) = (first?, second?);
    match (first.tag, third.map(|field| field.tag)) {
        (VERSION, _) => Some(Kind::Certificate),
        (INTEGER, Some(SEQUENCE)) => {
            let is_name = second.content.is_empty() || second.content[0] == SET;
            let is_revocations = third.is_some_and(|third| third.content.first() == Some(&SET)) && first.content == [1];
            match (is_name, is_revocations) {
                (true, _) => Some(Kind::Request),
                (false, true) => Some(Kind::Crl),
                (false, false) => Some(Kind::Certificate),
            }
        }
        _ => None,
    }
}

/// Whether `der` is exactly one complete structure, with nothing behind it.
pub(super) fn is_whole(der: &[u8]) -> bool {
    length(der).is_some_and(|(header, length)| length.is_some_and(|length| header + length == der.len()))
}

fn three(content: &[u8]) -> [Option<DerField<'_>>; 3] {
    let mut rest = content;
    let mut next = || {
        let (found, behind) = field(rest)?;
        rest = behind;
        Some(found)
    };
    [next(), next(), next()]
}

fn field(der: &[u8]) -> Option<(DerField<'_>, &[u8])> {
    let (header, length) = length(der)?;
    let content = &der[header..];
    // PKCS#12 files of some tools are BER, with an indefinite length at their outermost level.
    let end = length.unwrap_or(content.len()).min(content.len());
    Some((DerField { tag: der[0], content: &content[..end] }, &content[end..]))
}

/// The length of tag and length bytes, and the length of the content behind them; `None` for an indefinite length.
fn length(der: &[u8]) -> Option<(usize, Option<usize>)> {
    match *der.get(1)? {
        short @ 0..0x80 => Some((2, Some(usize::from(short)))),
        0x80 => Some((2, None)),
        long @ 0x81..=0x84 => {
            let count = usize::from(long & 0x7f);
            let digits = der.get(2..2 + count)?;
            Some((2 + count, Some(digits.iter().fold(0, |number, digit| number << 8 | usize::from(*digit)))))
        }
        _ => None,
    }
}
