//! An HTTP/2 connection that limits how many frames a caller may send besides calls.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, Frames, HEAD, HEADERS, PREFACE, PRIORITY, RST_STREAM,
    WINDOW_UPDATE,
};
use super::heads::{Heads, Passes};
use crate::observe::refused::{PeerRefusals, Stage};

/// Counts frames on their way to hyper and from it.
pub(crate) struct Metered<S> {
    stream: S,
    /// The most bytes of a head.
    head_limit: usize,
    heads: Heads,
    /// The streams that the caller has ended and that are not fully answered.
    ended: Vec<u32>,
    /// The last stream that the caller has begun.
    last: u32,
    /// How many bytes of an accepted frame are still to come.
    left: usize,
    /// The bytes of a frame or head that is checked as a whole, as far as they have arrived.
    held: Vec<u8>,
    /// How many bytes of the head in `held` were counted.
    counted: usize,
    /// Checked bytes that are passed on next.
    ready: Vec<u8>,
    written: Frames,
    /// Frames that this sends itself, at the next boundary between written frames.
    own: Vec<u8>,
    budget: FrameBudget,
    refusals: PeerRefusals,
}

/// What happens to the next bytes.
enum NextBytes {
    /// This many bytes are passed on.
    Pass(usize),
    /// This many bytes are replaced with others.
    Replace(usize, Vec<u8>),
    /// More bytes are needed to decide.
    Wait,
    /// The limit is exceeded.
    End,
}

/// How many frames a caller may send without a call. Each control frame costs one.
#[derive(Debug)]
struct FrameBudget {
    left: u32,
    /// From when on elapsed time has not been credited. The clock is only read when too little is left.
    since: Instant,
}

/// The budget at the start, which is also the most that it can have.
const MOST: u32 = 1000;
/// What a call gives: it may come with a window update, a priority and a few pings.
const PER_CALL: u32 = 20;
/// What a piece of an answer gives: the caller may acknowledge it for its stream and for the connection, and measure
/// with a ping.
const PER_ANSWER: u32 = 4;
/// The time that gives one frame, so that a connection can be kept alive for ever.
const PER_FRAME: Duration = Duration::from_millis(100);
/// The cost of a stream that was ended for a fault: more than a call gives.
const FAULT: u32 = PER_CALL + 10;

/// The reasons in the log.
const TOO_MANY: &str = "the caller sent too many frames without a call";
const MALFORMED: &str = "the head has a field that RFC 9113, sections 8.2 and 8.3, does not allow";
const WRONG_FRAME: &str = "a frame ends its stream: a window of zero, bytes behind the end, or a wrong length";

const PROTOCOL_ERROR: u32 = 1;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const ENHANCE_YOUR_CALM: u32 = 11;
/// Codes of RST_STREAM that are no fault of the caller: NO_ERROR, INTERNAL_ERROR, CANCEL.
const BLAMELESS: [u32; 3] = [0, 2, 8];

impl FrameBudget {
    fn new() -> Self {
        Self { left: MOST, since: Instant::now() }
    }

    fn give(&mut self, frames: u32) {
        self.left = (self.left + frames).min(MOST);
    }

    /// Takes this many frames from the budget; false if too little is left.
    fn take(&mut self, frames: u32) -> bool {
        if self.left < frames {
            let now = Instant::now();
            let earned = (now - self.since).as_millis() / PER_FRAME.as_millis();
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            if earned > 0 {
                self.since = now;
            }
            self.left = self.left.saturating_add(earned).min(MOST);
        }
        let enough = self.left >= frames;
        self.left = self.left.saturating_sub(frames);
        enough
    }

    /// Accounts for a frame from the caller.
    fn read(&mut self, frame: &Frame) -> bool {
        match frame.kind {
            HEADERS => {
                self.give(PER_CALL);
                true
            }
            // Flow-control windows limit DATA; nothing limits empty frames.
            DATA if frame.length > 0 || frame.flags & END_STREAM != 0 => true,
            _ => self.take(1),
        }
    }

    /// Accounts for a frame to the caller.
    fn written(&mut self, frame: &Frame) -> bool {
        match frame.kind {
            DATA => {
                self.give(PER_ANSWER);
                true
            }
            RST_STREAM if frame.number.is_some_and(|code| !BLAMELESS.contains(&code)) => self.take(FAULT),
            _ => true,
        }
    }
}

impl<S> Metered<S> {
    pub(crate) fn new(stream: S, head_limit: usize, refusals: PeerRefusals) -> Self {
        Self {
            stream,
            head_limit,
            heads: Heads::default(),
            ended: Vec::new(),
            last: 0,
            left: PREFACE,
            held: Vec::new(),
            counted: 0,
            ready: Vec::new(),
            written: Frames::behind(0),
            own: Vec::new(),
            budget: FrameBudget::new(),
            refusals,
        }
    }

