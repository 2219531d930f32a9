//! An HTTP/1.1 connection whose bytes are checked on their way to hyper.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::http2::frames::http1_required;
use super::super::violation::Violation;
use super::chunks::ChunkReader;
use super::head::{Framing, Head, HeadReader, Limits};

/// Passes on only HTTP/1.1 that every reader understands in the same way.
///
/// A head that breaks a rule is replaced with a request of its own. The answer to that names the [`Violation`] and
/// closes the connection. So the error comes in its turn, after the answers to earlier requests, and is never mixed
/// with the bytes of another answer. A body that breaks a rule ends with an error. A connection that begins with the
/// preface of HTTP/2 is answered with frames that say so.
pub(crate) struct Strict<S> {
    stream: S,
    limits: Limits,
    phase: Phase,
    /// Bytes of an incomplete head, or bytes behind a request to leave HTTP.
    held: Vec<u8>,
    /// How many bytes of `held` are checked, but were not passed on for lack of room.
    checked: usize,
    /// How many requests were passed on.
    requests: usize,
    verdict: Arc<Verdict>,
}

enum Phase {
    Head(HeadReader),
    Length(u64),
    Chunked(ChunkReader),
    /// A request to leave HTTP is not answered yet, so it is unknown whether the next bytes are HTTP.
    Undecided,
    /// The connection has left HTTP.
    Left,
    /// Nothing more is read.
    Over(Over),
}

enum Over {
    Head,
    /// Reading ends with this error.
    Broken(Violation),
    /// The connection began as HTTP/2. These bytes of the answer that says so are still to be written.
    Preface(Bytes),
}

/// The result of the checks, for the service that answers. Requests are counted from 1.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    is_refused: AtomicBool,
    /// The number of the request that replaces a rejected one, and the reason.
    refused: Mutex<Option<(usize, Violation)>>,
    /// The number of the request to leave HTTP that is not answered yet; 0 for none.
    undecided: AtomicUsize,
    /// Whether the last answer to such a request agreed to leave HTTP.
    leaves: AtomicBool,
    /// Whether a body broke a rule, so that nothing more is read.
    is_broken: AtomicBool,
}

/// The request that replaces a rejected head.
const IN_PLACE: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
/// The most bytes that are kept while it is unknown whether they are HTTP.
const UNDECIDED: usize = 16 << 10;
/// How many bytes are read at a time into a separate buffer.
const PIECE: usize = 4 << 10;

impl Verdict {
    /// Why the request with this number is rejected, if it is.
    pub(crate) fn of(&self, request: usize) -> Option<Violation> {
        if !self.is_refused.load(Ordering::Acquire) {
            return None;
        }
        let refused = *self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.filter(|(number, _)| *number == request).map(|(_, violation)| violation)
    }

    /// Notes the answer to the request with this number: whether the connection leaves HTTP with it.
    pub(crate) fn answered(&self, request: usize, leaves: bool) {
        if self.undecided.load(Ordering::Relaxed) == request {
            self.leaves.store(leaves, Ordering::Relaxed);
            self.undecided.store(0, Ordering::Release);
        }
    }

    /// Whether a body broke a rule, so that the connection ends with its answer.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }

    fn refuse(&self, request: usize, violation: Violation) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some((request, violation));
        self.is_refused.store(true, Ordering::Release);
    }
}

impl<S> Strict<S> {
    pub(crate) fn new(stream: S, limits: Limits, verdict: Arc<Verdict>) -> Self {
        let phase = Phase::Head(HeadReader::new(limits));
        Self { stream, limits, phase, held: Vec::new(), checked: 0, requests: 0, verdict }
    }

    /// The underlying connection.
    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The connection, and the bytes that were read from it but not passed on.
    pub(crate) fn into_parts(self) -> (S, Bytes) {
        (self.stream, self.held.into())
    }

    /// Whether the connection began as an HTTP/2 connection.
    pub(crate) fn is_preface(&self) -> bool {
        matches!(self.phase, Phase::Over(Over::Preface(_)))
    }

    /// Whether part of a head has arrived.
    pub(crate) fn is_in_head(&self) -> bool {
        matches!(self.phase, Phase::Head(_)) && !self.held.is_empty()
    }

    /// Whether the caller has more to send than was read: behind a rejected head, or in an unfinished body.
    pub(crate) fn is_unfinished(&self) -> bool {
        matches!(self.phase, Phase::Length(_) | Phase::Chunked(_) | Phase::Over(_))
    }

