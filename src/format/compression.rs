//! Compression within limits: gzip (RFC 1952) for request and response bodies, and decompression of zstd (RFC 8878) for
//! messages of backends. Also decides from `Accept-Encoding` whether a response is compressed.
//!
//! Of the two zstd libraries this one is written without C: untrusted bytes are read by code that cannot write out of
//! bounds by mistake. It also checks the window size before it allocates the window.
//!
//! Knows nothing of HTTP but the syntax of `Accept-Encoding` (RFC 9110, section 12.5.3).

use std::io::{self, Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use ruzstd::decoding::StreamingDecoder;

/// How a response body is sent to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Uncompressed.
    Identity,
    /// As gzip if that is worth it.
    Gzip,
    /// Always as gzip: the caller refuses an uncompressed body.
    GzipOnly,
}

/// Chooses the encoding of a response from the values of `Accept-Encoding`. Malformed items are ignored. A caller that
/// accepts none of our encodings gets the body uncompressed, because its request has already been executed.
pub fn choose<'a>(values: impl Iterator<Item = &'a [u8]>) -> Choice {
    let (mut gzip, mut identity, mut others) = (None, None, None);
    for item in values.flat_map(|value| value.split(|&byte| byte == b',')) {
        let Some((coding, weight)) = weighted(item) else { continue };
        let known = match coding.as_str() {
            "gzip" | "x-gzip" => &mut gzip,
            "identity" => &mut identity,
            "*" => &mut others,
            _ => continue,
        };
        known.get_or_insert(weight);
    }
    let gzip = gzip.or(others).unwrap_or(0);
    // If `identity` is not mentioned, it is acceptable, and every coding with a weight is preferred to it.
    match identity.or(others.filter(|&weight| weight == 0)) {
        _ if gzip == 0 => Choice::Identity,
        Some(0) => Choice::GzipOnly,
        Some(identity) if identity > gzip => Choice::Identity,
        _ => Choice::Gzip,
    }
}

/// Parses `coding;q=0.5` into the coding in lower case and its weight in thousandths.
fn weighted(item: &[u8]) -> Option<(String, u16)> {
    let text = std::str::from_utf8(item).ok()?;
    let (coding, parameter) = text.split_once(';').map_or((text, None), |(coding, rest)| (coding, Some(rest)));
    let weight = match parameter.map(str::trim) {
        None => 1000,
        Some(parameter) => weight(parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?)?,
    };
    Some((coding.trim().to_ascii_lowercase(), weight))
}

/// Parses a weight as in RFC 9110, section 12.4.2: `0` to `1` with at most three decimals. The result is in
/// thousandths.
fn weight(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1") || decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let weight = format!("{whole}{decimals:0<3}").parse().ok()?;
    (weight <= 1000).then_some(weight)
}

/// Compresses a body into one gzip stream, part by part.
pub struct Gzip(GzEncoder<Vec<u8>>);

impl Default for Gzip {
    fn default() -> Self {
        Self::new()
    }
}

impl Gzip {
    #[must_use]
    pub fn new() -> Self {
        Self(GzEncoder::new(Vec::new(), Compression::fast()))
    }

    /// Adds one part of a body that is sent as a whole.
    pub fn add(&mut self, part: &[u8]) {
        self.0.write_all(part).expect("writing into memory does not fail");
    }

    /// Adds one part of a stream. The returned bytes are all that the reader needs to decompress the stream up to here.
    pub fn push(&mut self, part: &[u8]) -> Bytes {
        self.add(part);
        // A sync flush (also used in RFC 7692, section 7.2.1) ends on a byte boundary, and later data can still refer
        // to earlier data.
        self.0.flush().expect("writing into memory does not fail");
        std::mem::take(self.0.get_mut()).into()
    }

    /// Ends the stream and returns its remaining bytes.
    pub fn finish(self) -> Bytes {
        self.0.finish().expect("writing into memory does not fail").into()
    }
}

/// How large a decompressed body may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Largest decompressed size, in bytes.
    pub size: usize,
    /// Largest decompressed size as a multiple of the compressed size; checked only above [`Bounds::FREE`].
    pub ratio: usize,
}

impl Bounds {
    /// Decompressed bodies up to this many bytes are not subject to the ratio.
    pub const FREE: usize = 64 << 10;