    /// Looks at the next bytes: the rest of an accepted frame, or a new frame.
    fn step(&mut self, bytes: &[u8]) -> NextBytes {
        if self.left > 0 {
            let passed = self.left.min(bytes.len());
            self.left -= passed;
            return NextBytes::Pass(passed);
        }
        let Some(frame) = Frame::read(bytes) else { return NextBytes::Wait };
        match frame {
            Frame { kind: HEADERS, .. } => self.head(bytes, &frame),
            Frame { kind: WINDOW_UPDATE, length: 4, number: None, .. } => NextBytes::Wait,
            // The next three are stream errors by RFC 9113, but hyper would end the connection for them.
            // RFC 9113, section 6.9: a window update of zero.
            Frame { kind: WINDOW_UPDATE, length: 4, stream: stream @ 1.., number: Some(window), .. }
                if window & 0x7fff_ffff == 0 =>
            {
                self.end_stream(stream, PROTOCOL_ERROR, HEAD + frame.length)
            }
            // Section 5.1, "half-closed (remote)": data behind the end of a stream; section 6.3: PRIORITY of a wrong
            // length.
            Frame { kind: DATA, stream, length: ..=LARGEST, .. } if self.ended.contains(&stream) => {
                self.wrong(bytes, &frame, STREAM_CLOSED)
            }
            Frame { kind: PRIORITY, stream: 1.., length: ..5 | 6..=LARGEST, .. } => {
                self.wrong(bytes, &frame, FRAME_SIZE_ERROR)
            }
            frame if self.budget.read(&frame) => {
                match frame.kind {
                    DATA if frame.flags & END_STREAM != 0 => self.note_end(frame.stream),
                    RST_STREAM => self.ended.retain(|ended| *ended != frame.stream),
                    _ => {}
                }
                self.left = HEAD + frame.length;
                self.step(bytes)
            }
            _ => NextBytes::End,
        }
    }

    /// Notes that the caller has ended a stream. If the stream is already answered, it stays noted until newer ones
    /// replace it.
    fn note_end(&mut self, stream: u32) {
        if self.ended.len() == MOST_ENDED {
            self.ended.remove(0);
        }
        self.ended.push(stream);
    }

    /// Handles a frame that is a stream error, once the frame is complete. If its stream has not begun, the frame is
    /// only left out.
    fn wrong(&mut self, bytes: &[u8], frame: &Frame, code: u32) -> NextBytes {
        let length = HEAD + frame.length;
        if bytes.len() < length {
            return NextBytes::Wait;
        }
        if frame.stream > self.last {
            return if self.budget.take(1) { NextBytes::Replace(length, Vec::new()) } else { NextBytes::End };
        }
        if frame.kind == DATA && frame.length > 0 {
            // hyper does not see these bytes, so the window of the connection is given back here.
            self.own.extend_from_slice(&with_number(WINDOW_UPDATE, 0, u32::try_from(frame.length).unwrap_or_default()));
        }
        self.end_stream(frame.stream, code, length)
    }

    /// Replaces `length` bytes: hyper sees that the caller has reset the stream, and the caller is told the error.
    fn end_stream(&mut self, stream: u32, code: u32, length: usize) -> NextBytes {
        if !self.budget.take(FAULT) {
            return NextBytes::End;
        }
        self.refusals.note(Stage::Head, &WRONG_FRAME);
        self.ended.retain(|ended| *ended != stream);
        let reset = with_number(RST_STREAM, stream, code);
        self.own.extend_from_slice(&reset);
        NextBytes::Replace(length, reset.to_vec())
    }

