//! Connections to the backend: made when a call needs one, shared by calls, replaced when they end.
//!
//! A call never waits for a connection while another one takes it, be it to another address: what else is needed is made
//! beside it. Only when there is none it waits, and asks another address as soon as one is slow.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::balance::{Attempt, Chosen, Endpoint, Endpoints};
use super::connection::{Connections, Live, Load, jittered, open};
use crate::upstream::dial::connect::{ConnectError, Target};
use crate::upstream::dial::directory::{Directory, Place};

/// What a pool's connections are for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use {
    /// Most connections to an address at one time; another is opened when those there are have as many calls as they may.
    pub(crate) connections: usize,
    /// Most calls on a connection, if the backend allows as many. A connection has more only if none can be opened.
    pub(crate) calls: usize,
    /// Flow-control window of a call, in bytes.
    pub(crate) window: u32,
    /// That of a connection.
    pub(crate) connection_window: u32,
}

/// Calls of one message: the windows hold a list without waiting, and are given back at once.
pub(crate) const UNARY: Use = Use { connections: 4, calls: usize::MAX, window: 4 << 20, connection_window: 4 << 20 };
/// Calls of many messages: those whose readers are slow fill their windows, and all of them together do not fill the
/// connection's.
pub(crate) const STREAMS: Use = Use { connections: 16, calls: 64, window: 256 << 10, connection_window: 16 << 20 };

/// Time after which another address is asked besides (RFC 8305, section 5: Connection Attempt Delay).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// A connection that lasts no longer is as good as none, even if the backend ends it well.
const SHORTEST: Duration = Duration::from_secs(1);

/// The connections of one worker. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Inner>);

pub(crate) struct Inner {
    directory: Arc<Directory>,
    used: Use,
    state: Mutex<State>,
    /// Told whenever an attempt to connect ends.
    attempted: Notify,
}

struct State {
    /// Empty until the first call asks where the backend is.
    endpoints: Endpoints,
    /// Follows the addresses as they change.
    following: Option<AbortHandle>,
}

/// A place for one call on a connection; given back when dropped.
pub(crate) struct Lease {
    send: SendRequest<Bytes>,
    load: Arc<Load>,
    target: Arc<Target>,
    /// The connection had as many calls as it takes: this one may wait on it.
    pub(crate) is_crowded: bool,
}

impl Pool {
    pub(crate) fn new(directory: Arc<Directory>, used: Use) -> Self {
        let state = State { endpoints: Endpoints::beginning_at(fastrand::usize(..)), following: None };
        Self(Arc::new(Inner { directory, used, state: Mutex::new(state), attempted: Notify::new() }))
    }

    /// Other connections to the same backend.
    pub(crate) fn another(&self, used: Use) -> Self {
        Self::new(self.0.directory.clone(), used)
    }

    /// The pool, if calls can still come.
    pub(crate) fn of(weak: &Weak<Inner>) -> Option<Self> {
        weak.upgrade().map(Self)
    }