    /// The largest decompressed size, in bytes, of a compressed body of `length` bytes.
    #[must_use]
    pub fn most(self, length: usize) -> usize {
        self.size.min(self.ratio.saturating_mul(length).max(Self::FREE))
    }
}

/// Why a gzip body is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GzipError {
    /// The decompressed body is larger than the size limit.
    #[error("the decompressed body is larger than the limit of {size} bytes")]
    Size { size: usize },
    /// The decompressed body is larger than the ratio allows.
    #[error("the gzip body expands to more than {ratio} times its size, the limit")]
    Ratio { ratio: usize },
    /// The gzip data is truncated.
    #[error("the gzip body is incomplete")]
    Cut,
    /// The data is not gzip, or is damaged.
    #[error("the body is not valid gzip (RFC 1952), or its checksum is wrong")]
    Malformed,
    /// There is data after the first member. RFC 1952 allows more members, but readers interpret them differently.
    #[error("the body has data after the end of its gzip member")]
    Trailing,
}

/// Decompresses a gzip body.
///
/// # Errors
/// `body` is not exactly one complete gzip member, or expands beyond `bounds`.
pub fn gunzip(body: &[u8], bounds: Bounds) -> Result<Vec<u8>, GzipError> {
    let most = bounds.most(body.len());
    let mut decoder = GzDecoder::new(body);
    let mut whole = Vec::new();
    // Reading one byte beyond the limit shows whether there is more.
    let read = (&mut decoder).take(most as u64 + 1).read_to_end(&mut whole);
    if whole.len() > bounds.size {
        return Err(GzipError::Size { size: bounds.size });
    }
    if whole.len() > most {
        return Err(GzipError::Ratio { ratio: bounds.ratio });
    }
    read.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => GzipError::Cut,
        _ => GzipError::Malformed,
    })?;
    if decoder.into_inner().is_empty() { Ok(whole) } else { Err(GzipError::Trailing) }
}

/// Why a zstd frame is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ZstdError {
    /// The decompressed data is larger than the limit.
    #[error("expected at most {size} bytes when decompressed, got more")]
    Size { size: usize },
    /// The data is not a zstd frame, is damaged or truncated, or needs a larger window than allowed.
    #[error("expected a zstd frame as RFC 8878 has it, with a window of at most {window} bytes, got other bytes")]
    Malformed { window: usize },
    /// There is data after the first frame. RFC 8878 allows more frames, but readers interpret them differently.
    #[error("expected one zstd frame, got more behind it")]
    Trailing,
}

/// Largest zstd window in bytes. RFC 8878, section 3.1.1.1.2: "it's recommended for decoders to support values of at
/// least 8 MB"; RFC 9659 makes that the maximum.
const WINDOW: usize = 8 << 20;