    /// Checks a head once it is complete.
    fn head(&mut self, bytes: &[u8], first: &Frame) -> NextBytes {
        loop {
            let Some(frame) = Frame::read(&bytes[self.counted..]) else { return NextBytes::Wait };
            let is_of_it = self.counted == 0 || (frame.kind == CONTINUATION && frame.stream == first.stream);
            let end = self.counted + HEAD + frame.length;
            // hyper reports the error in these and ends the connection.
            if !is_of_it || frame.length > LARGEST {
                return self.pass_on(end);
            }
            if end > self.head_limit {
                return NextBytes::End;
            }
            if bytes.len() < end {
                return NextBytes::Wait;
            }
            if !self.budget.read(&frame) {
                return NextBytes::End;
            }
            self.counted = end;
            if frame.flags & END_HEADERS != 0 {
                if self.ended.contains(&first.stream) {
                    self.counted = 0;
                    return match self.heads.leave_out(&bytes[..end]) {
                        true => self.end_stream(first.stream, STREAM_CLOSED, end),
                        false => NextBytes::End,
                    };
                }
                self.last = self.last.max(first.stream);
                if first.flags & END_STREAM != 0 {
                    self.note_end(first.stream);
                }
                return match self.heads.read(&bytes[..end], self.head_limit) {
                    Passes::AsItIs => self.pass_on(end),
                    Passes::As(frames) => {
                        self.counted = 0;
                        NextBytes::Replace(end, frames)
                    }
                    Passes::Malformed(frames) => {
                        self.refusals.note(Stage::Head, &MALFORMED);
                        self.counted = 0;
                        NextBytes::Replace(end, frames)
                    }
                    Passes::Not => NextBytes::End,
                };
            }
        }
    }

    fn pass_on(&mut self, length: usize) -> NextBytes {
        self.counted = 0;
        self.left = length;
        NextBytes::Pass(0)
    }

    /// Checks bytes that were read, and returns how many of them are passed on in place. The others are held or ready.
    /// False if the limit is exceeded.
    fn look(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while at < bytes.len() {
            match self.step(&bytes[at..]) {
                NextBytes::Pass(passed) => at += passed,
                NextBytes::Replace(taken, frames) => {
                    self.held = bytes[at + taken..].to_vec();
                    self.ready = frames;
                    return (at, self.look_at_held());
                }
                NextBytes::Wait => {
                    self.held = bytes[at..].to_vec();
                    break;
                }
                NextBytes::End => return (at, false),
            }
        }
        (at, true)
    }

    /// Checks the held bytes. What is passed on becomes ready.
    fn look_at_held(&mut self) -> bool {
        let held = std::mem::take(&mut self.held);
        let mut at = 0;
        while at < held.len() {
            match self.step(&held[at..]) {
                NextBytes::Pass(passed) => {
                    self.ready.extend_from_slice(&held[at..at + passed]);
                    at += passed;
                }
                NextBytes::Replace(taken, frames) => {
                    self.ready.extend(frames);
                    at += taken;
                }
                NextBytes::Wait => break,
                NextBytes::End => return false,
            }
        }
        self.held = held;
        self.held.drain(..at);
        true
    }
}

/// The most ended streams to remember: more than a connection can have open at one time.
const MOST_ENDED: usize = 256;
/// The longest frame that is accepted: RFC 9113, section 4.2, "the initial value".
const LARGEST: usize = 16 << 10;
/// How many bytes are read at a time behind the held ones.
const PIECE: usize = 4 << 10;

/// A frame whose payload is a number: RST_STREAM or WINDOW_UPDATE.
fn with_number(kind: u8, stream: u32, number: u32) -> [u8; HEAD + 4] {
    let ([a, b, c, d], [e, f, g, h]) = (stream.to_be_bytes(), number.to_be_bytes());
    [0, 0, 4, kind, 0, a, b, c, d, e, f, g, h]
}

/// A GOAWAY frame. It is not known here which calls were taken, so none is declared safe to send again.
fn calm_down() -> Vec<u8> {
    const GOAWAY: u8 = 7;
    const LAST_STREAM: u32 = 0x7fff_ffff;
    [&[0, 0, 8, GOAWAY, 0, 0, 0, 0, 0], &LAST_STREAM.to_be_bytes()[..], &ENHANCE_YOUR_CALM.to_be_bytes()].concat()
}

