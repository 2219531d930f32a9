//! The protobuf wire format: reads and writes tags, varints, fixed-size values and length-delimited values.
//!
//! <https://protobuf.dev/programming-guides/encoding/>. The input is not trusted: truncated, oversized or too deeply
//! nested values are errors, never panics. Knows nothing of descriptors.

use crate::format::block::{self, Piece};

/// How deeply groups of unknown fields may be nested.
const GROUP_DEPTH: usize = 100;

/// Why bytes are not in wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The input ends inside a value.
    #[error("the message ends inside a value")]
    Truncated,
    /// A varint of more than ten bytes, or of more than 64 bits.
    #[error("a varint is longer than 64 bits")]
    Varint,
    /// A field number that is 0 or above 2^29 - 1.
    #[error("a field number is out of range")]
    Number,
    /// Wire type 6 or 7; neither exists.
    #[error("a wire type is none of the six")]
    Type,
    /// A group end without its start, or with another group's field number.
    #[error("a group does not end as it began")]
    Group,
    /// Groups are nested deeper than `GROUP_DEPTH`.
    #[error("groups are nested too deep")]
    Depth,
}

/// Wire type of varints.
pub const VARINT: u8 = 0;
/// Wire type of 8-byte values.
pub const FIXED64: u8 = 1;
/// Wire type of length-delimited values: a length, then that many bytes.
pub const LENGTH: u8 = 2;
/// Wire type that starts a group.
pub const GROUP: u8 = 3;
/// Wire type that ends a group.
pub const END_GROUP: u8 = 4;
/// Wire type of 4-byte values.
pub const FIXED32: u8 = 5;

/// Reads a message in wire format from start to end.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// The unread bytes, followed by the rest of the surrounding buffer.
    ahead: &'a [u8],
    /// How many bytes of `ahead` belong to this message.
    left: usize,
}

impl<'a> From<Piece<'a>> for Reader<'a> {
    #[inline]
    fn from(piece: Piece<'a>) -> Self {
        Self { ahead: piece.from, left: piece.length }
    }
}

impl<'a> Reader<'a> {
    #[must_use]
    pub fn new(wire: &'a [u8]) -> Self {
        Self { ahead: wire, left: wire.len() }
    }

    /// Whether everything has been read.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The unread bytes.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.ahead[..self.left]
    }

    /// Reads a tag: a field number and a wire type.
    ///
    /// # Errors
    /// The next bytes are not a valid tag.
    #[inline]
    pub fn tag(&mut self) -> Result<(u32, u8), WireError> {
        let tag = match self.short() {
            Some(byte) => u32::from(byte),
            None => u32::try_from(self.long_varint()?).map_err(|_| WireError::Number)?,
        };
        let number = tag >> 3;
        if number == 0 { Err(WireError::Number) } else { Ok((number, (tag & 7) as u8)) }
    }

    /// The wire type of the next tag if that tag has this field number; otherwise nothing is read.
    #[inline]
    pub fn tag_of(&mut self, number: u32) -> Option<u8> {
        match self.ahead.first() {
            Some(&byte) if byte < 0x80 && self.left > 0 => {
                // Compares one byte instead of copying the reader, because repeated fields come here for every value.
                (u32::from(byte >> 3) == number).then(|| {
                    self.short();
                    byte & 7
                })
            }
            _ => {
                let mut ahead = *self;
                let (found, wire_type) = ahead.tag().ok()?;
                (found == number).then(|| {
                    *self = ahead;
                    wire_type
                })
            }
        }
    }

    /// Reads a varint of up to 64 bits.
    ///
    /// # Errors
    /// The varint is truncated or too long.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, WireError> {
        match self.short() {
            Some(byte) => Ok(u64::from(byte)),
            None => self.long_varint(),
        }
    }

    /// Reads a varint of one byte, the most common case; `None` if it is longer.
    #[inline]
    fn short(&mut self) -> Option<u8> {
        match self.ahead {
            [byte, ahead @ ..] if *byte < 0x80 && self.left > 0 => {
                self.ahead = ahead;
                self.left -= 1;
                Some(*byte)
            }
            _ => None,
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0;
        for (index, &byte) in self.rest().iter().take(10).enumerate() {
            // The tenth byte holds the one bit that is left; like other parsers, this one drops the excess bits.
            value |= u64::from(byte & 0x7f).checked_shl(7 * index as u32).unwrap_or(0);
            if byte < 0x80 {
                self.pass(index + 1)?;
                return Ok(value);
            }
        }
        Err(if self.left < 10 { WireError::Truncated } else { WireError::Varint })
    }

    /// Reads a 4-byte little-endian value.
    ///
    /// # Errors
    /// Fewer than four bytes are left.
    pub fn fixed32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Reads an 8-byte little-endian value.
    ///
    /// # Errors
    /// Fewer than eight bytes are left.
    pub fn fixed64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let bytes = self.ahead.first_chunk().ok_or(WireError::Truncated)?;
        self.pass(N)?;
        Ok(*bytes)
    }

    /// Reads a length and that many bytes.
    ///
    /// # Errors
    /// The length is malformed, or fewer bytes are left.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        self.piece().map(Piece::bytes)
    }

    /// Reads a length and that many bytes. The piece also gives access to the bytes after them.
    ///
    /// # Errors
    /// The length is malformed, or fewer bytes are left.
    #[inline]
    pub fn piece(&mut self) -> Result<Piece<'a>, WireError> {
        let length = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
        let from = self.ahead;
        self.pass(length)?;
        Ok(Piece { from, length })
    }

    #[inline]
    fn pass(&mut self, length: usize) -> Result<(), WireError> {
        let left = self.left.checked_sub(length).ok_or(WireError::Truncated)?;
        self.ahead = self.ahead.get(length..).ok_or(WireError::Truncated)?;
        self.left = left;
        Ok(())
    }

    /// The content of group `number`, whose start tag has been read.
    ///
    /// # Errors
    /// The group is not closed, is closed with another field number, or contains a malformed value.
    pub fn group(&mut self, number: u32) -> Result<&'a [u8], WireError> {
        let start = self.rest();
        loop {
            let before = self.left;
            match self.tag()? {
                (end, END_GROUP) if end == number => return Ok(&start[..start.len() - before]),
                (number, wire_type) => self.skip_nested(number, wire_type, 0)?,
            }
        }
    }

    /// Skips a value whose tag has been read.
    ///
    /// # Errors
    /// The value is malformed.
    pub fn skip(&mut self, number: u32, wire_type: u8) -> Result<(), WireError> {
        self.skip_nested(number, wire_type, 0)
    }

    fn skip_nested(&mut self, number: u32, wire_type: u8, depth: usize) -> Result<(), WireError> {
        match wire_type {
            VARINT => self.varint().map(drop),
            FIXED64 => self.fixed64().map(drop),
            LENGTH => self.bytes().map(drop),
            FIXED32 => self.fixed32().map(drop),
            GROUP if depth == GROUP_DEPTH => Err(WireError::Depth),
            GROUP => loop {
                match self.tag()? {
                    (end, END_GROUP) if end == number => return Ok(()),
                    (number, wire_type) => self.skip_nested(number, wire_type, depth + 1)?,
                }
            },
            END_GROUP => Err(WireError::Group),
            _ => Err(WireError::Type),
        }
    }
}

