//! Writes JSON strings.

use crate::format::block::{self, Padded, Piece, SIZE};

/// Appends `text` as a JSON string.
pub fn put_string(out: &mut Vec<u8>, text: &str) {
    let (blocks, rest) = text.as_bytes().as_chunks::<SIZE>();
    out.push(b'"');
    for block in blocks {
        match block::specials(block) {
            0 => out.extend_from_slice(block),
            marks => put_escaped(out, block, marks),
        }
    }
    let mut last = [b' '; SIZE];
    last[..rest.len()].copy_from_slice(rest);
    put_escaped(out, &last[..rest.len()], block::specials(&last));
    out.push(b'"');
}

/// Appends `bytes` and escapes each byte whose bit is set in `marks`.
fn put_escaped(out: &mut Vec<u8>, bytes: &[u8], mut marks: u32) {
    let mut from = 0;
    while marks != 0 {
        let at = marks.trailing_zeros() as usize;
        block::put(out, Piece { from: &bytes[from..], length: at - from });
        put_escape(out, bytes[at]);
        from = at + 1;
        marks &= marks - 1;
    }
    out.extend_from_slice(&bytes[from..]);
}

/// Appends `text` as a JSON string if it is ASCII and needs no escape, as most strings do. Otherwise writes nothing and
/// returns false.
#[inline]
pub fn put_plain_string(out: &mut Vec<u8>, text: Piece<'_>) -> bool {
    let length = text.length;
    match text.from.first_chunk::<SIZE>() {
        Some(first) if length <= SIZE => {
            if block::specials_and_wide(first) & block::low_bits(length) != 0 {
                return false;
            }
            out.push(b'"');
            block::put_part(out, first, length);
            out.push(b'"');
            true
        }
        _ => put_plain_bytes(out, text.bytes()),
    }
}

/// Appends a member of an object and a comma. Key and text must be short, and the text as in [`put_plain_string`];
/// otherwise writes nothing and returns false.
#[inline]
pub fn put_plain_member(out: &mut Vec<u8>, key: &Padded, text: Piece<'_>) -> bool {
    let length = text.length;
    let (Some((key, at)), Some(block)) = (key.block(), text.from.first_chunk::<SIZE>()) else { return false };
    if length > SIZE || block::specials_and_wide(block) & block::low_bits(length) != 0 {
        return false;
    }
    block::put_with::<{ 2 * SIZE + 3 }>(out, |room| {
        room[..SIZE].copy_from_slice(key);
        room[at] = b'"';
        room[at + 1..at + 1 + SIZE].copy_from_slice(block);
        room[at + 1 + length] = b'"';
        room[at + 2 + length] = b',';
        at + length + 3
    });
    true
}

fn put_plain_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<SIZE>();
    let are_plain = blocks.iter().all(|block| block::specials_and_wide(block) == 0);
    // As a signed number, a byte that is not ASCII is below 0x20 too.
    let is_plain = |&byte: &u8| (byte as i8 >= 0x20) & (byte != b'"') & (byte != b'\\');
    if !are_plain || !rest.iter().all(is_plain) {
        return false;
    }
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    out.extend_from_slice(bytes);
    out.push(b'"');
    true
}

/// The position of the first byte that a JSON string must escape: a control character, `"` or `\`.
#[inline]
pub(super) fn special(bytes: &[u8]) -> Option<usize> {
    let (blocks, rest) = bytes.as_chunks::<SIZE>();
    for (index, block) in blocks.iter().enumerate() {
        let marks = block::specials(block);
        if marks != 0 {
            return Some(index * SIZE + marks.trailing_zeros() as usize);
        }
    }
    let end = rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')?;
    Some(blocks.len() * SIZE + end)
}

fn put_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            let (high, low) = (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
