//! Connections to the backend: made when a call needs one, shared by calls, replaced when they end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use h2::{Ping, PingPong};
use tokio::sync::watch;

use super::connect::{ConnectError, Refusal, Stream, Target, connect};

/// What a pool's connections are for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    /// Most connections at one time; another is opened when those there are have as many calls as they may.
    connections: usize,
    /// Most calls on a connection, if the backend allows as many. A connection has more only if none can be opened.
    calls: usize,
    /// Flow-control window of a call, in bytes.
    window: u32,
    /// That of a connection.
    connection_window: u32,
}

/// Calls of one message: the windows hold a list without waiting, and are given back at once.
pub(super) const UNARY: Use = Use { connections: 4, calls: usize::MAX, window: 4 << 20, connection_window: 4 << 20 };
/// Calls of many messages: those whose readers are slow fill their windows, and all of them together do not fill the
/// connection's.
pub(super) const STREAMS: Use = Use { connections: 16, calls: 64, window: 256 << 10, connection_window: 16 << 20 };

/// Time between two PINGs that notice a dead peer.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Longest time for the answer to one.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest DATA frame that the backend may send, in bytes: most replies come as one, and are not copied together then.
const FRAME: u32 = 128 << 10;
/// Largest header list that h2 reads, in bytes; [`super::reply`] has what a call may have. More than that, for h2 ends the
/// connection, and with it all calls on it, when a list takes more frames than this and [`FRAME`] together say: 80 of 16 KiB, as
/// servers send that ask for no larger ones, have room for a megabyte.
const HEADER_LIST: u32 = 8 << 20;

/// The connections of one worker. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    target: Target,
    used: Use,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    live: Vec<Live>,
    /// The attempt to connect that is under way. Whoever needs a connection waits for it.
    attempt: Option<watch::Receiver<Attempt>>,
}

/// What became of an attempt to connect; `None` while it lasts.
type Attempt = Option<Result<(), ConnectError>>;

/// An open connection.
struct Live {
    send: SendRequest<Bytes>,
    load: Arc<Load>,
}

#[derive(Default)]
struct Load {
    calls: AtomicUsize,
    has_ended: AtomicBool,
}

/// A place for one call on a connection; given back when dropped.
pub(super) struct Lease {
    send: SendRequest<Bytes>,
    load: Arc<Load>,
    pool: Pool,
}

impl Pool {
    pub(super) fn new(target: Target, used: Use) -> Self {
        Self(Arc::new(Inner { target, used, state: Mutex::default() }))
    }

    /// Other connections to the same target.
    pub(super) fn another(&self, used: Use) -> Self {
        Self::new(Target { refusal: Refusal::default(), ..self.0.target.clone() }, used)
    }

    /// A connection that takes a call now.
    pub(super) async fn lease(&self) -> Result<Lease, ConnectError> {
        let used = &self.0.used;
        loop {
            let mut attempt = {
                let mut state = self.state();
                match state.least_loaded() {
                    Some(place) if state.live[place].has_room(used) || state.live.len() >= used.connections => {
                        return Ok(self.place(&state.live[place]));
                    }
                    _ => self.attempt(&mut state),
                }
            };
            let done = attempt.wait_for(Option::is_some).await;
            // The attempt's task is the sender, and sends before it ends, unless the runtime stops.
            match done.as_deref() {
                Ok(Some(Err(error))) => return self.any().ok_or_else(|| error.clone()),
                Ok(_) => {}
                Err(_) => return Err(ConnectError::Stopped),
            }
        }
    }

    /// A connection, be it as loaded as it may.
    fn any(&self) -> Option<Lease> {
        let mut state = self.state();
        let place = state.least_loaded()?;
        Some(self.place(&state.live[place]))
    }

    /// A place for one call on this connection.
    fn place(&self, live: &Live) -> Lease {
        live.load.calls.fetch_add(1, Ordering::Relaxed);
        Lease { send: live.send.clone(), load: live.load.clone(), pool: self.clone() }
    }

    /// The attempt that is under way, or a new one. It goes on if the call that needed it is given up.
    fn attempt(&self, state: &mut State) -> watch::Receiver<Attempt> {
        if let Some(attempt) = &state.attempt {
            return attempt.clone();
        }
        let (done, attempt) = watch::channel(None);
        state.attempt = Some(attempt.clone());
        let pool = self.clone();
        tokio::spawn(async move {
            let opened = pool.open().await;
            let mut state = pool.state();
            state.attempt = None;
            let opened = opened.map(|live| state.live.push(live));
            drop(state);
            done.send_replace(Some(opened));
        });
        attempt
    }

    async fn open(&self) -> Result<Live, ConnectError> {
        let target = &self.0.target;
        let stream = connect(target).await?;
        let mut http2 = h2::client::Builder::new();
        let Use { window, connection_window, .. } = self.0.used;
        http2.initial_window_size(window).initial_connection_window_size(connection_window);
        http2.max_header_list_size(HEADER_LIST);
        let (send, connection) = http2
            .enable_push(false)
            .max_frame_size(FRAME)
            .handshake(stream)
            .await
            .map_err(|source| ConnectError::Http2 { address: target.address(), source: Arc::new(source) })?;
        let load = Arc::new(Load::default());
        tokio::spawn(drive(connection, load.clone()));
        Ok(Live { send, load })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The place of the connection with the fewest calls.
    fn least_loaded(&mut self) -> Option<usize> {
        self.live.retain(|live| !live.load.has_ended.load(Ordering::Acquire));
        (0..self.live.len()).min_by_key(|&place| self.live[place].calls())
    }
}

impl Live {
    fn calls(&self) -> usize {
        self.load.calls.load(Ordering::Relaxed)
    }

    /// Whether it may have another call.
    fn has_room(&self, used: &Use) -> bool {
        self.calls() < self.send.current_max_send_streams().min(used.calls)
    }
}

impl Lease {
    /// The connection, ready to send a request.
    ///
    /// # Errors
    /// It has ended, or the backend takes no more calls on it. Nothing was sent.
    pub(super) async fn ready(&self) -> Result<SendRequest<Bytes>, h2::Error> {
        self.send.clone().ready().await.inspect_err(|_| self.retire())
    }

    /// What the backend said when it last refused our certificate on one of the pool's connections.
    pub(super) fn refusal(&self) -> &Refusal {
        &self.pool.0.target.refusal
    }

    /// Takes the connection out of use; the calls on it go on.
    pub(super) fn retire(&self) {
        self.load.has_ended.store(true, Ordering::Release);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.load.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Moves a connection's bytes until it ends, or until its peer is dead.
async fn drive(mut connection: Connection<Stream, Bytes>, load: Arc<Load>) {
    let pings = connection.ping_pong();
    tokio::select! {
        biased;
        ended = connection => match ended {
            Ok(()) => tracing::debug!("a connection to the backend ended"),
            Err(error) => tracing::debug!(%error, "a connection to the backend broke"),
        },
        () = dead(pings) => tracing::warn!("the backend does not answer to PING: its connection is closed"),
    }
    load.has_ended.store(true, Ordering::Release);
}

/// Ready when the peer no longer answers.
async fn dead(pings: Option<PingPong>) {
    let Some(mut pings) = pings else { return std::future::pending().await };
    loop {
        tokio::time::sleep(PING_INTERVAL).await;
        match tokio::time::timeout(PING_TIMEOUT, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            // The connection itself tells what is wrong with it.
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) => return,
        }
    }
}
