//! Timeouts for a caller that reads nothing of an answer or sends no request, memory for long heads, and the end of idle
//! HTTP/2 connections.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::head_clock::{HEAD_TIMEOUT, HeadClock};
use super::pace::{Pace, Slow, Taken};
use crate::limits::memory::{Account, Charge, Share, Use};

/// The longest time without a request on an HTTP/2 connection; over HTTP/1.1 it is [`HEAD_TIMEOUT`].
const IDLE: Duration = Duration::from_secs(60);
/// The time for an idle caller to end its connection after it was asked to.
const LEAVE: Duration = Duration::from_secs(10);
/// A head of this many bytes is covered by the memory of the connection itself.
const FREE: usize = 16 << 10;

/// The requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The number of requests so far.
    requests: AtomicUsize,
    /// The number of requests that are not fully answered.
    in_flight: AtomicUsize,
}

/// A request that is not fully answered.
pub(super) struct InFlight(Arc<Progress>);

impl Progress {
    pub(super) fn begin(this: &Arc<Self>) -> InFlight {
        this.requests.fetch_add(1, Ordering::Relaxed);
        this.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(this.clone())
    }

    /// The number of requests so far.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Asks the connection to end (`retired`) after a long time without requests. Completes if the connection did not
    /// end.
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

/// A connection that times out if its caller does not read, and rejects long heads for which there is no memory.
pub(super) struct Patient<S> {
    stream: S,
    progress: Arc<Progress>,
    /// The pace since the caller stopped reading everything at once. Most callers read at once, so no clock is read for
    /// them.
    pace: Option<Pace>,
    /// How many bytes the caller has read since then.
    taken: usize,
    /// Whether everything is written, but not yet flushed.
    flushes: bool,
    bounds: PatientBounds,
    head: ReadHead,
    /// `None` if the connection does not wait for heads of HTTP/1.1.
    head_clock: Option<HeadClock>,
    is_late: bool,
}

/// The limits of a connection.
pub(super) struct PatientBounds {
    pub(super) memory: Share,
    pub(super) account: Arc<Account>,
    /// The largest head, in bytes.
    pub(super) head_limit: usize,
}

/// The part of a head that has arrived.
#[derive(Default)]
struct ReadHead {
    /// The number of requests when it began.
    requests: usize,
    bytes: usize,
    /// The memory that is reserved for it.
    charge: Option<Charge>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, progress: Arc<Progress>, bounds: PatientBounds) -> Self {
        let head = ReadHead::default();
        Self { stream, progress, pace: None, taken: 0, flushes: false, bounds, head, head_clock: None, is_late: false }
    }

    /// Sets whether reading fails if no request comes for [`HEAD_TIMEOUT`].
    pub(super) fn expect_heads(&mut self, are_expected: bool) {
        self.head_clock = are_expected.then(HeadClock::default);
    }

    /// Whether reading failed because no request came in time.
    pub(super) fn is_late(&self) -> bool {
        self.is_late
    }