impl<S: AsyncWrite + Unpin> Metered<S> {
    /// Writes this connection's own frames, unless another frame is only partly written.
    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.own.is_empty() && self.written.is_between() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.own))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.own.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// Ends a connection whose caller has sent too much. The caller is told if there is room for that at once.
    fn end(&mut self, cx: &mut Context<'_>) -> io::Error {
        self.own.extend(calm_down());
        if self.poll_own(cx).is_ready() {
            let _ = Pin::new(&mut self.stream).poll_flush(cx);
        }
        self.refusals.note(Stage::Connection, &TOO_MANY);
        io::Error::new(io::ErrorKind::InvalidData, TOO_MANY)
    }

    /// Follows the frames that were written; false if the budget is exceeded.
    fn note(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let (taken, frame) = self.written.next(bytes);
            if let Some(frame) = frame {
                let is_end = matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0;
                if is_end || frame.kind == RST_STREAM {
                    self.ended.retain(|ended| *ended != frame.stream);
                }
                if !self.budget.written(&frame) {
                    return false;
                }
            }
            bytes = &bytes[taken..];
        }
        true
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Metered<S> {
    /// Reads more: into the buffer, or behind the held bytes. Returns whether anything arrived.
    fn poll_more(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let before = buffer.filled().len();
        let is_bounded = if self.held.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
            if buffer.filled().len() == before {
                return Poll::Ready(Ok(false));
            }
            let (passed, is_bounded) = self.look(&buffer.filled()[before..]);
            buffer.set_filled(before + passed);
            is_bounded
        } else {
            let mut piece = [std::mem::MaybeUninit::uninit(); PIECE];
            let mut more = ReadBuf::uninit(&mut piece);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut more))?;
            if more.filled().is_empty() {
                return Poll::Ready(Ok(false));
            }
            self.held.extend_from_slice(more.filled());
            self.look_at_held()
        };
        if !is_bounded {
            return Poll::Ready(Err(self.end(cx)));
        }
        if !self.own.is_empty() && self.poll_own(cx)?.is_ready() {
            let _ = Pin::new(&mut self.stream).poll_flush(cx)?;
        }
        Poll::Ready(Ok(true))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        loop {
            if !this.ready.is_empty() {
                let length = this.ready.len().min(buffer.remaining());
                buffer.put_slice(&this.ready[..length]);
                this.ready.drain(..length);
                return Poll::Ready(Ok(()));
            }
            let has_more = ready!(this.poll_more(cx, buffer))?;
            if buffer.filled().len() > before || !has_more {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_own(cx))?;
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        if this.note(&bytes[..written]) { Poll::Ready(Ok(written)) } else { Poll::Ready(Err(this.end(cx))) }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_own(cx))?;
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, slices))?;
        let mut left = written;
        for slice in slices {
            let part = &slice[..left.min(slice.len())];
            if !this.note(part) {
                return Poll::Ready(Err(this.end(cx)));
            }
            left -= part.len();
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_own(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::super::hpack;
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn head(stream: u32, flags: u8) -> Vec<u8> {
        let mut block = Vec::new();
        hpack::put(&mut block, b":method", b"GET");
        frame(HEADERS, END_HEADERS | flags, stream, &block)
    }

    #[test]
    fn a_fault_in_one_stream_resets_only_that_stream() {
        let run = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (get, post, part) = (head(1, END_STREAM), head(1, 0), frame(DATA, 0, 1, b"abc"));
        let (reset, window) =
            (|code| with_number(RST_STREAM, 1, code).to_vec(), with_number(WINDOW_UPDATE, 0, 3).to_vec());
        for (fault, frames, passed, told) in [
            ("none", [post.clone(), part.clone()].concat(), [post.clone(), part.clone()].concat(), Vec::new()),
            (
                "bytes behind the end",
                [get.clone(), part.clone()].concat(),
                [get.clone(), reset(5)].concat(),
                [window.clone(), reset(5)].concat(),
            ),
            (
                "bytes behind the end, after others",
                [post.clone(), frame(DATA, END_STREAM, 1, b""), part].concat(),
                [post.clone(), frame(DATA, END_STREAM, 1, b""), reset(5)].concat(),
                [window, reset(5)].concat(),
            ),
            ("a head behind the end", [get.clone(), get.clone()].concat(), [get, reset(5)].concat(), reset(5)),
            (
                "a short priority",
                [post.clone(), frame(PRIORITY, 0, 1, b"abcd")].concat(),
                [post, reset(6)].concat(),
                reset(6),
            ),
            ("a long priority of no stream", frame(PRIORITY, 0, 7, b"abcdef"), Vec::new(), Vec::new()),
        ] {
            for size in [1, 5, frames.len()] {
                run.block_on(async {
                    let (ours, mut caller) = duplex(1 << 16);
                    let mut metered = Metered::new(ours, 1 << 16, PeerRefusals::default());
                    let preface = [b'p'; PREFACE];
                    let (mut got, mut heard) = (Vec::new(), Vec::new());
                    for piece in [&preface[..], &frames].concat().chunks(size) {
                        caller.write_all(piece).await.unwrap();
                        let mut buffer = [0; 1024];
                        let reading = std::pin::pin!(metered.read(&mut buffer));
                        tokio::select! {
                            biased;
                            read = reading => got.extend_from_slice(&buffer[..read.unwrap()]),
                            () = tokio::task::yield_now() => {}
                        }
                    }
                    caller.shutdown().await.unwrap();
                    metered.read_to_end(&mut got).await.unwrap();
                    drop(metered);
                    caller.read_to_end(&mut heard).await.unwrap();
                    assert_eq!((&got[PREFACE..], &heard), (&passed[..], &told), "{fault}, {size} bytes at a time");
                });
            }
        }
    }
}
