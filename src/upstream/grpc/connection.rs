//! One connection to the backend: shared by calls, kept alive, and retired when it is dead, idle or old.

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

/// The largest DATA frame that the backend may send, in bytes. Most replies fit into one frame and need not be copied
/// together.
const FRAME: u32 = 128 << 10;
/// The largest header list that h2 reads, in bytes; [`super::reply`] has the limit for one call. This limit is larger,
/// because h2 ends a connection with all its calls if a list takes too many frames. h2 derives that number from this
/// limit and [`FRAME`]: 80 frames. Servers that use no larger frames send 16 KiB each, so 80 of them have room for a
/// megabyte.
const HEADER_LIST: u32 = 8 << 20;
/// How often a connection is checked within its idle time, so that it is closed at most a quarter of that time late.
const IDLE_LOOKS: u32 = 4;
/// The longest time between two PINGs while a call waits. By default, gRPC servers treat more than one PING in five
/// minutes as abuse.
const LONGEST_PING_INTERVAL: Duration = Duration::from_secs(330);
/// The longest time for a doubtful connection to prove that it works; then the call uses another one.
const LONGEST_PROOF: Duration = Duration::from_secs(1);
/// An open connection. When it is dropped, its calls continue, and it is closed after them.
pub(crate) struct Live {
    pub(crate) send: SendRequest<Bytes>,
    pub(crate) load: Arc<Load>,
}

/// The state of a connection.
#[derive(Default)]
pub(crate) struct Load {
    pub(crate) calls: AtomicUsize,
    /// Whether the connection takes no more calls.
    pub(crate) has_ended: AtomicBool,
    /// Whether a call was placed on it since the last check. A flag saves reading the clock for each call.
    pub(crate) was_used: AtomicBool,
    /// Whether it was retired on purpose.
    pub(crate) is_leaving: AtomicBool,
    /// Whether data arrived since the last check.
    was_heard: AtomicBool,
    /// Whether it was quiet for long. Firewalls forget such connections, and a call on one would be lost.
    is_doubtful: AtomicBool,
    /// The highest stream id that the backend may know of.
    pub(crate) begun: AtomicU32,
    /// Notified to ask whether the connection still works.
    asked: Notify,
    /// Notified when the connection has proved that it works, or has ended.
    answered: Notify,
    pub(crate) refusal: CertificateRefusal,
}

impl Load {
    /// Whether the connection must prove that it works before it gets a call.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.is_doubtful.load(Ordering::Relaxed)
    }

    /// Asks a doubtful connection for proof; true if the backend answers in time.
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

    /// Whether the connection may get another call.
    pub(crate) fn has_room(&self, used: &Purpose) -> bool {
        self.calls() < self.send.current_max_send_streams().min(used.calls)
    }
}

/// The owner of a connection, which places calls on it.
pub(crate) trait Owner: Send + Sync + 'static {
    /// Called when a connection has ended. `lost` says why, unless both sides ended it cleanly.
    fn ended(self: &Arc<Self>, endpoint: &Endpoint, load: &Arc<Load>, lost: Option<String>, lasted: Duration);

    /// Retires a connection if it has no calls; false if it has.
    fn remove_idle(self: &Arc<Self>, endpoint: &Endpoint, load: &Arc<Load>) -> bool;

    /// Retires a connection once another one has taken its place; false if no other one could be opened.
    fn replace(self: &Arc<Self>, endpoint: &Endpoint, load: &Arc<Load>) -> impl Future<Output = bool> + Send;
}

/// Settings for opening a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) purpose: Purpose,
    pub(crate) connections: Connections,
}

/// Opens a connection, and starts the task that runs it until it ends.
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
    // A server that accepts connections and then closes them, or sends nothing, would otherwise get calls whose fate is
    // then unknown. RFC 9113, section 3.4: the server begins with its SETTINGS, before any call.
    match heard.await {
        Ok(()) => Ok(Live { send, load }),
        Err(_) => {
            let ended = || "it ended the connection before HTTP/2 began".to_owned();
            Err(ConnectError::Ended { address: endpoint.to_string(), cause: load.refusal.told().unwrap_or_else(ended) })
        }
    }
}

/// A connection that notes when the backend sends data, and which calls have begun.
struct Watched {
    stream: BackendStream,
    first: Option<oneshot::Sender<()>>,
    written: Written,
    load: Arc<Load>,
    _counted: CountedConnection,
}

impl Watched {
    /// Writes, and notes which streams begin. A failed write counts too, because TLS may have sent a part of it.
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
                // The receiver may have given up waiting.
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

/// The task of a connection. Its owner may be dropped before it ends.
struct Driver<O> {
    owner: Weak<O>,
    endpoint: Endpoint,
    load: Arc<Load>,
    connections: Connections,
}

impl<O: Owner> Driver<O> {
    /// Runs the connection until it ends, or until its peer does not answer.
    ///
    /// The connection is a task of its own: it is woken several times for each call, and would poll the timers of this
    /// one each time.
    async fn drive(self, mut connection: Connection<Watched, Bytes>) {
        let opened = Instant::now();
        let pings = connection.ping_pong();
        let mut running = tokio::spawn(connection);
        let lost = tokio::select! {
            biased;
            ended = &mut running => match ended {
                Ok(ended) => ended.err().map(|error| error.to_string()),
                Err(stopped) => Some(stopped.to_string()),
            },
            () = dead(pings, &self.load, self.connections) => {
                running.abort();
                // Its end is an abort, or a result that came at the same moment.
                let _ = running.await;
                Some("no answer to PING".to_owned())
            }
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

    /// Retires the connection when it is idle or old; its calls continue.
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
        // The replacement is opened first, so that no call waits for it. If none can be opened, the old connection is
        // better.
        while let Some(owner) = self.owner.upgrade()
            && !owner.replace(&self.endpoint, &self.load).await
        {
            drop(owner);
            sleep(jittered(self.connections.age / 10)).await;
        }
        pending().await
    }
}

/// Completes when the peer no longer answers. PINGs are sent only while a call waits: gRPC servers treat PINGs without
/// calls as abuse and end the connection with everything on it (gRFC A8).
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
                // The answer to a PING does not show that the calls progress.
                load.was_heard.store(false, Ordering::Relaxed);
                load.is_doubtful.store(false, Ordering::Relaxed);
                load.answered.notify_waiters();
                interval =
                    if is_asked { ping_interval } else { (interval * 2).min(LONGEST_PING_INTERVAL.max(ping_interval)) };
            }
            // The connection itself reports what is wrong with it.
            Ok(Err(_)) => return pending().await,
            Err(_) => return,
        }
    }
}