    /// Checks bytes, and returns how many of them may be passed on. `read` is everything that has arrived since the
    /// last byte that was.
    fn check(&mut self, read: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let rest = &read[at..];
            let taken = match &mut self.phase {
                Phase::Over(_) | Phase::Undecided => return at,
                Phase::Left => return read.len(),
                _ if rest.is_empty() => return at,
                Phase::Head(reader) => match reader.read(rest) {
                    Ok(Some(head)) => {
                        self.requests += 1;
                        self.begin_body(&head);
                        head.length
                    }
                    Ok(None) => return at,
                    // An HTTP/2 client does not read an answer in HTTP/1.1.
                    Err(Violation::Http2) if self.requests == 0 => {
                        self.phase = Phase::Over(Over::Preface(http1_required().into()));
                        return at;
                    }
                    Err(violation) => {
                        self.verdict.refuse(self.requests + 1, violation);
                        self.phase = Phase::Over(Over::Head);
                        return at;
                    }
                },
                Phase::Length(left) => {
                    let here = usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                    *left -= here as u64;
                    if *left == 0 {
                        self.phase = self.next_head();
                    }
                    here
                }
                Phase::Chunked(reader) => match reader.read(rest) {
                    Ok(here) => {
                        if reader.is_at_end() {
                            self.phase = self.next_head();
                        }
                        here
                    }
                    Err(violation) => {
                        self.verdict.is_broken.store(true, Ordering::Relaxed);
                        self.phase = Phase::Over(Over::Broken(violation));
                        return at;
                    }
                },
            };
            at += taken;
        }
    }

    fn begin_body(&mut self, head: &Head) {
        self.phase = match head.framing {
            Framing::Length(0) if head.asks_upgrade => {
                self.verdict.undecided.store(self.requests, Ordering::Release);
                Phase::Undecided
            }
            Framing::Length(0) => self.next_head(),
            Framing::Length(length) => Phase::Length(length),
            Framing::Chunked => Phase::Chunked(ChunkReader::default()),
        }
    }

    fn next_head(&self) -> Phase {
        Phase::Head(HeadReader::new(self.limits))
    }

    /// Passes on held bytes, as many as are checked and there is room for.
    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.checked.min(buffer.remaining());
        buffer.put_slice(&self.held[..length]);
        self.checked -= length;
        if length == self.held.len() {
            // Frees the buffer: most connections need it once, if at all.
            self.held = Vec::new();
        } else {
            self.held.drain(..length);
        }
    }

    /// Checks the held bytes again, once it is known whether they are HTTP.
    fn check_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.checked = self.check(&held);
        self.held = held;
        self.put_in_place();
    }

    /// Removes rejected bytes, and adds the request that replaces a rejected head.
    fn put_in_place(&mut self) {
        if let Phase::Over(over) = &self.phase {
            self.held.truncate(self.checked);
            if matches!(over, Over::Head) {
                self.held.extend_from_slice(IN_PLACE);
                self.checked = self.held.len();
            }
        }
    }
}

impl<S: AsyncRead + Unpin> Strict<S> {
    /// Reads into the buffer, and keeps in it only what may be passed on. Returns whether anything arrived.
    fn poll_direct(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() == before {
            return Poll::Ready(Ok(false));
        }
        let read = &buffer.filled()[before..];
        let good = self.check(read);
        if good < read.len() {
            self.held = read[good..].to_vec();
            self.checked = 0;
            buffer.set_filled(before + good);
            self.put_in_place();
        }
        Poll::Ready(Ok(true))
    }

    /// Reads more bytes behind the held ones. Returns whether anything arrived.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut piece = [std::mem::MaybeUninit::uninit(); PIECE];
        let mut buffer = ReadBuf::uninit(&mut piece);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        self.held.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(!buffer.filled().is_empty()))
    }
}

impl<S: AsyncWrite + Unpin> Strict<S> {
    /// Writes the frames that tell an HTTP/2 client that this is HTTP/1.1. Nothing was written before, because there
    /// was no request.
    fn poll_told(stream: &mut S, left: &mut Bytes, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !left.is_empty() {
            match ready!(Pin::new(&mut *stream).poll_write(cx, left))? {
                0 => return Poll::Ready(Ok(())),
                written => left.advance(written),
            }
        }
        Pin::new(stream).poll_flush(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Strict<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        while buffer.filled().len() == before {
            if this.checked > 0 {
                this.hand_on(buffer);
                break;
            }
            if let Phase::Over(Over::Preface(left)) = &mut this.phase {
                // A caller that is already gone needs no answer.
                let _ = ready!(Self::poll_told(&mut this.stream, left, cx));
                break;
            }
            match &this.phase {
                Phase::Over(Over::Broken(violation)) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, *violation)));
                }
                // The answer to the replacement closes the connection.
                Phase::Over(Over::Head) => return Poll::Pending,
                Phase::Undecided if this.verdict.undecided.load(Ordering::Acquire) == 0 => {
                    let leaves = this.verdict.leaves.load(Ordering::Relaxed);
                    this.phase = if leaves { Phase::Left } else { this.next_head() };
                    this.check_held();
                    continue;
                }
                // hyper reads again once there is an answer.
                Phase::Undecided if this.held.len() >= UNDECIDED => return Poll::Pending,
                Phase::Undecided => {
                    if ready!(this.poll_more(cx))? {
                        continue;
                    }
                    break;
                }
                _ => {}
            }
            let has_more = if this.held.is_empty() {
                ready!(this.poll_direct(cx, buffer))?
            } else {
                let has_more = ready!(this.poll_more(cx))?;
                this.check_held();
                has_more
            };
            if !has_more {
                // The end of the connection.
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
