//! Copies, compares and searches short texts in blocks of [`SIZE`] bytes.
//!
//! Names and most values are shorter than [`SIZE`]. Copying a whole block and truncating the excess takes a few
//! instructions. Copying an exact number of bytes is a function call that first has to branch on the length.

use wide::u8x16;

/// Bytes in a block.
pub const SIZE: usize = 32;

/// Appends `piece` to `out`.
#[inline]
pub fn put(out: &mut Vec<u8>, piece: Piece<'_>) {
    match piece.from.first_chunk::<SIZE>() {
        Some(block) if piece.length <= SIZE => put_part(out, block, piece.length),
        _ => out.extend_from_slice(piece.bytes()),
    }
}

/// A slice together with the bytes that follow it in the same buffer, so that a whole block can be read at once.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The bytes of the piece, followed by the rest of the buffer.
    pub from: &'a [u8],
    /// Length of the piece in bytes; never more than the length of `from`.
    pub length: usize,
}

impl<'a> Piece<'a> {
    /// The bytes of the piece, without what follows it.
    #[must_use]
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        &self.from[..self.length]
    }
}

impl<'a> From<&'a [u8]> for Piece<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { from: bytes, length: bytes.len() }
    }
}

/// Appends the first `length` bytes of a fixed-size array.
#[inline]
pub fn put_part<const N: usize>(out: &mut Vec<u8>, array: &[u8; N], length: usize) {
    let end = out.len() + length;
    out.extend_from_slice(array);
    out.truncate(end);
}

/// Lets `write` fill a buffer of `N` bytes and appends as many of them as it returns.
///
/// Several pieces written in one call change the vector's length once instead of once per piece.
#[inline]
pub fn put_with<const N: usize>(out: &mut Vec<u8>, write: impl FnOnce(&mut [u8; N]) -> usize) {
    let start = out.len();
    out.extend_from_slice(&[0; N]);
    let used = out.last_chunk_mut().map_or(0, write);
    out.truncate(start + used);
}

/// A text that is often written and searched for, such as a field name with its quotes and colon.
#[derive(Debug, Clone)]
pub struct Padded {
    /// The text, padded with zeros; not used if the text is longer than a block.
    block: [u8; SIZE],
    /// One bit for each byte of the text that the block holds.
    mask: u32,
    /// Length of the text in bytes.
    length: u32,
    /// The text if it is longer than a block; empty otherwise.
    long: Box<[u8]>,
}

impl Padded {
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        let mut block = [0; SIZE];
        let held = text.len().min(SIZE);
        block[..held].copy_from_slice(&text[..held]);
        let long = if text.len() <= SIZE { Box::default() } else { text.into() };
        Self { block, mask: low_bits(held), length: text.len() as u32, long }
    }

    #[must_use]
    pub fn text(&self) -> &[u8] {
        if self.len() <= SIZE { &self.block[..self.len()] } else { &self.long }
    }

    /// Length of the text in bytes.
    #[inline]
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "nobody asks whether a name is empty")]
    pub fn len(&self) -> usize {
        self.length as usize
    }

    /// The padded block and the length of the text; `None` if the text is longer than a block.
    #[inline]
    #[must_use]
    pub fn block(&self) -> Option<(&[u8; SIZE], usize)> {
        (self.len() <= SIZE).then_some((&self.block, self.len()))
    }

    /// Appends the text to `out`.
    #[inline]
    pub fn put(&self, out: &mut Vec<u8>) {
        if self.len() <= SIZE { put_part(out, &self.block, self.len()) } else { out.extend_from_slice(&self.long) }
    }

    /// Whether `bytes` start with the text.
    #[inline]
    #[must_use]
    pub fn begins(&self, bytes: &[u8]) -> bool {
        match bytes.first_chunk::<SIZE>() {
            Some(block) if self.len() <= SIZE => {
                let equal = bits(block, |part, at| part.simd_eq(load(&self.block, at)));
                equal & self.mask == self.mask
            }
            _ => bytes.starts_with(self.text()),
        }
    }
}

/// A mask with the lowest `count` bits set: one for each of the first `count` bytes of a block.
///
/// `count` is at most [`SIZE`].
#[inline]
#[must_use]
pub fn low_bits(count: usize) -> u32 {
    ((1_u64 << count) - 1) as u32
}

/// Marks bytes that a JSON string must escape: control characters, `"` and `\`. Bit `i` of the result stands for byte
/// `i`.
#[inline]
#[must_use]
pub fn specials(block: &[u8; SIZE]) -> u32 {
    bits(block, |part, _| special(part))
}

