//! A pool of connections to the backend: opened when a call needs one, shared by calls, replaced when they end.
//!
//! A call never waits for a new connection while an existing one can take it, even one to another address. Further
//! connections that are needed are opened in the background. Only if no connection can take the call, it waits, and
//! tries another address as soon as one is slow.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::connection::{Live, Load, Manner, Owner, open};
use super::jitter::jittered;
use super::lease::Lease;
use super::purpose::Purpose;
use super::subchannel::{Chosen, Connecting, Subchannel, Subchannels};
use crate::upstream::counts::ConnectCounters;
use crate::upstream::dial::connect::ConnectError;
use crate::upstream::dial::directory::Directory;
use crate::upstream::dial::endpoint::Endpoint;

/// The time after which another address is tried as well (RFC 8305, section 5: Connection Attempt Delay).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// A connection that lasts less than this counts as failed, even if the backend ends it cleanly.
const SHORTEST: Duration = Duration::from_secs(1);

/// The connections of one worker to a backend. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Inner>);

struct Inner {
    directory: Arc<Directory>,
    counters: Arc<ConnectCounters>,
    purpose: Purpose,
    state: Mutex<State>,
    /// Notified whenever an attempt to connect ends.
    attempted: Notify,
}

struct State {
    /// Empty until the first call asks for the addresses.
    subchannels: Subchannels,
    /// The task that follows changes of the addresses.
    following: Option<AbortHandle>,
}

impl Pool {
    pub(crate) fn new(directory: Arc<Directory>, counters: Arc<ConnectCounters>, purpose: Purpose) -> Self {
        let state = State { subchannels: Subchannels::beginning_at(fastrand::usize(..)), following: None };
        Self(Arc::new(Inner { directory, counters, purpose, state: Mutex::new(state), attempted: Notify::new() }))
    }

    /// A pool with separate connections to the same backend.
    pub(crate) fn another(&self, purpose: Purpose) -> Self {
        Self::new(self.0.directory.clone(), self.0.counters.clone(), purpose)
    }

    /// The pool, unless it has been dropped.
    fn of(weak: &Weak<Inner>) -> Option<Self> {
        weak.upgrade().map(Self)
    }