    /// The underlying stream.
    pub(super) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Notes the result of writing this many bytes.
    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        bytes: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(taken)) if self.pace.is_some() => {
                self.taken = self.taken.wrapping_add(taken);
                if taken == bytes {
                    self.pace = None;
                }
                written
            }
            Poll::Ready(_) => written,
            Poll::Pending => {
                self.flushes = false;
                self.poll_pace(cx)
            }
        }
    }

    fn poll_pace<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Self { pace, taken, bounds: PatientBounds { memory, account, .. }, .. } = self;
        // When the connection ends, everything that it holds is freed.
        let taken = Taken { bytes: *taken, waits: true, held: account.held(), memory, account: None };
        let slow = ready!(pace.get_or_insert_with(|| Pace::new(taken.bytes)).poll(cx, taken));
        Poll::Ready(Err(match slow {
            Slow::Stalled(time) => {
                let message = format!("the caller took next to nothing of an answer for {time:?}");
                io::Error::new(io::ErrorKind::TimedOut, message)
            }
            Slow::Memory => {
                let message = "the caller did not take an answer, and its memory is needed (`memory`)";
                io::Error::new(io::ErrorKind::OutOfMemory, message)
            }
        }))
    }

    /// Notes the result of a flush or shutdown.
    fn flushed(&mut self, cx: &mut Context<'_>, flushed: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        if flushed.is_pending() {
            self.flushes = true;
            return self.poll_pace(cx);
        }
        // A flush that had nothing to do says nothing about data that waits to be written.
        if self.flushes {
            (self.flushes, self.pace) = (false, None);
        }
        flushed
    }

    /// Notes that there is nothing to read now. Fails if no request came in time.
    fn waits(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(clock) = &mut self.head_clock else { return Poll::Pending };
        if self.progress.in_flight.load(Ordering::Relaxed) > 0 {
            return Poll::Pending;
        }
        ready!(clock.poll_late(cx, self.progress.requests.load(Ordering::Relaxed)));
        self.is_late = true;
        let message = format!("no request came within {HEAD_TIMEOUT:?}");
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }

    /// Counts bytes that arrive while no request is in flight: they belong to a head.
    fn count(&mut self, bytes: usize) -> io::Result<()> {
        let requests = self.progress.requests.load(Ordering::Relaxed);
        let head = &mut self.head;
        if requests != head.requests || self.progress.in_flight.load(Ordering::Relaxed) > 0 {
            *head = ReadHead { requests, ..ReadHead::default() };
            return Ok(());
        }
        head.bytes += bytes;
        if head.bytes > FREE && head.charge.is_none() {
            head.charge = self.bounds.memory.take(self.bounds.head_limit, Use::Request);
            if head.charge.is_none() {
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
            0 if read.is_pending() => self.waits(cx),
            0 => read,
            bytes => read.map(|read| read.and_then(|()| self.count(bytes))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(cx, bytes.len(), written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        self.wrote(cx, bytes, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.flushed(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.flushed(cx, shut)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::timeout;

    use super::*;
    use crate::limits::memory::Budget;

    const HEAD: usize = 64 << 10;

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn a_caller_that_stops_reading_times_out_and_one_that_keeps_reading_does_not() {
        run(async {
            const READ: usize = 16 << 10;
            let (stream, mut caller) = duplex(READ);
            let mut patient = patient(stream, &Share::unbounded());
            // In this test, each second of the timeouts is 50 ms.
            let reading = tokio::spawn(async move {
                for _ in 0..40 {
                    sleep(Duration::from_millis(50)).await;
                    caller.read_exact(&mut vec![0; READ]).await?;
                }
                io::Result::Ok(caller)
            });
            let error = patient.write_all(&vec![0; 1 << 20]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(error.to_string(), "the caller took next to nothing of an answer for 1.5s");
            drop(patient);
            // The connection stayed open while the caller read something.
            reading.await.unwrap().unwrap();
        });
    }

    #[test]
    fn a_caller_that_reads_too_slowly_times_out() {
        run(async {
            let (stream, mut caller) = duplex(64);
            let mut patient = patient(stream, &Share::unbounded());
            let reading = tokio::spawn(async move {
                while caller.read_exact(&mut [0; 1]).await.is_ok() {
                    sleep(Duration::from_millis(20)).await;
                }
            });
            let error = patient.write_all(&[0; 100_000]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            drop(patient);
            reading.await.unwrap();
        });
    }

    #[test]
    fn when_memory_is_short_the_stalled_caller_that_holds_the_most_is_disconnected() {
        run(async {
            let share = Budget::new(64 << 20).share();
            let (one, _caller) = duplex(64);
            let (other, _other_caller) = duplex(64);
            let (mut small, mut large) = (patient(one, &share), patient(other, &share));
            let few = share.take_for(Some(&small.bounds.account), 4 << 20, Use::Answer).unwrap();
            let many = share.take_for(Some(&large.bounds.account), 30 << 20, Use::Answer).unwrap();
            let mut ended = tokio::spawn(async move {
                let error = large.write_all(&[0; 100]).await.unwrap_err();
                drop(many);
                error.to_string()
            });
            let waiting = tokio::spawn(async move { small.write_all(&[0; 100]).await.map(|()| drop(few)) });
            // Long enough that both are known to wait, but not so long that they time out.
            sleep(Duration::from_millis(200)).await;
            assert!(!ended.is_finished());
            assert!(share.take(16 << 20, Use::Call).is_none());
            assert_eq!(
                (&mut ended).await.unwrap(),
                "the caller did not take an answer, and its memory is needed (`memory`)"
            );
            assert!(share.take(16 << 20, Use::Call).is_some());
            assert!(!waiting.is_finished());
        });
    }

    fn patient<S>(stream: S, share: &Share) -> Patient<S> {
        let (memory, account) = (share.clone(), share.account(None, 1));
        Patient::new(stream, Arc::default(), PatientBounds { memory, account, head_limit: HEAD })
    }

    #[test]
    fn a_long_head_takes_memory_and_is_refused_when_none_is_left() {
        run(async {
            let memory = Budget::new(2 * HEAD + HEAD / 2).share();
            let mut held = Vec::new();
            let mut ends = Vec::new();
            for _ in 0..2 {
                let (stream, mut caller) = duplex(FREE + 1);
                let mut patient = patient(stream, &memory);
                caller.write_all(&[b'a'; FREE + 1]).await.unwrap();
                let read = patient.read_exact(&mut [0; FREE + 1]).await;
                ends.push(read.map_err(|error| error.to_string()));
                held.push((patient, caller));
            }
            assert_eq!(ends, [Ok(FREE + 1), Err("there is no memory for a long head (`memory`)".to_owned())]);
        });
    }

    #[test]
    fn only_a_connection_that_waits_for_a_head_is_late() {
        run(async {
            let (stream, _caller) = duplex(64);
            let mut patient = patient(stream, &Share::unbounded());
            async fn late(patient: &mut Patient<DuplexStream>) -> Option<String> {
                let read = timeout(Duration::from_millis(20), patient.read_u8()).await;
                read.map(|read| read.unwrap_err().to_string()).ok()
            }
            patient.head_clock = Some(HeadClock::due());
            patient.expect_heads(false);
            assert_eq!(late(&mut patient).await, None, "it has left HTTP");
            patient.head_clock = Some(HeadClock::due());
            let call = Progress::begin(&patient.progress);
            assert_eq!(late(&mut patient).await, None, "a request is answered");
            drop(call);
            assert_eq!(late(&mut patient).await, None, "there was one since the last tick");
            patient.head_clock = Some(HeadClock::due());
            patient.progress = Arc::default();
            assert_eq!(late(&mut patient).await.as_deref(), Some("no request came within 30s"));
            assert!(patient.is_late());
        });
    }
}
