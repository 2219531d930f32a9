//! The end of connections: when the listener stops, and when a connection's time is over.

use std::pin::Pin;
use std::time::Duration;

use hyper_util::server::graceful::GracefulConnection;
use tokio::sync::{Notify, watch};

/// Longest time for the calls in flight when the listener stops.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The connections that shall end together.
pub(super) struct Draining(watch::Sender<bool>);

/// A connection's part in it, from its acceptance to its end.
pub(super) struct Watcher(watch::Receiver<bool>);

/// How a service has a listener that stops wait for what outlasts its connection. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Drain(watch::Sender<bool>);

/// While it is there, a listener that stops waits, as it does for the calls in flight, and no longer.
#[derive(Debug)]
pub struct Hold {
    _waited_for: watch::Receiver<bool>,
}

impl Drain {
    /// Has the listener wait from now on.
    #[must_use]
    pub fn hold(&self) -> Hold {
        Hold { _waited_for: self.0.subscribe() }
    }
}

impl Default for Drain {
    /// Of no listener: nobody waits.
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Draining {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(super) fn watcher(&self) -> Watcher {
        Watcher(self.0.subscribe())
    }

    pub(super) fn drain(&self) -> Drain {
        Drain(self.0.clone())
    }

    /// Finishes the calls in flight.
    pub(super) async fn finish(self) {
        self.0.send_replace(true);
        if tokio::time::timeout(TIMEOUT, self.0.closed()).await.is_err() {
            tracing::warn!("calls were still in flight {} s after the stop", TIMEOUT.as_secs());
        }
    }
}

impl Watcher {
    /// Drives a connection to its end. Once all stop, or this one is `retired`, it takes no more calls, and ends after those
    /// in flight.
    pub(super) async fn drive<C: GracefulConnection>(
        mut self,
        mut connection: Pin<Box<C>>,
        retired: &Notify,
    ) -> C::Output {
        tokio::select! {
            ended = &mut connection => return ended,
            () = retired.notified() => {}
            _ = self.0.wait_for(|stopping| *stopping) => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    }
}
