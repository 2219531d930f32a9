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

use super::jitter::jittered;
use super::purpose::Purpose;
use super::written::Written;
use crate::upstream::dial::connect::{BackendStream, CertificateRefusal, ConnectError, connect};
use crate::upstream::dial::connections::Connections;
use crate::upstream::dial::endpoint::{CountedConnection, Endpoint};
use crate::upstream::targets;

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
    pub(crate) refusal: CertificateRefusal,
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
    pub(crate) fn has_room(&self, used: &Purpose) -> bool {
        self.calls() < self.send.current_max_send_streams().min(used.calls)
    }
}

/// Who gives calls to a connection, as the connection sees it.
pub(crate) trait Owner: Send + Sync + 'static {
    /// A connection has ended; `lost` says why, unless both sides ended it well.
    fn ended(self: &Arc<Self>, endpoint: &Endpoint, load: &Arc<Load>, lost: Option<String>, lasted: Duration);

    /// Takes a connection out of use, unless it has calls; false if it has.
    fn remove_idle(self: &Arc<Self>, endpoint: &Endpoint, load: &Arc<Load>) -> bool;

    /// Takes a connection out of use once there is another one in its place; false if there can be none.
    fn replace(self: &Arc<Self>, endpoint: &Endpoint, load: &Arc<Load>) -> impl Future<Output = bool> + Send;
}

/// How a connection is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) purpose: Purpose,
    pub(crate) connections: Connections,
}

/// Opens a connection, and looks after it until it ends.
pub(crate) async fn open(owner: &Weak<impl Owner>, endpoint: &Endpoint, manner: Manner) -> Result<Live, ConnectError> {
    let limit = manner.connections.connect_timeout;
    let until = Instant::now() + limit;
    let opened = timeout_at(until, open_patiently(owner, endpoint, manner, until)).await;
    opened.unwrap_or_else(|_| Err(ConnectError::Timeout { address: endpoint.to_string(), limit }))
}

async fn open_patiently(
    owner: &Weak<impl Owner>,
    endpoint: &Endpoint,
    manner: Manner,
    until: Instant,
) -> Result<Live, ConnectError> {
    let load = Arc::new(Load::default());
    let stream = connect(endpoint, &load.refusal, until).await?;
    let (first, heard) = oneshot::channel();
    let counted = CountedConnection::of(endpoint);
    let stream = Watched { stream, first: Some(first), written: Written::new(), load: load.clone(), _counted: counted };
    let mut http2 = h2::client::Builder::new();
    let Purpose { window, connection_window, .. } = manner.purpose;
    http2.initial_window_size(window).initial_connection_window_size(connection_window);
    http2.max_header_list_size(HEADER_LIST);
    let (send, connection) = http2
        .enable_push(false)
        .max_frame_size(FRAME)
        .handshake(stream)
        .await
        .map_err(|source| ConnectError::Http2 { address: endpoint.to_string(), source: Arc::new(source) })?;
    let (endpoint_held, load_held) = (endpoint.clone(), load.clone());
    let driver =
        Driver { owner: owner.clone(), endpoint: endpoint_held, load: load_held, connections: manner.connections };
    tokio::spawn(driver.drive(connection));
    // Somebody who takes connections and closes them, or says nothing, would otherwise be given calls, whose outcome then
    // nobody knows. RFC 9113, section 3.4: the server begins with its SETTINGS, without a call.
    match heard.await {
        Ok(()) => Ok(Live { send, load }),
        Err(_) => {
            let ended = || "it ended the connection before HTTP/2 began".to_owned();
            Err(ConnectError::Ended { address: endpoint.to_string(), cause: load.refusal.told().unwrap_or_else(ended) })
        }
    }
}

/// A connection that tells when the backend has said something, and which calls have begun.
struct Watched {
    stream: BackendStream,
    first: Option<oneshot::Sender<()>>,
    written: Written,
    load: Arc<Load>,
    _counted: CountedConnection,
}

impl Watched {
    /// Writes, and notes what has begun. What fails may be out too: TLS may have sent a part of it.
    fn write(
        &mut self,
        slices: &[io::IoSlice<'_>],
        write: impl FnOnce(Pin<&mut BackendStream>) -> Poll<io::Result<usize>>,
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

impl AsyncRead for Watched {
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

impl AsyncWrite for Watched {
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

/// A connection as its own task has it: its owner may be gone before it.
struct Driver<O> {
    owner: Weak<O>,
    endpoint: Endpoint,
    load: Arc<Load>,
    connections: Connections,
}

impl<O: Owner> Driver<O> {
    /// Moves the connection's bytes until it ends, or until its peer is dead.
    async fn drive(self, mut connection: Connection<Watched, Bytes>) {
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
        let address = &self.endpoint;
        match &lost {
            None => {
                tracing::debug!(target: targets::CONNECTION, %address, "a connection to the backend ended");
            }
            Some(cause) => {
                tracing::debug!(target: targets::CONNECTION, %address, cause, "a connection to the backend broke");
            }
        }
        if let Some(owner) = self.owner.upgrade() {
            owner.ended(&self.endpoint, &self.load, lost, opened.elapsed());
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
                    let Some(owner) = self.owner.upgrade() else { return pending().await };
                    if quiet_looks >= IDLE_LOOKS && owner.remove_idle(&self.endpoint, &self.load) {
                        return pending().await;
                    }
                }
            }
        }
        // Another one first: no call waits for it. While there can be none, an old one is better.
        while let Some(owner) = self.owner.upgrade()
            && !owner.replace(&self.endpoint, &self.load).await
        {
            drop(owner);
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
