//! One connection to the backend: shared by calls, kept alive, and taken out of use when it is dead, idle or old.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::begun::Frames;
use super::pool::{Inner, Pool, Use};
use crate::upstream::dial::connect::{ConnectError, Refusal, Stream, connect};
use crate::upstream::dial::directory::Place;

/// Largest DATA frame that the backend may send, in bytes: most replies come as one, and are not copied together then.
const FRAME: u32 = 128 << 10;
/// Largest header list that h2 reads, in bytes; [`super::reply`] has what a call may have. More than that, for h2 ends the
/// connection, and with it all calls on it, when a list takes more frames than this and [`FRAME`] together say: 80 of 16 KiB, as
/// servers send that ask for no larger ones, have room for a megabyte.
const HEADER_LIST: u32 = 8 << 20;
/// How often a connection is looked at within its idle time: it is closed at most a quarter of it late.
const IDLE_LOOKS: u32 = 4;
/// Longest time between two PINGs while a call waits: servers of gRPC take more than one in five minutes for abuse, by default.
const LONGEST_PING_INTERVAL: Duration = Duration::from_secs(330);
/// Longest time for a quiet connection to show that it still leads somewhere; then a call goes another way.
const LONGEST_PROOF: Duration = Duration::from_secs(1);
/// A tenth more or less, so that connections made together do not end together.
const JITTER: f64 = 0.1;

/// How connections are made and how long they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Longest time for TCP, the tunnel of a proxy, TLS and the beginning of HTTP/2; the call's own deadline counts besides.
    pub connect_timeout: Duration,
    /// A connection without calls is closed after this time, a tenth more or less.
    pub idle: Duration,
    /// A connection gets no new calls after this time, a tenth more or less, and is closed when its calls are done.
    pub age: Duration,
    /// A connection on which nothing comes for this time while calls wait is asked with a PING; one without calls is asked
    /// before it has the next.
    pub ping_interval: Duration,
    /// Longest time for the answer to one; then the connection is closed.
    pub ping_timeout: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle: Duration::from_secs(10 * 60),
            age: Duration::from_secs(30 * 60),
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(10),
        }
    }
}

/// An open connection. When it is dropped, the calls on it go on, and then it is closed.
pub(crate) struct Live {
    pub(crate) send: SendRequest<Bytes>,
    pub(crate) load: Arc<Load>,
}

/// What is known of a connection.
#[derive(Default)]
pub(crate) struct Load {
    pub(crate) calls: AtomicUsize,
    /// It takes no more calls.
    pub(crate) has_ended: AtomicBool,
    /// It was given a call since this was last looked at: no clock is read for a call.
    pub(crate) was_used: AtomicBool,
    /// It was taken out of use on purpose.
    pub(crate) is_leaving: AtomicBool,
    /// Something came since this was last looked at.
    was_heard: AtomicBool,
    /// It was quiet for long: firewalls forget such connections, and a call would be lost.
    is_doubtful: AtomicBool,
    /// The highest stream that the backend may know of.
    pub(crate) begun: AtomicU32,
    /// Somebody wants to know whether it still leads somewhere.
    asked: Notify,
    /// It does, or it has ended.
    answered: Notify,
    pub(crate) refusal: Refusal,
}

impl Load {
    /// Whether a call may be given to the connection as it is.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.is_doubtful.load(Ordering::Relaxed)
    }

    /// Whether the peer answers, of a connection that is doubtful.
    pub(crate) async fn is_proved(&self) -> bool {
        let mut answered = pin!(self.answered.notified());
        answered.as_mut().enable();
        self.asked.notify_one();
        let _ = timeout(LONGEST_PROOF, answered).await;
        !self.is_doubtful()
    }
}

impl Live {
    pub(crate) fn calls(&self) -> usize {
        self.load.calls.load(Ordering::Relaxed)
    }

    /// Whether it may have another call.
    pub(crate) fn has_room(&self, used: &Use) -> bool {
        self.calls() < self.send.current_max_send_streams().min(used.calls)
    }
}

/// Opens a connection, and looks after it until it ends.
pub(crate) async fn open(pool: &Pool, place: &Place) -> Result<Live, ConnectError> {
    let limit = pool.connections().connect_timeout;
    let until = Instant::now() + limit;
    let opened = timeout_at(until, open_patiently(pool, place, until)).await;
    opened.unwrap_or_else(|_| Err(ConnectError::Timeout { address: place.to_string(), limit }))
}

async fn open_patiently(pool: &Pool, place: &Place, until: Instant) -> Result<Live, ConnectError> {
    let load = Arc::new(Load::default());
    let stream = connect(place, &load.refusal, until).await?;
    let (first, heard) = oneshot::channel();
    let stream = Heard { stream, first: Some(first), written: Frames::new(), load: load.clone() };
    let mut http2 = h2::client::Builder::new();
    let Use { window, connection_window, .. } = pool.used();
    http2.initial_window_size(*window).initial_connection_window_size(*connection_window);
    http2.max_header_list_size(HEADER_LIST);
    let (send, connection) = http2
        .enable_push(false)
        .max_frame_size(FRAME)
        .handshake(stream)
        .await
        .map_err(|source| ConnectError::Http2 { address: place.to_string(), source: Arc::new(source) })?;
    let (load_held, connections) = (load.clone(), pool.connections());
    tokio::spawn(Held { pool: pool.weak(), place: place.clone(), load: load_held, connections }.drive(connection));
    // Somebody who takes connections and closes them, or says nothing, would otherwise be given calls, whose outcome then
    // nobody knows. RFC 9113, section 3.4: the server begins with its SETTINGS, without a call.
    match heard.await {
        Ok(()) => Ok(Live { send, load }),
        Err(_) => {
            let ended = || "it ended the connection before HTTP/2 began".to_owned();
            Err(ConnectError::Ended { address: place.to_string(), cause: load.refusal.told().unwrap_or_else(ended) })
        }
    }
}

