//! Strings of JSON, written.

/// Writes `text` as a JSON string.
pub fn put_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(end) = special(rest) {
        let (plain, special) = rest.split_at(end);
        out.extend_from_slice(plain);
        put_escape(out, special[0]);
        rest = &special[1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Writes `bytes` as a JSON string if they are ASCII and none needs an escape, as most strings are; false if not.
#[inline]
pub fn put_plain_string(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    if !is_plain(bytes) {
        return false;
    }
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    out.extend_from_slice(bytes);
    out.push(b'"');
    true
}

/// Whether all of it is ASCII that stands in a JSON string as it is.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<16>();
    if !blocks.iter().all(are_plain) {
        return false;
    }
    // The last bytes are looked at as a block too, together with some before them.
    match bytes.last_chunk::<16>() {
        Some(last) => are_plain(last),
        None => match (rest.first_chunk::<8>(), rest.last_chunk::<8>()) {
            (Some(first), Some(last)) => are_plain(first) & are_plain(last),
            _ => match (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
                (Some(first), Some(last)) => are_plain(first) & are_plain(last),
                _ => rest.iter().all(|&byte| is_plain_byte(byte)),
            },
        },
    }
}

/// All at once, without a branch a byte.
#[inline]
fn are_plain<const N: usize>(block: &[u8; N]) -> bool {
    block.iter().fold(true, |plain, &byte| plain & is_plain_byte(byte))
}

#[inline]
fn is_plain_byte(byte: u8) -> bool {
    // As a signed number a byte of no ASCII is below 0x20 too.
    (byte as i8 >= 0x20) & (byte != b'"') & (byte != b'\\')
}

/// Where the first byte stands that a JSON string cannot have as it is: a control character, `"` or `\\`.
#[inline]
pub(super) fn special(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // Bit 7 of a byte is set where it is such a byte. A byte above such a one may be marked too, by the borrow; the
        // lowest mark is right.
        let has_zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let marks = (control | has_zero(word ^ (ONES * 0x22)) | has_zero(word ^ (ONES * 0x5c))) & HIGHS;
        if marks != 0 {
            return Some(index * 8 + (marks.trailing_zeros() / 8) as usize);
        }
    }
    let end = rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')?;
    Some(words.len() * 8 + end)
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
