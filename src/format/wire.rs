//! The wire format of protocol buffers: tags, varints, lengths. Bytes in, [`Record`]s out, and the way back.
//!
//! <https://protobuf.dev/programming-guides/encoding/>. Input is not trusted: what is cut short, too long or nested too
//! deep is an error, never a panic. Knows no descriptors.

use crate::format::block::{self, Piece};

/// How deep groups that nobody knows may be nested.
const GROUP_DEPTH: usize = 100;

/// Why bytes are not in wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The end came inside a value.
    #[error("the message ends inside a value")]
    Truncated,
    /// More than ten bytes, or more than 64 bits.
    #[error("a varint is longer than 64 bits")]
    Varint,
    /// Field number 0, or over 2^29 - 1.
    #[error("a field number is out of range")]
    Number,
    /// Wire type 6 or 7.
    #[error("a wire type is none of the six")]
    Type,
    /// An end of a group without its start, or of another.
    #[error("a group does not end as it began")]
    Group,
    /// Groups in groups.
    #[error("groups are nested too deep")]
    Depth,
}

/// Wire types.
pub const VARINT: u8 = 0;
/// Eight bytes.
pub const FIXED64: u8 = 1;
/// A length and that many bytes.
pub const LENGTH: u8 = 2;
/// Start of a group.
pub const GROUP: u8 = 3;
/// End of a group.
pub const END_GROUP: u8 = 4;
/// Four bytes.
pub const FIXED32: u8 = 5;

/// Reads wire format from its start to its end.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// What is left, and what of the bytes around stands behind it.
    ahead: &'a [u8],
    /// How much of that is left.
    left: usize,
}

impl<'a> From<Piece<'a>> for Reader<'a> {
    #[inline]
    fn from(piece: Piece<'a>) -> Self {
        Self { ahead: piece.from, left: piece.length }
    }
}

impl<'a> Reader<'a> {
    /// A reader at the start of `wire`.
    #[must_use]
    pub fn new(wire: &'a [u8]) -> Self {
        Self { ahead: wire, left: wire.len() }
    }

    /// Whether nothing is left.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// What is left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.ahead[..self.left]
    }

    /// A field number and a wire type.
    ///
    /// # Errors
    /// Neither stands here.
    #[inline]
    pub fn tag(&mut self) -> Result<(u32, u8), WireError> {
        let tag = match self.short() {
            Some(byte) => u32::from(byte),
            None => u32::try_from(self.long_varint()?).map_err(|_| WireError::Number)?,
        };
        let number = tag >> 3;
        if number == 0 { Err(WireError::Number) } else { Ok((number, (tag & 7) as u8)) }
    }

    /// The wire type of the tag that comes next, if it is of this field; otherwise nothing is taken.
    #[inline]
    pub fn tag_of(&mut self, number: u32) -> Option<u8> {
        match self.ahead.first() {
            Some(&byte) if byte < 0x80 && self.left > 0 => {
                // One look instead of a copy of the reader, for lists of many values.
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

    /// A varint of up to 64 bits.
    ///
    /// # Errors
    /// It is cut short or too long.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, WireError> {
        match self.short() {
            Some(byte) => Ok(u64::from(byte)),
            None => self.long_varint(),
        }
    }

    /// A varint of one byte, as most are.
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
            // The tenth byte holds the one bit that is left; parsers drop the rest of it.
            value |= u64::from(byte & 0x7f).checked_shl(7 * index as u32).unwrap_or(0);
            if byte < 0x80 {
                self.pass(index + 1)?;
                return Ok(value);
            }
        }
        Err(if self.left < 10 { WireError::Truncated } else { WireError::Varint })
    }

    /// Four bytes.
    ///
    /// # Errors
    /// They are not there.
    pub fn fixed32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// They are not there.
    pub fn fixed64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let bytes = self.ahead.first_chunk().ok_or(WireError::Truncated)?;
        self.pass(N)?;
        Ok(*bytes)
    }

    /// A length and that many bytes.
    ///
    /// # Errors
    /// They are not there.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        self.piece().map(Piece::bytes)
    }

    /// The same, with what stands behind the bytes.
    ///
    /// # Errors
    /// They are not there.
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

    /// The inside of the group `number`, whose start has been read.
    ///
    /// # Errors
    /// It does not end, or ends as another.
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

    /// Passes over a value whose tag has been read.
    ///
    /// # Errors
    /// It is malformed.
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

/// Writes a varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a field number with a wire type.
pub fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

/// Writes a length and that many bytes.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes a length and that many bytes of a text that may go on behind them.
#[inline]
pub fn put_piece(out: &mut Vec<u8>, piece: Piece<'_>) {
    put_varint(out, piece.length as u64);
    block::put(out, piece);
}

/// Opens a value whose length is known only at its end. Give the result to [`close`].
#[inline]
#[must_use]
pub fn open(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len()
}

/// Closes a value: its length goes before it, and the value moves if the length takes more than one byte.
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
    // One byte is there already.
    let more = size - 1;
    out.resize(out.len() + more, 0);
    out.copy_within(start..start + length, start + more);
    out[start - 1..start + more].copy_from_slice(&prefix[..size]);
}

/// A varint and how many bytes it has.
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

/// `sint32` and `sint64`: small absolute values are short.
#[must_use]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The way back.
#[must_use]
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_bytes_are_refused() {
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
    fn varints_and_lengths_come_back() {
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