    pub(crate) fn weak(&self) -> Weak<Inner> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.0.directory
    }

    pub(crate) fn connections(&self) -> Connections {
        self.0.directory.connections
    }

    /// How many calls its connections have.
    pub(crate) fn calls(&self) -> usize {
        self.state().endpoints.list.iter().map(Endpoint::calls).sum()
    }

    pub(crate) fn used(&self) -> &Use {
        &self.0.used
    }

    /// A connection that takes a call now.
    pub(crate) async fn lease(&self) -> Result<Lease, ConnectError> {
        let taken = self.take(&mut self.state());
        match taken {
            Some(lease) => Ok(lease),
            // Boxed, or every call would have the memory for it.
            None => Box::pin(self.lease_after_connecting()).await,
        }
    }

    /// A place on a connection that is there. Whatever else is needed begins, and is not waited for.
    fn take(&self, state: &mut State) -> Option<Lease> {
        let (chosen, wanting) = state.endpoints.choose(&self.0.used);
        let lease = chosen.map(|chosen| place(state, chosen))?;
        if let Some(wanting) = wanting {
            self.attempt(&mut state.endpoints.list[wanting]);
        }
        Some(lease)
    }

    /// Waits for a connection, whichever address gives one first.
    async fn lease_after_connecting(&self) -> Result<Lease, ConnectError> {
        self.follow().await?;
        let mut asked: Vec<(Place, watch::Receiver<Attempt>)> = Vec::new();
        let mut is_slow = false;
        loop {
            let mut attempted = std::pin::pin!(self.0.attempted.notified());
            attempted.as_mut().enable();
            {
                let mut state = self.state();
                if let Some(lease) = self.take(&mut state) {
                    return Ok(lease);
                }
                if is_slow && let Some(chosen) = state.endpoints.choose_any(&self.0.used) {
                    return Ok(place(&mut state, chosen));
                }
                // One that others were faster to fill may be asked again.
                asked.retain(|(_, attempt)| !matches!(*attempt.borrow(), Some(Ok(()))));
                let is_waiting = asked.iter().any(|(_, attempt)| attempt.borrow().is_none());
                if is_slow || !is_waiting {
                    let was_asked = |place: &Place| asked.iter().any(|(asked, _)| asked == place);
                    match state.endpoints.next_to_ask(was_asked) {
                        Some(next) => {
                            let endpoint = &mut state.endpoints.list[next];
                            asked.push((endpoint.place.clone(), self.attempt(endpoint)));
                        }
                        None if is_waiting => {}
                        None => return last_resort(&mut state, &asked),
                    }
                }
            }
            is_slow = tokio::time::timeout(ATTEMPT_DELAY, attempted).await.is_err();
        }
    }

    /// Learns where the backend is, and from then on follows where it goes.
    async fn follow(&self) -> Result<(), ConnectError> {
        let mut known = self.0.directory.known();
        {
            let mut state = self.state();
            if state.following.is_none() {
                state.endpoints.put(&known.borrow().places);
                let (weak, mut known) = (self.weak(), known.clone());
                let following = tokio::spawn(async move {
                    while known.changed().await.is_ok() {
                        let Some(pool) = Self::of(&weak) else { return };
                        pool.state().endpoints.put(&known.borrow_and_update().places);
                    }
                });
                state.following = Some(following.abort_handle());
            }
        }
        let told = known.wait_for(|known| !known.places.is_empty() || known.problem.is_some()).await;
        let unresolved = |cause| Err(ConnectError::Unresolved { cause });
        let Ok(told) = told else { return unresolved("the gateway is stopping".into()) };
        match &told.problem {
            Some(cause) if told.places.is_empty() => return unresolved(cause.clone()),
            _ => self.state().endpoints.put(&told.places),
        }
        Ok(())
    }

    /// The attempt that is under way, or a new one. It goes on if the call that needed it is given up.
    fn attempt(&self, endpoint: &mut Endpoint) -> watch::Receiver<Attempt> {
        if let Some(attempt) = &endpoint.attempt {
            return attempt.clone();
        }
        let (done, attempt) = watch::channel(None);
        endpoint.attempt = Some(attempt.clone());
        let (pool, place) = (self.clone(), endpoint.place.clone());
        tokio::spawn(async move {
            let opened = open(&pool, &place).await;
            let ended = pool.attempted(&place, opened);
            done.send_replace(Some(ended));
            pool.0.attempted.notify_waiters();
        });
        attempt
    }

    fn attempted(&self, place: &Place, opened: Result<Live, ConnectError>) -> Result<(), ConnectError> {
        let mut state = self.state();
        // An address may be no longer the backend's.
        let Some(endpoint) = state.endpoints.of(place) else { return opened.map(drop) };
        endpoint.attempt = None;
        match opened {
            Ok(live) => {
                endpoint.reached(live);
                place.standing.tell_reached(place);
                Ok(())
            }
            Err(error) => {
                self.eject(endpoint, &error.to_string());
                Err(error)
            }
        }
    }

    /// A connection has ended; `lost` says why, unless both sides ended it well.
    pub(crate) fn ended(&self, place: &Place, load: &Arc<Load>, lost: Option<String>, lasted: Duration) {
        let mut state = self.state();
        let Some(endpoint) = state.endpoints.of(place) else { return };
        endpoint.remove(load);
        if load.is_leaving.load(Ordering::Relaxed) {
            return;
        }
        let short = (lasted < SHORTEST).then(|| "the connection was ended at once".to_owned());
        endpoint.lasted(lasted);
        if let Some(cause) = load.refusal.told().or(lost).or(short) {
            self.eject(endpoint, &format!("{place}: {cause}"));
        }
    }

    /// Gives the address no calls for a while, if others can have them.
    fn eject(&self, endpoint: &mut Endpoint, cause: &str) {
        endpoint.place.standing.tell_failing(cause);
        let Some((time, failures)) = endpoint.eject() else { return };
        let (weak, place) = (self.weak(), endpoint.place.clone());
        tokio::spawn(async move {
            tokio::time::sleep(jittered(time)).await;
            if let Some(pool) = Self::of(&weak)
                && let Some(endpoint) = pool.state().endpoints.of(&place)
            {
                endpoint.readmit(failures);
            }
        });
    }

    /// Takes a connection out of use, unless it has calls; false if it has.
    pub(crate) fn remove_idle(&self, place: &Place, load: &Arc<Load>) -> bool {
        let mut state = self.state();
        // Calls come only while this lock is held.
        let is_idle = load.calls.load(Ordering::Relaxed) == 0 && !load.was_used.load(Ordering::Relaxed);
        if is_idle {
            leave(&mut state, place, load);
        }
        is_idle
    }

    /// Takes a connection out of use once there is another one in its place; false if there can be none.
    pub(crate) async fn replace(&self, place: &Place, load: &Arc<Load>) -> bool {
        let mut attempt = {
            let mut state = self.state();
            let needed = state.endpoints.of(place).filter(|endpoint| endpoint.live.len() == 1);
            let is_used = load.was_used.load(Ordering::Relaxed) || load.calls.load(Ordering::Relaxed) > 0;
            match needed {
                Some(endpoint) if is_used => self.attempt(endpoint),
                _ => {
                    leave(&mut state, place, load);
                    return true;
                }
            }
        };
        let is_replaced = matches!(attempt.wait_for(Option::is_some).await.as_deref(), Ok(Some(Ok(()))));
        if is_replaced {
            leave(&mut self.state(), place, load);
        }
        is_replaced
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place for one call on this connection.
fn place(state: &mut State, chosen: Chosen) -> Lease {
    let endpoint = &state.endpoints.list[chosen.endpoint];
    let Live { send, load } = &endpoint.live[chosen.live];
    load.calls.fetch_add(1, Ordering::Relaxed);
    load.was_used.store(true, Ordering::Relaxed);
    let (send, load, target) = (send.clone(), load.clone(), endpoint.place.target.clone());
    Lease { send, load, target, is_crowded: chosen.is_crowded }
}

/// No address gives another connection: one that is there already, or what the last address said.
fn last_resort(state: &mut State, asked: &[(Place, watch::Receiver<Attempt>)]) -> Result<Lease, ConnectError> {
    if let Some(chosen) = state.endpoints.last_resort() {
        return Ok(place(state, chosen));
    }
    let errors = asked.iter().rev().filter_map(|(_, attempt)| attempt.borrow().clone()?.err());
    let gone = || ConnectError::Unresolved { cause: "no address".into() };
    Err(errors.into_iter().next().unwrap_or_else(gone))
}

fn leave(state: &mut State, place: &Place, load: &Arc<Load>) {
    load.is_leaving.store(true, Ordering::Relaxed);
    if let Some(endpoint) = state.endpoints.of(place) {
        endpoint.remove(load);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(following) = &state.following {
            following.abort();
        }
    }
}

impl Lease {
    /// Waits until the connection can take a request.
    ///
    /// # Errors
    /// It has ended, or the backend takes no more calls on it. Nothing was sent.
    pub(crate) async fn ready(&mut self) -> Result<(), h2::Error> {
        poll_fn(|cx| self.send.poll_ready(cx)).await.inspect_err(|_| self.retire())
    }

    /// Begins a call on the connection, which is ready.
    ///
    /// # Errors
    /// It has ended. Nothing was sent.
    pub(crate) fn begin(&mut self, mut request: Request<()>) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.name(&mut request);
        self.send.send_request(request, false)
    }

    /// Waits until the call that was begun has its turn on the connection, or is over.
    pub(crate) async fn turn(&mut self) {
        // An error is that of the response, too.
        let _ = poll_fn(|cx| self.send.poll_ready(cx)).await;
    }

    /// Whether the connection was quiet for long.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.load.is_doubtful()
    }

    /// Whether such a connection still leads somewhere. Else it is taken out of use.
    pub(crate) async fn is_proved(&self) -> bool {
        let is_proved = self.load.is_proved().await;
        if !is_proved {
            self.retire();
        }
        is_proved
    }

    /// Calls the backend by the name of the address that the connection leads to.
    fn name(&self, request: &mut Request<()>) {
        let Some(authority) = &self.target.other_authority else { return };
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        uri.authority = Some(authority.clone());
        *request.uri_mut() = http::Uri::from_parts(uri).expect("only the authority of a URI that has one is another");
    }

    /// The highest stream of the connection that the backend may know of.
    pub(crate) fn begun(&self) -> u32 {
        self.load.begun.load(Ordering::Relaxed)
    }

    /// Takes the connection out of use; the calls on it go on.
    pub(crate) fn retire(&self) {
        self.load.has_ended.store(true, Ordering::Release);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.load.calls.fetch_sub(1, Ordering::Relaxed);
    }
}
