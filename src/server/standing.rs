//! Whether the peer of a connection is still let in.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use super::drain::Signals;
use crate::caller::Peer;
use crate::limits::memory::CallerId;
use crate::tls::Server;

/// So often the clock is asked whether a certificate is over, at least: it may have been set.
const LOOK: Duration = Duration::from_secs(10 * 60);

/// A connection's peer, and what it was let in by.
pub(super) struct PeerStanding {
    peer: Arc<Peer>,
    /// How TLS was made with it.
    server: Option<Server>,
    pub(super) signals: Signals,
}

impl PeerStanding {
    /// Let in by this server, or on a plain connection.
    pub(super) fn new(peer: Peer, server: Option<Server>) -> Self {
        let ends = server.as_ref().zip(peer.certificate()).and_then(|(server, own)| server.next_end(own.chain()));
        let signals = Signals { may_end_early: ends.is_some(), ..Signals::default() };
        Self { peer: Arc::new(peer), server, signals }
    }

    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// How TLS was made with it.
    pub(super) fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    /// By what it is told apart from others.
    pub(super) fn id(&self) -> Option<CallerId> {
        let certificate = self.peer.certificate().map(|own| CallerId::Certificate(own.sha256()));
        certificate.or_else(|| self.peer.ip().map(CallerId::of))
    }

    /// Whether it would be let in by this server too, which has taken the place of the one that it was let in by.
    pub(super) fn is_accepted_by(&self, server: Option<&Server>) -> bool {
        let chain = self.peer.certificate().map(|own| own.chain());
        match server.map(|server| server.verify(chain)) {
            Some(Err(error)) => {
                tracing::debug!(%error, "a connection's certificate is not accepted any more");
                false
            }
            Some(Ok(())) | None => true,
        }
    }

    /// Takes no request any more once its certificate is not accepted any more, because one that it showed is over.
    /// `None` if it showed none that can be.
    pub(super) fn watch(&self) -> Option<impl Future<Output = ()>> {
        let (server, chain) = (self.server.as_ref()?, self.peer.certificate()?.chain());
        server.next_end(chain)?;
        Some(async move {
            while let Some(end) = server.next_end(chain) {
                while let Some(time) = server.time_until(end) {
                    sleep(time.min(LOOK)).await;
                }
                if !self.is_accepted_by(Some(server)) {
                    self.signals.is_over.store(true, Ordering::Relaxed);
                    self.signals.retired.notify_one();
                    break;
                }
            }
            pending().await
        })
    }
}
