//! Checks the complete heads of requests: HEADERS with the CONTINUATION frames behind it.

use std::borrow::Cow;

use super::super::syntax::{is_target, is_token};
use super::frames::{CONTINUATION, END_HEADERS, Frame, HEAD, HEADERS};
use super::hpack::{self, Decoder};

/// Reads the heads of one connection.
#[derive(Debug, Default)]
pub(super) struct Heads {
    decoder: Decoder,
    /// A head was left out, so the compression state of hyper differs. From then on hyper gets every head uncompressed.
    rewrites: bool,
}

/// What is passed on of a head.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passes {
    /// The head is passed on unchanged.
    AsItIs,
    /// These frames replace the head.
    As(Vec<u8>),
    /// These frames replace a malformed head. hyper rejects them as an error of this stream alone.
    Malformed(Vec<u8>),
    /// Nothing: the rewritten head is too large, or the compression is broken and hyper would not notice.
    Not,
}

/// Flags of HEADERS for fields before the block (RFC 9113, section 6.2).
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;
/// The largest payload of a rewritten frame.
const FRAME: usize = 16 << 10;
/// RFC 9113, section 8.2.2: this field makes any request malformed.
const MALFORMED: (&[u8], &[u8]) = (b"connection", b"close");

impl Heads {
    /// Reads the frames of a head. A head that breaks RFC 9113, sections 8.2 and 8.3, is replaced with one that hyper
    /// rejects for its stream alone. A rewritten head may have `most` bytes.
    pub(super) fn read(&mut self, frames: &[u8], most: usize) -> Passes {
        let Some(block) = block(frames) else { return Passes::AsItIs };
        let (mut is_good, mut rewritten) = (true, Vec::new());
        let rewrites = self.rewrites;
        let read = self.decoder.read(&block, |name, value| {
            is_good &= is_well_formed(name, value);
            if rewrites && rewritten.len() <= most {
                hpack::put(&mut rewritten, name, value);
            }
        });
        match (read, is_good) {
            // hyper finds the same error and ends the connection.
            (Err(_), _) if !rewrites => Passes::AsItIs,
            (Err(_), _) => Passes::Not,
            (Ok(()), false) => {
                self.rewrites = true;
                rewritten.clear();
                hpack::put(&mut rewritten, MALFORMED.0, MALFORMED.1);
                Passes::Malformed(framed(frames, &rewritten))
            }
            (Ok(()), true) if !rewrites => Passes::AsItIs,
            (Ok(()), true) if rewritten.len() > most => Passes::Not,
            (Ok(()), true) => Passes::As(framed(frames, &rewritten)),
        }
    }
}

impl Heads {
    /// Reads the frames of a head that hyper does not get. False if the compression is broken.
    pub(super) fn leave_out(&mut self, frames: &[u8]) -> bool {
        self.rewrites = true;
        block(frames).is_some_and(|block| self.decoder.read(&block, |_, _| {}).is_ok())
    }
}

/// The header block of a head, without padding and priority; `None` if it cannot be found, which hyper notices too.
fn block(frames: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut block = Cow::Borrowed(&[][..]);
    let mut rest = frames;
    while let Some(frame) = Frame::read(rest) {
        let payload = rest.get(HEAD..HEAD + frame.length)?;
        rest = &rest[HEAD + frame.length..];
        let part = if frame.kind == HEADERS { unpadded(payload, frame.flags)? } else { payload };
        // Most heads are one frame.
        if block.is_empty() { block = Cow::Borrowed(part) } else { block.to_mut().extend_from_slice(part) }
    }
    Some(block)
}

/// Removes padding and priority (RFC 9113, section 6.2).
fn unpadded(mut payload: &[u8], flags: u8) -> Option<&[u8]> {
    let mut padding = 0;
    if flags & PADDED != 0 {
        let (&length, behind) = payload.split_first()?;
        (padding, payload) = (usize::from(length), behind);
    }
    if flags & PRIORITY != 0 {
        payload = payload.get(5..)?;
    }
    payload.get(..payload.len().checked_sub(padding)?)
}

/// Frames with this block, on the same stream and with the same flags as `before`.
fn framed(before: &[u8], block: &[u8]) -> Vec<u8> {
    let flags = before[4] & !(PADDED | PRIORITY | END_HEADERS);
    let mut frames = Vec::new();
    let mut pieces = block.chunks(FRAME).peekable();
    let mut kind = (HEADERS, flags);
    while let Some(piece) = pieces.next() {
        let end = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        let [_, a, b, c] = u32::try_from(piece.len()).unwrap_or_default().to_be_bytes();
        frames.extend_from_slice(&[a, b, c, kind.0, kind.1 | end]);
        frames.extend_from_slice(&before[5..HEAD]);
        frames.extend_from_slice(piece);
        kind = (CONTINUATION, 0);
    }
    frames
}