/// A connection that tells when the backend has said something, and which calls have begun.
struct Heard {
    stream: Stream,
    first: Option<oneshot::Sender<()>>,
    written: Frames,
    load: Arc<Load>,
}

impl Heard {
    /// Writes, and notes what has begun. What fails may be out too: TLS may have sent a part of it.
    fn write(
        &mut self,
        slices: &[io::IoSlice<'_>],
        write: impl FnOnce(Pin<&mut Stream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let begun = self.written.begun_in(slices);
        if begun > self.load.begun.load(Ordering::Relaxed) {
            self.load.begun.store(begun, Ordering::Relaxed);
        }
        let written = write(Pin::new(&mut self.stream));
        if let Poll::Ready(Ok(count)) = &written {
            self.written.advance(slices, *count);
        }
        written
    }
}

impl AsyncRead for Heard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.load.was_heard.store(true, Ordering::Relaxed);
            if let Some(first) = self.first.take() {
                // Who waited may have given up.
                let _ = first.send(());
            }
        }
        read
    }
}

impl AsyncWrite for Heard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(&[io::IoSlice::new(bytes)], |stream| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(slices, |stream| stream.poll_write_vectored(cx, slices))
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

/// A connection as its own task has it: the pool may be gone before it.
struct Held {
    pool: Weak<Inner>,
    place: Place,
    load: Arc<Load>,
    connections: Connections,
}

impl Held {
    /// Moves the connection's bytes until it ends, or until its peer is dead.
    async fn drive(self, mut connection: Connection<Heard, Bytes>) {
        let opened = Instant::now();
        let pings = connection.ping_pong();
        let lost = tokio::select! {
            biased;
            ended = connection => ended.err().map(|error| error.to_string()),
            () = dead(pings, &self.load, self.connections) => Some("no answer to PING".to_owned()),
            never = self.grow_old() => match never {},
        };
        self.load.has_ended.store(true, Ordering::Release);
        self.load.answered.notify_waiters();
        match &lost {
            None => tracing::debug!(address = %self.place, "a connection to the backend ended"),
            Some(cause) => tracing::debug!(address = %self.place, cause, "a connection to the backend broke"),
        }
        if let Some(pool) = Pool::of(&self.pool) {
            pool.ended(&self.place, &self.load, lost, opened.elapsed());
        }
    }

    /// Takes the connection out of use when it is idle or old; the calls on it go on.
    async fn grow_old(&self) -> Infallible {
        let mut old = pin!(sleep(jittered(self.connections.age)));
        let step = jittered(self.connections.idle) / IDLE_LOOKS;
        let mut quiet_looks = 0;
        loop {
            tokio::select! {
                () = &mut old => break,
                () = sleep(step) => {
                    let was_used = self.load.was_used.swap(false, Ordering::Relaxed);
                    quiet_looks = if was_used { 0 } else { quiet_looks + 1 };
                    let Some(pool) = Pool::of(&self.pool) else { return pending().await };
                    if quiet_looks >= IDLE_LOOKS && pool.remove_idle(&self.place, &self.load) {
                        return pending().await;
                    }
                }
            }
        }
        // Another one first: no call waits for it. While there can be none, an old one is better.
        while let Some(pool) = Pool::of(&self.pool)
            && !pool.replace(&self.place, &self.load).await
        {
            drop(pool);
            sleep(jittered(self.connections.age / 10)).await;
        }
        pending().await
    }
}

/// Ready when the peer no longer answers. It is asked only while somebody waits for it: to servers of gRPC, PINGs without
/// calls are abuse, for which they end the connection and whatever is on it (gRFC A8).
async fn dead(pings: Option<PingPong>, load: &Load, connections: Connections) {
    let Some(mut pings) = pings else { return pending().await };
    let Connections { ping_interval, ping_timeout, .. } = connections;
    let mut interval = ping_interval;
    loop {
        let is_asked = tokio::select! {
            () = load.asked.notified() => true,
            () = sleep(interval) => false,
        };
        if is_asked && !load.is_doubtful() {
            continue;
        }
        if !is_asked {
            if load.was_heard.swap(false, Ordering::Relaxed) {
                interval = ping_interval;
                continue;
            }
            if load.calls.load(Ordering::Relaxed) == 0 {
                load.is_doubtful.store(true, Ordering::Relaxed);
                continue;
            }
        }
        match timeout(ping_timeout, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {
                // The answer to it is no sign of what the calls wait for.
                load.was_heard.store(false, Ordering::Relaxed);
                load.is_doubtful.store(false, Ordering::Relaxed);
                load.answered.notify_waiters();
                interval =
                    if is_asked { ping_interval } else { (interval * 2).min(LONGEST_PING_INTERVAL.max(ping_interval)) };
            }
            // The connection itself tells what is wrong with it.
            Ok(Err(_)) => return pending().await,
            Err(_) => return,
        }
    }
}

/// About this time.
pub(crate) fn jittered(time: Duration) -> Duration {
    time.mul_f64(1.0 + JITTER * (2.0 * fastrand::f64() - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_differ_by_a_tenth_at_most() {
        let times: Vec<Duration> = (0..1000).map(|_| jittered(Duration::from_secs(10))).collect();
        assert!(times.iter().all(|time| (9_000..=11_000).contains(&time.as_millis())), "{times:?}");
        assert!(times.iter().any(|time| time.as_millis() < 9_500));
        assert!(times.iter().any(|time| time.as_millis() > 10_500));
    }
}
