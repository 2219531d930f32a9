//! Decodes header blocks (RFC 7541), to check whether their fields are well-formed.
//!
//! hyper treats a malformed field as a compression error, which ends the connection with the calls of everybody on it.
//! By RFC 9113, section 8.1.1, it should only end its stream. The blocks are decoded here first, to tell one from the
//! other, and to leave out a block without losing the compression state.

use std::collections::VecDeque;

use super::huffman;

/// The compression itself is broken: an error of the connection (RFC 9113, section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BrokenBlock;

/// The compression state of one direction.
#[derive(Debug)]
pub(super) struct Decoder {
    /// The dynamic table, the newest entry first.
    entries: VecDeque<Entry>,
    /// The size of all entries, as RFC 7541, section 4.1, counts it.
    size: usize,
    /// The table size that the other side has chosen, within what it may have.
    limit: usize,
    /// Buffers in which a field is put together. Keeping them is cheaper than allocating them for each block.
    name: Vec<u8>,
    value: Vec<u8>,
}

#[derive(Debug, Clone)]
struct Entry {
    name: Box<[u8]>,
    value: Box<[u8]>,
}

/// SETTINGS_HEADER_TABLE_SIZE by default (RFC 9113, section 6.5.2).
const TABLE: usize = 4096;
/// The capacity, in bytes, that each buffer keeps between blocks.
const KEPT: usize = 1 << 10;
/// The overhead of an entry (RFC 7541, section 4.1).
const PER_ENTRY: usize = 32;

impl Default for Decoder {
    fn default() -> Self {
        Self { entries: VecDeque::new(), size: 0, limit: TABLE, name: Vec::new(), value: Vec::new() }
    }
}

impl Decoder {
    /// Decodes a block, and gives `each` its fields in order.
    ///
    /// # Errors
    /// The compression is broken. The fields before the error were given to `each`.
    pub(super) fn read(&mut self, block: &[u8], mut each: impl FnMut(&[u8], &[u8])) -> Result<(), BrokenBlock> {
        let (mut name, mut value) = (std::mem::take(&mut self.name), std::mem::take(&mut self.value));
        let read = self.read_with(block, &mut name, &mut value, &mut each);
        for text in [&mut name, &mut value] {
            text.clear();
            text.shrink_to(KEPT);
        }
        (self.name, self.value) = (name, value);
        read
    }

    fn read_with(
        &mut self,
        block: &[u8],
        name: &mut Vec<u8>,
        value: &mut Vec<u8>,
        each: &mut impl FnMut(&[u8], &[u8]),
    ) -> Result<(), BrokenBlock> {
        let mut rest = block;
        while let Some(&first) = rest.first() {
            // RFC 7541, section 6: the kind of representation, and how many bits of its first byte belong to a number.
            let (is_indexed, is_kept, bits) = match first {
                0x80.. => (true, false, 7),
                0x40..0x80 => (false, true, 6),
                0x20..0x40 => {
                    let limit = integer(&mut rest, 5)?;
                    self.shrink(limit)?;
                    continue;
                }
                _ => (false, false, 4),
            };
            let index = integer(&mut rest, bits)?;
            if is_indexed {
                let (name, value) = self.entry(index).ok_or(BrokenBlock)?;
                each(name, value);
                continue;
            }
            name.clear();
            if index == 0 {
                string(&mut rest, name)?;
            } else {
                name.extend_from_slice(self.entry(index).ok_or(BrokenBlock)?.0);
            }
            value.clear();
            string(&mut rest, value)?;
            each(name, value);
            if is_kept {
                self.keep(name, value);
            }
        }
        Ok(())
    }

    fn entry(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let index = index.checked_sub(1)?;
        match STATIC.get(index) {
            Some((name, value)) => Some((name.as_bytes(), value.as_bytes())),
            None => self.entries.get(index - STATIC.len()).map(|entry| (&*entry.name, &*entry.value)),
        }
    }

    fn keep(&mut self, name: &[u8], value: &[u8]) {
        let size = name.len() + value.len() + PER_ENTRY;
        self.evict(self.limit.saturating_sub(size));
        // RFC 7541, section 4.4: an entry that is larger than the table empties it.
        if size <= self.limit {
            self.size += size;
            self.entries.push_front(Entry { name: name.into(), value: value.into() });
        }
    }

    fn shrink(&mut self, limit: usize) -> Result<(), BrokenBlock> {
        if limit > TABLE {
            return Err(BrokenBlock);
        }
        self.limit = limit;
        self.evict(limit);
        Ok(())
    }

    fn evict(&mut self, most: usize) {
        while self.size > most
            && let Some(entry) = self.entries.pop_back()
        {
            self.size -= entry.name.len() + entry.value.len() + PER_ENTRY;
        }
    }
}