/// Decompresses a zstd frame to at most `size` bytes.
///
/// # Errors
/// `frame` is not exactly one complete zstd frame, or expands to more than `size` bytes.
pub fn unzstd(frame: &[u8], size: usize) -> Result<Vec<u8>, ZstdError> {
    // The window of a single-segment frame is as large as its content.
    let window = WINDOW.max(size);
    let malformed = ZstdError::Malformed { window };
    let mut decoder = StreamingDecoder::new_with_max_window_size(frame, window as u64)
        .map_err(|_| ZstdError::Malformed { window })?;
    let mut whole = Vec::new();
    // Reading one byte beyond the limit shows whether there is more.
    (&mut decoder).take(size as u64 + 1).read_to_end(&mut whole).map_err(|_| malformed)?;
    if whole.len() > size {
        return Err(ZstdError::Size { size });
    }
    let (rest, decoder) = decoder.into_parts();
    let written = decoder.get_checksum_from_data();
    if written.is_some() && written != decoder.get_calculated_checksum() {
        return Err(malformed);
    }
    if rest.is_empty() { Ok(whole) } else { Err(ZstdError::Trailing) }
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut gzip = Gzip::new();
        gzip.add(text);
        gzip.finish().to_vec()
    }

    const BOUNDS: Bounds = Bounds { size: 1 << 20, ratio: 100 };

    #[test]
    fn the_supported_content_coding_with_the_highest_weight_is_chosen() {
        for (values, choice) in [
            (&[][..], Choice::Identity),
            (&[""], Choice::Identity),
            (&["gzip"], Choice::Gzip),
            (&["x-gzip"], Choice::Gzip),
            (&["GZIP"], Choice::Gzip),
            (&["gzip, deflate, br"], Choice::Gzip),
            (&["br", "gzip"], Choice::Gzip),
            (&["br;q=1.0, gzip;q=0.8, *;q=0.1"], Choice::Gzip),
            (&["*"], Choice::Gzip),
            (&["identity, *"], Choice::Gzip),
            (&["gzip;q=0"], Choice::Identity),
            (&["gzip; q=0.000"], Choice::Identity),
            (&["gzip;q=0, *"], Choice::Identity),
            (&["*;q=0"], Choice::Identity),
            (&["deflate, br"], Choice::Identity),
            (&["identity"], Choice::Identity),
            (&["identity, gzip;q=0.5"], Choice::Identity),
            (&["identity;q=0.5, gzip"], Choice::Gzip),
            (&["identity;q=0.5, gzip;q=0.5"], Choice::Gzip),
            (&["identity;q=0, gzip"], Choice::GzipOnly),
            (&["gzip;q=0.001, *;q=0"], Choice::GzipOnly),
            (&["*;q=0, identity;q=0.1, gzip"], Choice::Gzip),
            // None of our encodings is accepted; the response is sent anyway.
            (&["identity;q=0"], Choice::Identity),
            (&["identity;q=0, br"], Choice::Identity),
            // Malformed items are ignored.
            (&["gzip;q=2"], Choice::Identity),
            (&["gzip;q=1.001"], Choice::Identity),
            (&["gzip;q=0.5000"], Choice::Identity),
            (&["gzip;q=-1"], Choice::Identity),
            (&["gzip;q"], Choice::Identity),
            (&["gzip;level=9"], Choice::Identity),
            (&["gzip;q=0.1x, gzip"], Choice::Gzip),
        ] {
            assert_eq!(choose(values.iter().map(|value| value.as_bytes())), choice, "{values:?}");
        }
    }

    #[test]
    fn a_gzip_body_round_trips() {
        for text in [&b""[..], b"{}", &b"abc".repeat(1_000), &[0xff; 60_000]] {
            assert_eq!(gunzip(&gzip(text), BOUNDS).as_deref(), Ok(text));
        }
    }

    #[test]
    fn every_part_of_a_gzip_stream_can_be_decompressed_as_soon_as_it_arrives() {
        let mut stream = Gzip::new();
        let mut reader = flate2::write::GzDecoder::new(Vec::new());
        let mut sent = Vec::new();
        let mut all = Vec::new();
        for part in ["{\"a\":1}\n", "", "{\"a\":1}\n", &"x".repeat(100_000), "{}\n"] {
            let bytes = stream.push(part.as_bytes());
            assert!(!bytes.is_empty() || part.is_empty());
            sent.extend_from_slice(part.as_bytes());
            all.extend_from_slice(&bytes);
            reader.write_all(&bytes).unwrap();
            reader.flush().unwrap();
            assert_eq!(reader.get_ref().len(), sent.len(), "{} bytes", part.len());
            assert!(*reader.get_ref() == sent, "{} bytes", part.len());
        }
        all.extend_from_slice(&stream.finish());
        let bounds = Bounds { size: sent.len(), ratio: usize::MAX };
        assert!(gunzip(&all, bounds) == Ok(sent));
    }

    #[test]
    fn a_gzip_body_that_expands_beyond_its_limits_is_refused() {
        let mixed: Vec<u8> = (0..200_000_u32).flat_map(|number| number.to_le_bytes()).collect();
        let bounds = |size, ratio| Bounds { size, ratio };
        for (text, bounds, error) in [
            (&mixed[..], bounds(mixed.len(), 100), None),
            (&mixed, bounds(mixed.len() - 1, 100), Some(GzipError::Size { size: mixed.len() - 1 })),
            (&mixed, bounds(10, 100), Some(GzipError::Size { size: 10 })),
            (&mixed, bounds(1 << 20, 1), Some(GzipError::Ratio { ratio: 1 })),
            // This much is allowed at any ratio.
            (&[0; Bounds::FREE], bounds(1 << 20, 1), None),
            (&[0; Bounds::FREE + 1], bounds(1 << 20, 1), Some(GzipError::Ratio { ratio: 1 })),
            (&[0; 1 << 20], bounds(1 << 20, 100), Some(GzipError::Ratio { ratio: 100 })),
            (&[0; 1 << 20], bounds(1 << 20, 2000), None),
        ] {
            assert_eq!(gunzip(&gzip(text), bounds).err(), error, "{} bytes, {bounds:?}", text.len());
        }
    }

    #[test]
    fn a_body_that_is_not_exactly_one_complete_gzip_member_is_refused() {
        let whole = gzip(b"{\"a\":1}");
        for length in 0..whole.len() {
            assert_eq!(gunzip(&whole[..length], BOUNDS), Err(GzipError::Cut), "{length} bytes");
        }
        let with = |at: usize, byte: u8| {
            let mut bytes = whole.clone();
            bytes[at] ^= byte;
            bytes
        };
        for (bytes, error) in [
            ([&whole[..], b"\0"].concat(), GzipError::Trailing),
            ([&whole[..], &whole].concat(), GzipError::Trailing),
            (b"{\"a\":1} and no gzip at all".to_vec(), GzipError::Malformed),
            (with(0, 1), GzipError::Malformed),
            (with(2, 1), GzipError::Malformed),
            // The checksum and the length are at the end.
            (with(whole.len() - 8, 1), GzipError::Malformed),
            (with(whole.len() - 1, 1), GzipError::Malformed),
        ] {
            assert_eq!(gunzip(&bytes, BOUNDS), Err(error), "{bytes:?}");
        }
    }

    /// The output of `zstd` 1.5.4 for `{"a":1}`, with a checksum.
    const ZSTD: &[u8] = &[
        0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x39, 0x00, 0x00, 0x7b, 0x22, 0x61, 0x22, 0x3a, 0x31, 0x7d, 0x48, 0x8b,
        0xfc, 0x32,
    ];

    /// A frame of `blocks` times 128 KiB of zeros, with a window of this exponent.
    fn zeros(exponent: u8, blocks: usize) -> Vec<u8> {
        // RFC 8878, section 3.1.1.2: a block that repeats one byte.
        let block = |is_last: bool| {
            let head = (128_u32 << 10) << 3 | 1 << 1 | u32::from(is_last);
            [&head.to_le_bytes()[..3], &[0]].concat()
        };
        let head = [&[0x28, 0xb5, 0x2f, 0xfd, 0, (exponent - 10) << 3][..], &[]].concat();
        (0..blocks).fold(head, |frame, index| [frame, block(index + 1 == blocks)].concat())
    }

    #[test]
    fn a_zstd_frame_decompresses_to_the_original() {
        let mixed: Vec<u8> = (0..200_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        for text in [&b""[..], b"a", b"{\"a\":1}", &mixed] {
            let frame = compress_to_vec(text, CompressionLevel::Fastest);
            assert!(unzstd(&frame, text.len()) == Ok(text.to_vec()), "{} bytes", text.len());
        }
        assert_eq!(unzstd(ZSTD, 7), Ok(b"{\"a\":1}".to_vec()));
        assert_eq!(unzstd(&zeros(17, 3), 384 << 10).map(|whole| whole.len()), Ok(384 << 10));
    }

    #[test]
    fn a_malformed_or_oversized_zstd_frame_is_refused() {
        let malformed = ZstdError::Malformed { window: WINDOW };
        for length in 0..ZSTD.len() {
            assert_eq!(unzstd(&ZSTD[..length], 100), Err(malformed), "{length} bytes");
        }
        let mut damaged = ZSTD.to_vec();
        *damaged.last_mut().unwrap() ^= 1;
        for (frame, size, error) in [
            (ZSTD.to_vec(), 6, ZstdError::Size { size: 6 }),
            (zeros(17, 80_000), 4 << 20, ZstdError::Size { size: 4 << 20 }),
            // 16 MiB, and the largest window that can be declared.
            (zeros(24, 1), 1 << 20, malformed),
            (zeros(41, 1), 1 << 20, malformed),
            (damaged, 100, malformed),
            (b"no zstd at all".to_vec(), 100, malformed),
            ([ZSTD, ZSTD].concat(), 100, ZstdError::Trailing),
            ([ZSTD, b"\0"].concat(), 100, ZstdError::Trailing),
        ] {
            assert_eq!(unzstd(&frame, size), Err(error), "{} bytes", frame.len());
        }
    }
}
