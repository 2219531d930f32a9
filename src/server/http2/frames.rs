//! Recognizes HTTP/2 frames as they pass: RFC 9113, section 4.1. Keeps only what tells them apart.

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// The length of a frame's head, before its payload, in bytes.
pub(super) const HEAD: usize = 9;
/// The length of the preface that a client sends before its first frame: RFC 9113, section 3.4.
pub(super) const PREFACE: usize = PREFACE_BYTES.len();
pub(crate) const PREFACE_BYTES: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    /// The first four bytes of the payload, if it has four. For RST_STREAM and WINDOW_UPDATE that is the whole payload.
    pub(super) number: Option<u32>,
}

impl Frame {
    /// Reads the frame that begins here, if its head is complete.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut frame = Self::of(bytes.first_chunk()?);
        frame.number = (frame.length >= 4 && bytes.len() >= HEAD + 4).then(|| word(bytes, HEAD));
        Some(frame)
    }

    fn of(head: &[u8; HEAD]) -> Self {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        Self { length, kind: head[3], flags: head[4], stream: word(head, 5) & 0x7fff_ffff, number: None }
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_be_bytes(*word))
}

/// The answer to an HTTP/2 client on a connection that only speaks HTTP/1.1: SETTINGS, and GOAWAY with
/// HTTP_1_1_REQUIRED and a reason (RFC 9113, sections 6.5, 6.8 and 7).
pub(crate) fn http1_required() -> Vec<u8> {
    const REASON: &[u8] = b"HTTP/2 is not spoken on this connection: send HTTP/1.1, or choose h2 by ALPN over TLS";
    const SETTINGS: [u8; HEAD] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const LENGTH: u8 = 8 + REASON.len() as u8;
    const GOAWAY: [u8; HEAD] = [0, 0, LENGTH, 7, 0, 0, 0, 0, 0];
    const HTTP_1_1_REQUIRED: u32 = 0xd;
    [&SETTINGS[..], &GOAWAY, &0_u32.to_be_bytes(), &HTTP_1_1_REQUIRED.to_be_bytes(), REASON].concat()
}

/// Follows the frames of one direction.
#[derive(Debug)]
pub(super) struct Frames {
    /// The bytes of a frame that has begun, before its head is complete.
    begun: [u8; HEAD + 4],
    have: usize,
    /// How many more bytes belong to a frame that was already recognized.
    left: usize,
}

impl Frames {
    /// Begins at the start of a connection, whose first bytes are a preface of this length.
    pub(super) fn behind(preface: usize) -> Self {
        Self { begun: [0; HEAD + 4], have: 0, left: preface }
    }

    /// Whether the next byte begins a frame.
    pub(super) fn is_between(&self) -> bool {
        self.left == 0 && self.have == 0
    }

    /// Reads the next bytes: the rest of a frame, or the beginning of one. Returns how many bytes that was, and the
    /// frame if its beginning is now complete.
    pub(super) fn next(&mut self, bytes: &[u8]) -> (usize, Option<Frame>) {
        if self.left > 0 {
            let passed = self.left.min(bytes.len());
            self.left -= passed;
            return (passed, None);
        }
        let mut taken = self.take(bytes, HEAD);
        if self.have < HEAD {
            return (taken, None);
        }
        let mut frame = Frame::of(&self.begun[..HEAD].try_into().unwrap_or_default());
        let wanted = if frame.length < 4 { HEAD } else { HEAD + 4 };
        taken += self.take(&bytes[taken..], wanted);
        if self.have < wanted {
            return (taken, None);
        }
        frame.number = (wanted > HEAD).then(|| word(&self.begun, HEAD));
        self.left = HEAD + frame.length - wanted;
        self.have = 0;
        (taken, Some(frame))
    }

    fn take(&mut self, bytes: &[u8], wanted: usize) -> usize {
        let taken = bytes.len().min(wanted.saturating_sub(self.have));
        self.begun[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
        self.have += taken;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http2_frames_are_found_however_their_bytes_arrive() {
        let ping = [&[0, 0, 8, 6, 0, 0, 0, 0, 0][..], &[7; 8]].concat();
        let settings = vec![0, 0, 0, 4, 1, 0, 0, 0, 0];
        let reset = vec![0, 0, 4, 3, 0, 0x80, 0, 0, 5, 0, 0, 0, 8];
        let odd = vec![0, 0, 3, 2, 0, 0, 0, 0, 9, 1, 2, 3];
        let all = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &ping, &settings, &reset, &odd, &ping].concat();
        let frame = |length, kind, flags, stream, number| Frame { length, kind, flags, stream, number };
        let word = Some(0x0707_0707);
        let expected = [
            frame(8, 6, 0, 0, word),
            frame(0, 4, 1, 0, None),
            frame(4, 3, 0, 5, Some(8)),
            frame(3, 2, 0, 9, None),
            frame(8, 6, 0, 0, word),
        ];
        for size in 1..=all.len() {
            let (mut frames, mut found) = (Frames::behind(PREFACE), Vec::new());
            for mut piece in all.chunks(size) {
                while !piece.is_empty() {
                    let (taken, frame) = frames.next(piece);
                    found.extend(frame);
                    piece = &piece[taken..];
                }
            }
            assert_eq!(found, expected, "{size} bytes at a time");
            assert!(frames.is_between(), "{size} bytes at a time");
        }
    }
}