    fn weak(&self) -> Weak<Inner> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.0.directory
    }

    fn manner(&self) -> Manner {
        Manner { purpose: self.0.purpose, connections: self.0.directory.connections }
    }

    /// The number of calls on its connections.
    pub(crate) fn calls(&self) -> usize {
        self.state().subchannels.list.iter().map(Subchannel::calls).sum()
    }

    /// Takes a place on a connection for a call; waits if no connection can take it now.
    pub(crate) async fn lease(&self) -> Result<Lease, ConnectError> {
        let taken = self.take(&mut self.state());
        match taken {
            Some(lease) => Ok(lease),
            // Boxed, because otherwise the future of every call would reserve memory for it.
            None => Box::pin(self.lease_after_connecting()).await,
        }
    }

    /// Takes a place on an existing connection. If an address needs another connection, that is opened in the
    /// background.
    fn take(&self, state: &mut State) -> Option<Lease> {
        let (chosen, wanting) = state.subchannels.choose(&self.0.purpose);
        let lease = chosen.map(|chosen| lease_on(state, chosen))?;
        if let Some(wanting) = wanting {
            self.attempt(&mut state.subchannels.list[wanting]);
        }
        Some(lease)
    }

    /// Waits for a connection, from whichever address gives one first.
    async fn lease_after_connecting(&self) -> Result<Lease, ConnectError> {
        self.follow().await?;
        let mut asked: Vec<(Endpoint, watch::Receiver<Connecting>)> = Vec::new();
        let mut is_slow = false;
        loop {
            let mut attempted = std::pin::pin!(self.0.attempted.notified());
            attempted.as_mut().enable();
            {
                let mut state = self.state();
                if let Some(lease) = self.take(&mut state) {
                    return Ok(lease);
                }
                if is_slow && let Some(chosen) = state.subchannels.choose_any(&self.0.purpose) {
                    return Ok(lease_on(&mut state, chosen));
                }
                // If other calls have filled the new connection of an address, the address may be asked again.
                asked.retain(|(_, attempt)| !matches!(*attempt.borrow(), Some(Ok(()))));
                let is_waiting = asked.iter().any(|(_, attempt)| attempt.borrow().is_none());
                if is_slow || !is_waiting {
                    let was_asked = |endpoint: &Endpoint| asked.iter().any(|(asked, _)| asked == endpoint);
                    match state.subchannels.next_to_ask(was_asked) {
                        Some(next) => {
                            let subchannel = &mut state.subchannels.list[next];
                            asked.push((subchannel.endpoint.clone(), self.attempt(subchannel)));
                        }
                        None if is_waiting => {}
                        None => return last_resort(&mut state, &asked),
                    }
                }
            }
            is_slow = tokio::time::timeout(ATTEMPT_DELAY, attempted).await.is_err();
        }
    }

    /// Waits until the addresses of the backend are known, and starts following their changes.
    async fn follow(&self) -> Result<(), ConnectError> {
        let mut known = self.0.directory.known();
        {
            let mut state = self.state();
            if state.following.is_none() {
                state.subchannels.put(&known.borrow().endpoints);
                let (weak, mut known) = (self.weak(), known.clone());
                let following = tokio::spawn(async move {
                    while known.changed().await.is_ok() {
                        let Some(pool) = Self::of(&weak) else { return };
                        pool.state().subchannels.put(&known.borrow_and_update().endpoints);
                    }
                });
                state.following = Some(following.abort_handle());
            }
        }
        let told = known.wait_for(|known| !known.endpoints.is_empty() || known.problem.is_some()).await;
        let unresolved = |cause| Err(ConnectError::Unresolved { cause });
        let Ok(told) = told else { return unresolved("the gateway is stopping".into()) };
        match &told.problem {
            Some(cause) if told.endpoints.is_empty() => return unresolved(cause.clone()),
            _ => self.state().subchannels.put(&told.endpoints),
        }
        Ok(())
    }

    /// The current attempt to connect, or a new one. It continues even if the call that needed it is abandoned.
    fn attempt(&self, subchannel: &mut Subchannel) -> watch::Receiver<Connecting> {
        if let Some(attempt) = &subchannel.attempt {
            return attempt.clone();
        }
        let (done, attempt) = watch::channel(None);
        subchannel.attempt = Some(attempt.clone());
        let (pool, endpoint) = (self.clone(), subchannel.endpoint.clone());
        tokio::spawn(async move {
            let opened = open(&pool.weak(), &endpoint, pool.manner()).await;
            let ended = pool.attempted(&endpoint, opened);
            done.send_replace(Some(ended));
            pool.0.attempted.notify_waiters();
        });
        attempt
    }

    fn attempted(&self, endpoint: &Endpoint, opened: Result<Live, ConnectError>) -> Result<(), ConnectError> {
        self.0.counters.attempted(opened.is_ok());
        let mut state = self.state();
        // The address may no longer belong to the backend.
        let Some(subchannel) = state.subchannels.of(endpoint) else { return opened.map(drop) };
        subchannel.attempt = None;
        match opened {
            Ok(live) => {
                subchannel.reached(live);
                endpoint.standing.tell_reached(endpoint);
                Ok(())
            }
            Err(error) => {
                self.eject(subchannel, &error.to_string());
                Err(error)
            }
        }
    }

    /// Handles the end of a connection. `lost` says why it ended, unless both sides ended it cleanly.
    fn ended(&self, endpoint: &Endpoint, load: &Arc<Load>, lost: Option<String>, lasted: Duration) {
        let mut state = self.state();
        let Some(subchannel) = state.subchannels.of(endpoint) else { return };
        subchannel.remove(load);
        if load.is_leaving.load(Ordering::Relaxed) {
            return;
        }
        let short = (lasted < SHORTEST).then(|| "the connection was ended at once".to_owned());
        subchannel.lasted(lasted);
        if let Some(cause) = load.refusal.told().or(lost).or(short) {
            self.eject(subchannel, &format!("{endpoint}: {cause}"));
        }
    }

    /// Ejects the address: it gets no calls for a while, if others can take them.
    fn eject(&self, subchannel: &mut Subchannel, cause: &str) {
        subchannel.endpoint.standing.tell_failing(cause);
        let Some((time, failures)) = subchannel.eject() else { return };
        self.0.counters.ejected();
        let (weak, endpoint) = (self.weak(), subchannel.endpoint.clone());
        tokio::spawn(async move {
            tokio::time::sleep(jittered(time)).await;
            if let Some(pool) = Self::of(&weak)
                && let Some(subchannel) = pool.state().subchannels.of(&endpoint)
            {
                subchannel.readmit(failures);
            }
        });
    }

    /// Retires a connection if it has no calls; false if it has.
    fn remove_idle(&self, endpoint: &Endpoint, load: &Arc<Load>) -> bool {
        let mut state = self.state();
        // Calls are only placed while this lock is held.
        let is_idle = load.calls.load(Ordering::Relaxed) == 0 && !load.was_used.load(Ordering::Relaxed);
        if is_idle {
            leave(&mut state, endpoint, load);
        }
        is_idle
    }

    /// Retires a connection once another one has taken its place; false if no other one could be opened.
    async fn replace(&self, endpoint: &Endpoint, load: &Arc<Load>) -> bool {
        let mut attempt = {
            let mut state = self.state();
            let needed = state.subchannels.of(endpoint).filter(|subchannel| subchannel.live.len() == 1);
            let is_used = load.was_used.load(Ordering::Relaxed) || load.calls.load(Ordering::Relaxed) > 0;
            match needed {
                Some(subchannel) if is_used => self.attempt(subchannel),
                _ => {
                    leave(&mut state, endpoint, load);
                    return true;
                }
            }
        };
        let is_replaced = matches!(attempt.wait_for(Option::is_some).await.as_deref(), Ok(Some(Ok(()))));
        if is_replaced {
            leave(&mut self.state(), endpoint, load);
        }
        is_replaced
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a place for one call on this connection.
fn lease_on(state: &mut State, chosen: Chosen) -> Lease {
    let subchannel = &state.subchannels.list[chosen.subchannel];
    let Live { send, load } = &subchannel.live[chosen.live];
    load.calls.fetch_add(1, Ordering::Relaxed);
    load.was_used.store(true, Ordering::Relaxed);
    let Endpoint { target, address, .. } = &subchannel.endpoint;
    let (send, load, target) = (send.clone(), load.clone(), target.clone());
    Lease { send, load, target, address: *address, is_crowded: chosen.is_crowded }
}

/// What is left if no address gives another connection: a connection that exists already, or the error of the last
/// address.
fn last_resort(state: &mut State, asked: &[(Endpoint, watch::Receiver<Connecting>)]) -> Result<Lease, ConnectError> {
    if let Some(chosen) = state.subchannels.last_resort() {
        return Ok(lease_on(state, chosen));
    }
    let errors = asked.iter().rev().filter_map(|(_, attempt)| attempt.borrow().clone()?.err());
    let gone = || ConnectError::Unresolved { cause: "no address".into() };
    Err(errors.into_iter().next().unwrap_or_else(gone))
}

fn leave(state: &mut State, endpoint: &Endpoint, load: &Arc<Load>) {
    load.is_leaving.store(true, Ordering::Relaxed);
    if let Some(subchannel) = state.subchannels.of(endpoint) {
        subchannel.remove(load);
    }
}

impl Owner for Inner {
    fn ended(self: &Arc<Self>, endpoint: &Endpoint, load: &Arc<Load>, lost: Option<String>, lasted: Duration) {
        Pool(self.clone()).ended(endpoint, load, lost, lasted);
    }

    fn remove_idle(self: &Arc<Self>, endpoint: &Endpoint, load: &Arc<Load>) -> bool {
        Pool(self.clone()).remove_idle(endpoint, load)
    }

    async fn replace(self: &Arc<Self>, endpoint: &Endpoint, load: &Arc<Load>) -> bool {
        Pool(self.clone()).replace(endpoint, load).await
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
