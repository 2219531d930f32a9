//! The end of patience with a caller: one who takes nothing of an answer, one whose head has no place left, and one who has
//! nothing to ask.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};

use crate::memory::{Charge, Share, Use};

/// Longest time in which a caller takes nothing of what is to be written.
const STALL: Duration = Duration::from_secs(30);
/// Longest time without a request on a connection of HTTP/2; over HTTP/1.1 hyper looks after it.
const IDLE: Duration = Duration::from_secs(60);
/// Time for a caller who has nothing to ask to end the connection itself.
const LEAVE: Duration = Duration::from_secs(10);
/// So many bytes of a head are part of what each connection has.
const FREE: usize = 16 << 10;

/// What happens on one connection.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// How many requests have come.
    requests: AtomicUsize,
    /// How many of them are not answered to the end.
    in_flight: AtomicUsize,
}

/// A request that is not answered to the end.
pub(super) struct InFlight(Arc<Progress>);

impl Progress {
    pub(super) fn begin(this: &Arc<Self>) -> InFlight {
        this.requests.fetch_add(1, Ordering::Relaxed);
        this.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(this.clone())
    }

    /// How many requests have come.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Asks the connection to end (`retired`) once nothing was asked for long, and is ready if that was of no use.
    pub(super) async fn idle(&self, retired: &Notify) {
        let mut before = self.requests.load(Ordering::Relaxed);
        let mut is_asked = false;
        loop {
            sleep(if is_asked { LEAVE } else { IDLE }).await;
            let requests = self.requests.load(Ordering::Relaxed);
            let is_idle = requests == before && self.in_flight.load(Ordering::Relaxed) == 0;
            match (is_idle, is_asked) {
                (true, true) => return,
                (true, false) => retired.notify_one(),
                _ => {}
            }
            (before, is_asked) = (requests, is_idle);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer, which is in flight as long as it is there.
pub(super) struct Held<B> {
    body: B,
    _call: InFlight,
}

impl<B> Held<B> {
    pub(super) fn new(body: B, call: InFlight) -> Self {
        Self { body, _call: call }
    }
}

impl<B: Body + Unpin> Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that does not wait for ever, and holds no head for which there is no memory.
pub(super) struct Patient<S> {
    stream: S,
    progress: Arc<Progress>,
    /// Runs while the caller takes nothing. Where it takes all at once, as most do, no clock is asked.
    stalled: Option<Pin<Box<Sleep>>>,
    longest_stall: Duration,
    memory: Share,
    /// The largest head, in bytes.
    head_limit: usize,
    /// How many requests had come when a head began, how many bytes of it have, and what is taken for it.
    head: (usize, usize, Option<Charge>),
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, progress: Arc<Progress>, memory: Share, head_limit: usize) -> Self {
        Self { stream, progress, stalled: None, longest_stall: STALL, memory, head_limit, head: (0, 0, None) }
    }

    /// What it is patient with.
    pub(super) fn get_ref(&self) -> &S {
        &self.stream
    }

    fn poll_stalled<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let longest = self.longest_stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(longest)));
        match stalled.as_mut().poll(cx) {
            Poll::Ready(()) => {
                let message = format!("the caller took nothing of an answer for {longest:?}");
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// What comes while nothing is in flight is a head.
    fn count(&mut self, bytes: usize) -> io::Result<()> {
        let requests = self.progress.requests.load(Ordering::Relaxed);
        let (before, read, charge) = &mut self.head;
        if requests != *before || self.progress.in_flight.load(Ordering::Relaxed) > 0 {
            (*before, *read, *charge) = (requests, 0, None);
            return Ok(());
        }
        *read += bytes;
        if *read > FREE && charge.is_none() {
            *charge = self.memory.take(self.head_limit, Use::Request);
            if charge.is_none() {
                return Err(io::Error::new(
                    io::ErrorKind::OutOfMemory,
                    "there is no memory for a long head (`memory`)",
                ));
            }
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match buffer.filled().len() - before {
            0 => read,
            bytes => read.map(|read| read.and_then(|()| self.count(bytes))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.poll_stalled(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.poll_stalled(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // A flush that has nothing to do says nothing of what waits to be written.
        match flushed {
            Poll::Ready(_) if self.stalled.is_some() => flushed,
            _ => self.poll_stalled(cx, flushed),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.poll_stalled(cx, shut)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;
    use crate::memory::Budget;

    const HEAD: usize = 64 << 10;

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn a_caller_who_takes_nothing_is_waited_for_so_long_and_one_who_takes_a_little_for_longer() {
        run(async {
            let (stream, mut caller) = duplex(64);
            let mut patient = Patient::new(stream, Arc::default(), Share::unbounded(), HEAD);
            patient.longest_stall = Duration::from_millis(200);
            let reading = async {
                for _ in 0..10 {
                    sleep(Duration::from_millis(50)).await;
                    caller.read_exact(&mut [0; 64]).await.unwrap();
                }
            };
            let (written, ()) = tokio::join!(patient.write_all(&[0; 1000]), reading);
            let error = written.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(error.to_string(), "the caller took nothing of an answer for 200ms");
        });
    }

    #[test]
    fn a_long_head_has_its_memory_and_there_is_none_for_a_second_one() {
        run(async {
            let memory = Budget::new(2 * HEAD + HEAD / 2).share();
            let mut held = Vec::new();
            let mut ends = Vec::new();
            for _ in 0..2 {
                let (stream, mut caller) = duplex(FREE + 1);
                let mut patient = Patient::new(stream, Arc::default(), memory.clone(), HEAD);
                caller.write_all(&[b'a'; FREE + 1]).await.unwrap();
                let read = patient.read_exact(&mut [0; FREE + 1]).await;
                ends.push(read.map_err(|error| error.to_string()));
                held.push((patient, caller));
            }
            assert_eq!(ends, [Ok(FREE + 1), Err("there is no memory for a long head (`memory`)".to_owned())]);
        });
    }
}