/// Appends a varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a tag: a field number with a wire type.
pub fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

/// Appends a length and that many bytes.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a length and the bytes of `piece`.
#[inline]
pub fn put_piece(out: &mut Vec<u8>, piece: Piece<'_>) {
    put_varint(out, piece.length as u64);
    block::put(out, piece);
}

/// Starts a length-delimited value whose length is not known yet. Pass the result to [`close`].
#[inline]
#[must_use]
pub fn open(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len()
}

/// Ends a value that [`open`] started by writing its length before it. The value moves if the length takes more than
/// one byte.
#[inline]
pub fn close(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    if length < 0x80 {
        out[start - 1] = length as u8;
    } else {
        close_long(out, start, length);
    }
}

fn close_long(out: &mut Vec<u8>, start: usize, length: usize) {
    let (prefix, size) = varint(length as u64);
    // `open` has reserved one byte for the length.
    let more = size - 1;
    out.resize(out.len() + more, 0);
    out.copy_within(start..start + length, start + more);
    out[start - 1..start + more].copy_from_slice(&prefix[..size]);
}

/// A varint and its length in bytes.
#[must_use]
pub fn varint(mut value: u64) -> ([u8; 10], usize) {
    let (mut bytes, mut size) = ([0; 10], 1);
    while value >= 0x80 {
        bytes[size - 1] = value as u8 | 0x80;
        value >>= 7;
        size += 1;
    }
    bytes[size - 1] = value as u8;
    (bytes, size)
}

/// ZigZag encoding of `sint32` and `sint64`, which keeps numbers of small absolute value short.
#[must_use]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Decodes ZigZag; the inverse of [`zigzag`].
#[must_use]
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_wire_format_is_refused() {
        for (bytes, error) in [
            (&b"\x08"[..], WireError::Truncated),
            (b"\x08\x80", WireError::Truncated),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", WireError::Varint),
            (b"\x0a\x02a", WireError::Truncated),
            (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", WireError::Truncated),
            (b"\x09\x01\x02", WireError::Truncated),
            (b"\x0d\x01", WireError::Truncated),
            (b"\x00\x00", WireError::Number),
            (b"\xf8\xff\xff\xff\x7f\x00", WireError::Number),
            (b"\x0e", WireError::Type),
            (b"\x0c", WireError::Group),
            (b"\x0b\x14", WireError::Group),
            (b"\x0b\x08\x01", WireError::Truncated),
        ] {
            let mut reader = Reader::new(bytes);
            let read = reader.tag().and_then(|(number, wire_type)| reader.skip(number, wire_type));
            assert_eq!(read, Err(error), "{bytes:?}");
        }
        let mut deep = Reader::new(&[0x0b; 200]);
        let (number, wire_type) = deep.tag().unwrap();
        assert_eq!(deep.skip(number, wire_type), Err(WireError::Depth));
    }

    #[test]
    fn varints_and_length_prefixes_round_trip() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(Reader::new(&out).varint(), Ok(value), "{value}");
            assert_eq!(zigzag(unzigzag(value)), value, "{value}");
        }
        for length in [0, 1, 127, 128, 16_383, 16_384, 70_000] {
            let mut out = vec![9];
            let start = open(&mut out);
            out.extend((0..length).map(|index| index as u8));
            close(&mut out, start);
            let mut reader = Reader::new(&out[1..]);
            let bytes = reader.bytes().unwrap();
            assert!(bytes.len() == length && reader.is_empty(), "{length}");
            assert!(bytes.iter().enumerate().all(|(index, &byte)| byte == index as u8), "{length}");
        }
    }
}