/// Checks a field by RFC 9113, section 8.2.1. A path must also be a valid target of HTTP/1.1, because a fragment would
/// be cut off.
fn is_well_formed(name: &[u8], value: &[u8]) -> bool {
    match name {
        b":path" => is_target(value),
        b":method" | b":scheme" | b":authority" => value.iter().all(u8::is_ascii_graphic),
        [b':', ..] => false,
        [] => false,
        name => {
            name.iter().all(|&byte| is_token(byte) && !byte.is_ascii_uppercase())
                && value.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frames::END_STREAM;
    use super::*;

    fn head(flags: u8, around: (&[u8], &[u8]), fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        fields.iter().for_each(|(name, value)| hpack::put(&mut block, name.as_bytes(), value.as_bytes()));
        let payload = [around.0, &block, around.1].concat();
        let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
        [&length[1..], &[HEADERS, flags | END_HEADERS], &7_u32.to_be_bytes(), &payload].concat()
    }

    const GOOD: [(&str, &str); 5] =
        [(":method", "GET"), (":scheme", "https"), (":path", "/a?b={c}"), (":authority", "a.test"), ("x", "a\t\u{e9}")];

    #[test]
    fn a_malformed_head_is_replaced_by_one_that_fails_only_its_stream() {
        let refused = head(END_STREAM, (&[], &[]), &[("connection", "close")]);
        for field in [
            ("X", "a"),
            ("", "a"),
            ("a b", "a"),
            ("x", "a\r\nb: c"),
            ("x", "a\0"),
            ("x", "\u{7f}"),
            (":path", "/a#b"),
            (":path", "/\u{e9}"),
            (":path", "/a b"),
            (":method", "G T"),
            (":authority", "a b"),
            (":status", "200"),
            (":other", "a"),
        ] {
            let mut heads = Heads::default();
            let good = head(END_STREAM, (&[], &[]), &GOOD);
            assert_eq!(heads.read(&good, 1000), Passes::AsItIs, "{field:?}");
            let bad = head(END_STREAM, (&[], &[]), &[&GOOD[..], &[field]].concat());
            assert_eq!(heads.read(&bad, 1000), Passes::Malformed(refused.clone()), "{field:?}");
            // From here on without compression.
            assert_eq!(heads.read(&good, 1000), Passes::As(good.clone()), "{field:?}");
            assert_eq!(heads.read(&good, 10), Passes::Not, "{field:?}");
        }
    }

    #[test]
    fn padding_and_priority_are_removed_from_a_head() {
        let around: (&[u8], &[u8]) = (&[3, 0, 0, 0, 0, 9], &[0, 0, 0]);
        let padded = head(END_STREAM | PADDED | PRIORITY, around, &GOOD);
        let mut heads = Heads { rewrites: true, ..Heads::default() };
        assert_eq!(heads.read(&padded, 1000), Passes::As(head(END_STREAM, (&[], &[]), &GOOD)));
        // More padding than the frame has.
        let torn = head(PADDED, (&[200], &[]), &[("a", "b")]);
        assert_eq!(Heads::default().read(&torn, 1000), Passes::AsItIs);
    }

    #[test]
    fn a_head_split_into_several_frames_is_read_as_one() {
        let whole = head(0, (&[], &[]), &GOOD);
        let (first, second) = whole[HEAD..].split_at(20);
        let frame = |kind, flags, payload: &[u8]| {
            [&[0, 0, u8::try_from(payload.len()).unwrap_or_default(), kind, flags, 0, 0, 0, 7][..], payload].concat()
        };
        let frames = [frame(HEADERS, 0, first), frame(CONTINUATION, END_HEADERS, second)].concat();
        assert_eq!(Heads::default().read(&frames, 1000), Passes::AsItIs);
        let mut heads = Heads { rewrites: true, ..Heads::default() };
        assert_eq!(heads.read(&frames, 1000), Passes::As(whole));
        let long = head(0, (&[], &[]), &[("a", &"b".repeat(20_000))]);
        let Passes::As(frames) = heads.read(&long, 30_000) else { panic!("it passes") };
        assert_eq!(block(&frames), block(&long));
        assert_eq!(frames[..5], [0, 0x40, 0, HEADERS, 0]);
        assert_eq!(frames[HEAD + FRAME + 3..HEAD + FRAME + 5], [CONTINUATION, END_HEADERS]);
    }
}
