//! Ends connections gracefully: when the listener stops, or when a single connection is retired.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper_util::server::graceful::GracefulConnection;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::stop::{Phase, reached};

/// The time for the first call of an HTTP/1.1 connection that has had none when the port is closed: its caller is
/// probably about to send one.
const FIRST_CALL: Duration = Duration::from_secs(1);
/// The time for streams to tell their callers that they end, once the time for calls in flight is over.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The time for the connections of those streams to end after that.
const LAST_BYTES: Duration = Duration::from_millis(100);
/// The time to read calls that have already arrived on idle connections before these are closed.
const LAST_LOOK: Duration = Duration::from_millis(10);

/// The connections that end together.
pub(super) struct Draining {
    phases: watch::Sender<Phase>,
    /// Whether streams that can tell their callers have to end now.
    ending: watch::Sender<bool>,
}

/// A part in a drain, such as that of a connection from its acceptance to its end. The drain waits until all watchers
/// are dropped; code that takes a connection over from HTTP keeps a clone.
#[derive(Clone)]
pub(super) struct Watcher(watch::Receiver<Phase>);

/// Signals from the calls of a connection to the task that runs it.
#[derive(Default)]
pub(super) struct Signals {
    /// The connection should take no more calls.
    pub(super) retired: Notify,
    /// Whether the connection may be retired before the listener stops, over HTTP/1.1 as well.
    pub(super) may_end_early: bool,
    /// Whether further calls on the connection are rejected.
    pub(super) is_over: AtomicBool,
    /// Whether the connection has had a call.
    pub(super) is_used: AtomicBool,
}

/// Lets a service hold up the end of a listener for work that outlasts its connection. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Holder {
    phases: watch::Sender<Phase>,
    ending: watch::Sender<bool>,
}

/// Tells an endless call, such as a stream, that it has to end because the listener stops. Until this is dropped, the
/// listener waits a moment longer, so that the caller can be told.
#[derive(Debug, Clone)]
pub struct Ending(watch::Receiver<bool>);

impl Ending {
    /// Waits until the call has to end.
    pub async fn reached(mut self) {
        if self.0.wait_for(|&is_ending| is_ending).await.is_err() {
            std::future::pending().await
        }
    }
}

/// While this exists, a listener that stops waits for it as for a call in flight, and no longer.
#[derive(Debug)]
pub struct Hold {
    _waited_for: watch::Receiver<Phase>,
}

impl Holder {
    /// Makes the listener wait from now on.
    #[must_use]
    pub fn hold(&self) -> Hold {
        Hold { _waited_for: self.phases.subscribe() }
    }

    /// Signals when the listener stops waiting.
    #[must_use]
    pub fn ending(&self) -> Ending {
        Ending(self.ending.subscribe())
    }
}

impl Default for Holder {
    /// A holder without a listener: nothing waits for it.
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

    /// Announces the stop: calls are still answered, but callers should send further ones elsewhere.
    pub(super) fn give_notice(&self) {
        self.phases.send_replace(Phase::Notice);
    }

    /// Finishes the calls in flight until `over`; then ends the streams that can tell their callers. Returns how many
    /// connections are left.
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
    /// Ready when the listener drains and a connection that has sent nothing has had time for its first call.
    pub(super) async fn first_call_is_late(&mut self) {
        reached(&mut self.0, Phase::Draining).await;
        sleep(FIRST_CALL).await;
    }

    /// Runs a connection to its end. Once the listener drains, or this connection is retired, it takes no more calls
    /// and ends after those in flight.
    pub(super) async fn drive<C: GracefulConnection>(
        &mut self,
        mut connection: Pin<&mut C>,
        http2: bool,
        signals: &Signals,
    ) -> C::Output {
        // HTTP/2 callers are told at once: the first GOAWAY names no last stream yet, so calls on their way are still
        // taken (RFC 9113, section 6.8). A connection that begins later is told with its first call; otherwise it would
        // have been opened for nothing. HTTP/1.1 can only be told in the head of an answer. Without one the connection
        // stays, as a call may be on its way.
        let is_told_at_notice = http2 && *self.0.borrow() == Phase::Serving;
        let phase = if is_told_at_notice { Phase::Notice } else { Phase::Draining };
        tokio::select! {
            // In this order, because most wake-ups are for the connection.
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
