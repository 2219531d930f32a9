//! The end of connections: when the listener stops, and when a connection's time is over.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper_util::server::graceful::GracefulConnection;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::stop::{Phase, reached};

/// Time for the first call of a connection of HTTP/1.1 that has had none when the port is closed: who made it is about to send one.
const FIRST_CALL: Duration = Duration::from_secs(1);
/// Time for streams to tell their callers that they are ended, when the time for calls in flight is over,
const LAST_WORDS: Duration = Duration::from_secs(1);
/// and for their connections to end after that.
const LAST_BYTES: Duration = Duration::from_millis(100);
/// Time for calls that have arrived by then on connections that were idle, to be read before they close.
const LAST_LOOK: Duration = Duration::from_millis(10);

/// The connections that shall end together.
pub(super) struct Draining {
    phases: watch::Sender<Phase>,
    /// Whether those that can tell their callers of it are to end.
    ending: watch::Sender<bool>,
}

/// A part in it, such as a connection's from its acceptance to its end. Whoever has one is waited for: what takes a connection
/// over from HTTP keeps a clone.
#[derive(Clone)]
pub(super) struct Watcher(watch::Receiver<Phase>);

/// What the calls of a connection tell who drives it.
#[derive(Default)]
pub(super) struct Signals {
    /// It is to take no more of them.
    pub(super) retired: Notify,
    /// That may be so before all stop, over HTTP/1.1 too.
    pub(super) may_end_early: bool,
    /// Those that come all the same are refused.
    pub(super) is_over: AtomicBool,
    /// There was one.
    pub(super) is_used: AtomicBool,
}

/// How a service has a listener that stops wait for what outlasts its connection. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Holder {
    phases: watch::Sender<Phase>,
    ending: watch::Sender<bool>,
}

/// How what could last for ever, as a stream does, learns that it has to end, since a listener that stops waits no longer for it. Until
/// this is dropped the listener waits a moment more, in which callers can be signals.
#[derive(Debug, Clone)]
pub struct Ending(watch::Receiver<bool>);

impl Ending {
    /// Waits until it has to end.
    pub async fn reached(mut self) {
        if self.0.wait_for(|&is_ending| is_ending).await.is_err() {
            std::future::pending().await
        }
    }
}

/// While it is there, a listener that stops waits, as it does for the calls in flight, and no longer.
#[derive(Debug)]
pub struct Hold {
    _waited_for: watch::Receiver<Phase>,
}

impl Holder {
    /// Has the listener wait from now on.
    #[must_use]
    pub fn hold(&self) -> Hold {
        Hold { _waited_for: self.phases.subscribe() }
    }

    /// The end of what the listener waits for.
    #[must_use]
    pub fn ending(&self) -> Ending {
        Ending(self.ending.subscribe())
    }
}

impl Default for Holder {
    /// Of no listener: nobody waits.
    fn default() -> Self {
        Draining::new().holder()
    }
}

impl Draining {
    pub(super) fn new() -> Self {
        Self { phases: watch::Sender::new(Phase::Serving), ending: watch::Sender::new(false) }
    }

    pub(super) fn watcher(&self) -> Watcher {
        Watcher(self.phases.subscribe())
    }

    pub(super) fn holder(&self) -> Holder {
        Holder { phases: self.phases.clone(), ending: self.ending.clone() }
    }

    /// Calls are answered, and shall be sent elsewhere from now on.
    pub(super) fn give_notice(&self) {
        self.phases.send_replace(Phase::Notice);
    }

    /// Finishes the calls in flight, until `over`; then those end that can tell their callers. Gives how many connections are left.
    pub(super) async fn finish(self, over: impl Future<Output = ()>) -> usize {
        self.phases.send_replace(Phase::Draining);
        tokio::select! {
            () = self.phases.closed() => return 0,
            () = over => {}
        }
        if self.ending.receiver_count() > 0 {
            self.ending.send_replace(true);
            let _ = timeout(LAST_WORDS, self.ending.closed()).await;
            let _ = timeout(LAST_BYTES, self.phases.closed()).await;
        }
        self.phases.receiver_count()
    }
}

impl Watcher {
    /// Drives a connection to its end. Once all stop, or this one is retired, it takes no more calls, and ends after those in
    /// flight.
    pub(super) async fn drive<C: GracefulConnection>(
        &mut self,
        mut connection: Pin<&mut C>,
        http2: bool,
        signals: &Signals,
    ) -> C::Output {
        // HTTP/2 is told at once: GOAWAY names no last stream yet, so that calls on their way are taken (RFC 9113, section 6.8).
        // A connection that is made later is told with its first call, or it would have been made for nothing. HTTP/1.1 has only
        // the head of an answer to be told with: without one it stays, as a call may be on its way.
        let is_told_at_notice = http2 && *self.0.borrow() == Phase::Serving;
        let phase = if is_told_at_notice { Phase::Notice } else { Phase::Draining };
        tokio::select! {
            // In this order: most of what wakes it is for the connection.
            biased;
            ended = &mut connection => return ended,
            () = signals.retired.notified(), if http2 || signals.may_end_early => {}
            () = reached(&mut self.0, phase) => {}
        }
        if !http2 {
            let time = if signals.is_used.load(Ordering::Relaxed) { LAST_LOOK } else { FIRST_CALL };
            if let Ok(ended) = timeout(time, &mut connection).await {
                return ended;
            }
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    }
}
