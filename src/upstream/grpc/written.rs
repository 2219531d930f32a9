//! Finds out which calls have begun on a connection, from the bytes that HTTP/2 hands to its transport. Reads frames
//! (RFC 9113, section 4.1), and gives the highest stream that has a HEADERS frame among them.
//!
//! h2 does not say whether a call that was lost with its connection had been sent: calls that wait for their turn
//! (SETTINGS_MAX_CONCURRENT_STREAMS) end with the same error. What was never handed to the transport, the backend
//! cannot have.

use std::io::IoSlice;

/// The length of the client's preface, before the first frame (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// The length of a frame's head: length, type, flags and stream.
const HEAD: usize = 9;
const HEADERS: u8 = 1;

/// How much of the output of HTTP/2 the transport has taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    /// How many bytes of the payload are left before the next frame head.
    left: usize,
    head: [u8; HEAD],
    /// How many bytes of the frame head are known.
    filled: usize,
}

impl Written {
    pub(crate) fn new() -> Self {
        Self { left: PREFACE, head: [0; HEAD], filled: 0 }
    }

    /// The highest stream that begins in these bytes, which follow those already taken; zero if none begins.
    pub(crate) fn begun_in(&self, slices: &[IoSlice<'_>]) -> u32 {
        let mut ahead = *self;
        slices.iter().map(|slice| ahead.take(slice)).max().unwrap_or_default()
    }

    /// Notes that the transport has taken `count` of these bytes.
    pub(crate) fn advance(&mut self, slices: &[IoSlice<'_>], mut count: usize) {
        for slice in slices {
            let taken = count.min(slice.len());
            self.take(&slice[..taken]);
            count -= taken;
        }
    }

    fn take(&mut self, mut bytes: &[u8]) -> u32 {
        let mut highest = 0;
        loop {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEAD - self.filled).min(bytes.len());
            if taken == 0 {
                return highest;
            }
            self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == HEAD {
                let [a, b, c, kind, _flags, id @ ..] = self.head;
                self.left = u32::from_be_bytes([0, a, b, c]) as usize;
                self.filled = 0;
                if kind == HEADERS {
                    highest = highest.max(u32::from_be_bytes(id));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, id: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, 4, 0, 0, 0, id], payload].concat()
    }

    #[test]
    fn new_streams_are_recognised_however_the_written_bytes_are_split() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // A payload that looks like the head of another frame, and an empty one.
        let data = frame(0, 1, &frame(HEADERS, 99, b""));
        let bytes =
            [preface, frame(4, 0, b""), frame(HEADERS, 1, b"abc"), data, frame(HEADERS, 3, b""), frame(9, 3, b"d")];
        let bytes = bytes.concat();
        for step in 1..=bytes.len() {
            let (mut frames, mut highest, mut at) = (Written::new(), Vec::new(), 0);
            while at < bytes.len() {
                // The transport need not take all that it is offered.
                let offered = &bytes[at..];
                let (one, other) = offered.split_at(offered.len() / 2);
                let slices = [IoSlice::new(one), IoSlice::new(other)];
                assert_eq!(frames.begun_in(&slices).max(3), 3);
                let taken = step.min(offered.len());
                highest.push(frames.begun_in(&[IoSlice::new(&offered[..taken])]));
                frames.advance(&slices, taken);
                at += taken;
            }
            highest.retain(|&id| id > 0);
            let expected: &[u32] = if highest.len() == 1 { &[3] } else { &[1, 3] };
            assert_eq!(highest, expected, "{step} bytes at a time");
        }
    }
}