/// Reads an integer (RFC 7541, section 5.1).
fn integer(rest: &mut &[u8], bits: u32) -> Result<usize, BrokenBlock> {
    let (&first, mut behind) = rest.split_first().ok_or(BrokenBlock)?;
    let most = (1_usize << bits) - 1;
    let mut value = usize::from(first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (&byte, more) = behind.split_first().ok_or(BrokenBlock)?;
            behind = more;
            // No length or index in a block needs more bytes.
            if shift > 21 {
                return Err(BrokenBlock);
            }
            value += usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
    }
    *rest = behind;
    Ok(value)
}

/// Reads a string literal (RFC 7541, section 5.2).
fn string(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), BrokenBlock> {
    let is_coded = rest.first().ok_or(BrokenBlock)? & 0x80 != 0;
    let length = integer(rest, 7)?;
    let (text, behind) = rest.split_at_checked(length).ok_or(BrokenBlock)?;
    *rest = behind;
    if is_coded {
        return huffman::decode(text, out).ok_or(BrokenBlock);
    }
    out.extend_from_slice(text);
    Ok(())
}

/// Writes a field as a literal without indexing: RFC 7541, section 6.2.2.
pub(super) fn put(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.push(0);
    for text in [name, value] {
        put_length(out, text.len());
        out.extend_from_slice(text);
    }
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    const MOST: usize = 0x7f;
    let Some(mut rest) = length.checked_sub(MOST) else { return out.push(low(length)) };
    out.push(low(MOST));
    while rest > MOST {
        out.push(low(rest) | 0x80);
        rest >>= 7;
    }
    out.push(low(rest));
}

fn low(value: usize) -> u8 {
    u8::try_from(value & 0x7f).unwrap_or_default()
}

/// The static table (RFC 7541, appendix A).
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let digit = |byte: u8| char::from(byte).to_digit(16).map_or(0, |digit| digit as u8);
        digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }

    fn read(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<String>, BrokenBlock> {
        let mut fields = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        decoder.read(block, |name, value| fields.push(format!("{}: {}", text(name), text(value))))?;
        Ok(fields)
    }

    /// RFC 7541, appendix C.3 and C.4: three requests, without and with Huffman coding.
    #[test]
    fn the_examples_of_rfc_7541_are_decoded() {
        let first = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
        let second = [&first[..], &["cache-control: no-cache"]].concat();
        let third = [
            ":method: GET",
            ":scheme: https",
            ":path: /index.html",
            ":authority: www.example.com",
            "custom-key: custom-value",
        ];
        for blocks in [
            [
                "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
                "8286 84be 5808 6e6f 2d63 6163 6865",
                "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
            ],
            [
                "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
                "8286 84be 5886 a8eb 1064 9cbf",
                "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
            ],
        ] {
            let mut decoder = Decoder::default();
            for (block, fields) in blocks.iter().zip([&first[..], &second, &third]) {
                let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
                assert_eq!(read(&mut decoder, &bytes(block)), Ok(fields), "{block}");
            }
            assert_eq!((decoder.entries.len(), decoder.size), (3, 164));
        }
    }

    #[test]
    fn an_encoded_field_of_any_length_round_trips() {
        for length in [0, 1, 126, 127, 128, 254, 255, 256, 16_510, 16_511, 100_000] {
            let (name, value) = (b"a", vec![b'v'; length]);
            let mut block = Vec::new();
            put(&mut block, name, &value);
            let mut fields = Vec::new();
            let read = Decoder::default().read(&block, |name, value| fields.push((name.to_vec(), value.to_vec())));
            assert_eq!((read, fields), (Ok(()), vec![(name.to_vec(), value)]), "{length}");
        }
    }

    #[test]
    fn the_dynamic_table_keeps_to_its_size_and_evicts_the_oldest_entry() {
        let mut decoder = Decoder::default();
        let field = |name: &str, value: &str| {
            [&[0x40, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
        };
        let (a, b) = (field("a", &"x".repeat(60)), field("b", "y"));
        assert!(read(&mut decoder, &[a.clone(), b].concat()).is_ok());
        assert_eq!(read(&mut decoder, &[0xbe]), Ok(vec!["b: y".to_owned()]));
        // Room for one of the two entries, then for none.
        assert_eq!(read(&mut decoder, &[0x3f, 0x21, 0xbe]), Ok(vec!["b: y".to_owned()]));
        assert_eq!(read(&mut decoder, &[0xbf]), Err(BrokenBlock));
        assert_eq!(read(&mut decoder, &a).map(|fields| fields.len()), Ok(1));
        assert_eq!(read(&mut decoder, &[0xbe]), Err(BrokenBlock));
        assert_eq!((decoder.entries.len(), decoder.size), (0, 0));
    }

    #[test]
    fn a_malformed_header_block_is_refused() {
        for block in [
            &[0x80][..],
            &[0xbe],
            &[0xff],
            &[0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
            &[0x40],
            &[0x40, 0x05, b'a'],
            &[0x40, 0x01, b'a', 0x7f, 0xff],
            &[0x3f, 0xe2, 0x1f],
            &[0x40, 0x81, 0x00, 0x00],
            &[0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00],
        ] {
            assert_eq!(read(&mut Decoder::default(), block), Err(BrokenBlock), "{block:02x?}");
        }
    }
}
