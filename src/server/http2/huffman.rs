//! Decodes the Huffman code of RFC 7541, appendix B.
//!
//! The code is canonical: its codes follow from their lengths, shorter ones first, and among codes of equal length the
//! lower byte first.

/// The length of the code of each byte, and of the end of a text, in bits.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, //
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, //
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, //
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, //
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, //
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, //
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, //
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, //
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, //
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, //
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, //
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, //
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, //
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, //
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, //
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, //
    30,
];

/// The longest code, in bits.
const LONGEST: usize = 30;
/// The symbol that ends a text, and that must not occur in one.
const END: u16 = 256;

/// The codes, by their length.
struct Codes {
    /// For each length, the first longer code, filled up with zeros to [`LONGEST`] bits.
    above: [u32; LONGEST + 1],
    /// For each length, the first code.
    first: [u32; LONGEST + 1],
    /// For each length, where `symbols` has the first code.
    place: [u16; LONGEST + 1],
    /// All symbols, in the order of their codes.
    symbols: [u16; 257],
}

const CODES: Codes = codes();

const fn codes() -> Codes {
    let mut codes =
        Codes { above: [0; LONGEST + 1], first: [0; LONGEST + 1], place: [0; LONGEST + 1], symbols: [0; 257] };
    let (mut length, mut code, mut count) = (1, 0_u32, 0_u16);
    while length <= LONGEST {
        code <<= 1;
        codes.first[length] = code;
        codes.place[length] = count;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                codes.symbols[count as usize] = symbol as u16;
                count += 1;
                code += 1;
            }
            symbol += 1;
        }
        codes.above[length] = code << (LONGEST - length);
        length += 1;
    }
    codes
}

/// The longest short code, in bits. Letters, digits and most other characters of heads have short codes.
const SHORT: usize = 8;

/// A byte and the length of its code; the length is 0 for a code longer than [`SHORT`].
#[derive(Clone, Copy)]
struct ShortCode {
    byte: u8,
    length: u8,
}

/// The short codes, by the first [`SHORT`] bits of the text, whatever follows the code in them.
static SHORT_CODES: [ShortCode; 1 << SHORT] = short_codes();

const fn short_codes() -> [ShortCode; 1 << SHORT] {
    let mut short = [ShortCode { byte: 0, length: 0 }; 1 << SHORT];
    let (mut length, mut at) = (1, 0);
    while length <= SHORT {
        let end = CODES.above[length] >> (LONGEST - SHORT);
        let mut code = CODES.first[length];
        while code << (SHORT - length) < end {
            let byte = CODES.symbols[at] as u8;
            let mut bits = code << (SHORT - length);
            code += 1;
            at += 1;
            while bits < code << (SHORT - length) {
                short[bits as usize] = ShortCode { byte, length: length as u8 };
                bits += 1;
            }
        }
        length += 1;
    }
    short
}

/// Appends the decoded text; `None` if it is not valid.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    // No code is shorter than five bits.
    out.reserve(text.len() * 8 / 5);
    let (mut bits, mut have) = (0_u64, 0_usize);
    let mut bytes = text.iter();
    loop {
        while have <= 56 - 8
            && let Some(&byte) = bytes.next()
        {
            bits = bits << 8 | u64::from(byte);
            have += 8;
        }
        while have >= SHORT {
            let ShortCode { byte, length } = SHORT_CODES[usize::from((bits >> (have - SHORT)) as u8)];
            if length == 0 {
                break;
            }
            out.push(byte);
            have -= usize::from(length);
        }
        bits &= (1 << have) - 1;
        if have < LONGEST && !bytes.as_slice().is_empty() {
            continue;
        }
        if have == 0 {
            return Some(());
        }
        // Fills up with ones behind the last bits, which cannot complete a code.
        let window = if have >= LONGEST { bits >> (have - LONGEST) } else { !(!bits << (LONGEST - have)) };
        let window = u32::try_from(window & ((1 << LONGEST) - 1)).ok()?;
        let length = (5..=LONGEST).find(|&length| window < CODES.above[length]);
        match length {
            Some(length) if length <= have => {
                let code = (window >> (LONGEST - length)) - CODES.first[length];
                let symbol = CODES.symbols[usize::from(CODES.place[length]) + usize::try_from(code).ok()?];
                if symbol == END {
                    return None;
                }
                out.push(u8::try_from(symbol).ok()?);
                have -= length;
                bits &= (1 << have) - 1;
            }
            // RFC 7541, section 5.2: the rest is padding of fewer than eight bits, all of them ones.
            _ => return (have < 8 && bits == (1 << have) - 1).then_some(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &[u8]) -> Vec<u8> {
        let mut bits = String::new();
        for &byte in text {
            let length = usize::from(LENGTHS[usize::from(byte)]);
            let first = usize::from(CODES.place[length]);
            let at = CODES.symbols[first..].iter().position(|&symbol| symbol == u16::from(byte)).unwrap_or_default();
            bits += &format!("{:0length$b}", CODES.first[length] as usize + at);
        }
        bits += &"1".repeat(bits.len().next_multiple_of(8) - bits.len());
        bits.as_bytes().chunks(8).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | (bit - b'0'))).collect()
    }

    #[test]
    fn every_huffman_coded_text_round_trips() {
        let all: Vec<u8> = (0..=255).collect();
        let texts = (0..=255).map(|byte| vec![byte; usize::from(byte % 7)]);
        // Short and long codes, so that each code begins at each bit position.
        let mixed = (0..=255_u8).map(|first| (0..40).map(|at| if at % 3 == 0 { first } else { b'a' + at }).collect());
        for text in texts.chain(mixed).chain([all, b"www.example.com".to_vec()]) {
            let mut out = Vec::new();
            assert_eq!((decode(&encode(&text), &mut out), &out), (Some(()), &text));
        }
        assert_eq!(
            encode(b"www.example.com"),
            [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff]
        );
    }

    #[test]
    fn huffman_padding_must_be_short_and_all_ones() {
        // "0" is five zeros.
        for (text, is_text) in [
            (&[0b0000_0111][..], true),
            (&[0b0000_0000], false),
            (&[0b0000_0110], false),
            (&[0b0000_0111, 0xff], false),
            (&[0xff], false),
            (&[0xff, 0xff, 0xff, 0xff], false),
            (&[], true),
        ] {
            assert_eq!(decode(text, &mut Vec::new()).is_some(), is_text, "{text:02x?}");
        }
    }
}