/// Marks bytes that a JSON string must escape and bytes that are not ASCII. Bit `i` of the result stands for byte `i`.
#[inline]
#[must_use]
pub fn specials_and_wide(block: &[u8; SIZE]) -> u32 {
    // The bitmask takes the highest bit of each byte, which is set in every byte that is not ASCII.
    bits(block, |part, _| special(part) | part)
}

/// Marks control characters other than the tab. Bit `i` of the result stands for byte `i`.
#[inline]
#[must_use]
pub fn controls(block: &[u8; SIZE]) -> u32 {
    bits(block, |part, _| {
        // The tab is below 0x20 as well, so the XOR takes it out again.
        (is_at_most(part, 0x1f) ^ is(part, b'\t')) | is(part, 0x7f)
    })
}

/// Marks bytes other than letters, digits and hyphens; nearly all header names consist of those. Bit `i` of the result
/// stands for byte `i`.
#[inline]
#[must_use]
pub fn not_in_usual_name(block: &[u8; SIZE]) -> u32 {
    !bits(block, |part, _| {
        let letters = is_at_most((part | splat(0x20)) - splat(b'a'), b'z' - b'a');
        let digits = is_at_most(part - splat(b'0'), 9);
        letters | digits | is(part, b'-')
    })
}

/// Marks bytes that no request target may contain: those that are not printable ASCII, and those that RFC 3986 forbids,
/// except `{`, `|` and `}`. Bit `i` of the result stands for byte `i`.
#[inline]
#[must_use]
pub fn not_in_target(block: &[u8; SIZE]) -> u32 {
    bits(block, |part, _| {
        let specials = is(part, b'"') | is(part, b'#') | is(part, b'<') | is(part, b'>');
        let others = is(part, b'\\') | is(part, b'^') | is(part, b'`') | is(part, 0x7f);
        // `| part` marks bytes that are not ASCII: their highest bit is set.
        is_at_most(part, b' ') | specials | others | part
    })
}

#[inline]
fn special(part: u8x16) -> u8x16 {
    is_at_most(part, 0x1f) | is(part, b'"') | is(part, b'\\')
}

#[inline]
fn splat(byte: u8) -> u8x16 {
    u8x16::splat(byte)
}

#[inline]
fn is(part: u8x16, byte: u8) -> u8x16 {
    part.simd_eq(splat(byte))
}

#[inline]
fn is_at_most(part: u8x16, most: u8) -> u8x16 {
    part.min(splat(most)).simd_eq(part)
}

#[inline]
fn bits(block: &[u8; SIZE], test: impl Fn(u8x16, usize) -> u8x16) -> u32 {
    let half = |at: usize| test(load(block, at), at).to_bitmask();
    half(0) | half(SIZE / 2) << (SIZE / 2)
}

#[inline]
fn load(block: &[u8; SIZE], at: usize) -> u8x16 {
    let mut part = [0; SIZE / 2];
    part.copy_from_slice(&block[at..at + SIZE / 2]);
    u8x16::from(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_byte_is_classified_correctly_at_every_position_of_a_block() {
        for byte in 0..=u8::MAX {
            for place in 0..SIZE {
                let mut block = [b'a'; SIZE];
                block[place] = byte;
                let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
                let mark = |wanted: bool| u32::from(wanted) << place;
                assert_eq!(specials(&block), mark(is_special), "{byte:#x} at {place}");
                let is_control = byte < 0x20 && byte != b'\t' || byte == 0x7f;
                assert_eq!(controls(&block), mark(is_control), "{byte:#x} at {place}");
                let is_in_name = byte.is_ascii_alphanumeric() || byte == b'-';
                assert_eq!(not_in_usual_name(&block), mark(!is_in_name), "{byte:#x} at {place}");
                let is_in_target = byte.is_ascii_graphic() && !b"\"#<>\\^`".contains(&byte);
                assert_eq!(not_in_target(&block), mark(!is_in_target), "{byte:#x} at {place}");
                assert_eq!(specials_and_wide(&block), mark(is_special || byte >= 0x80), "{byte:#x} at {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_text_is_copied_exactly_and_recognised_as_a_prefix(text in "[ab]{0,70}", rest in "[ab]{0,40}") {
            let (bytes, padded) = ([text.as_bytes(), rest.as_bytes()].concat(), Padded::new(text.as_bytes()));
            let (mut copied, mut written) = (vec![9], vec![9]);
            put(&mut copied, Piece { from: &bytes, length: text.len() });
            padded.put(&mut written);
            prop_assert_eq!(&copied[1..], text.as_bytes());
            prop_assert_eq!(&written, &copied);
            prop_assert_eq!(padded.text(), text.as_bytes());
            prop_assert!(padded.begins(&bytes));
            prop_assert_eq!(padded.begins(rest.as_bytes()), rest.starts_with(&text));
        }
    }
}
