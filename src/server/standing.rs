//! Checks whether the peer of a connection is still accepted.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use super::drain::Signals;
use crate::caller::Peer;
use crate::limits::memory::CallerId;
use crate::tls::Server;

/// The longest time between two looks at the clock for expired certificates, because the clock may have been changed.
const LOOK: Duration = Duration::from_secs(10 * 60);

/// The peer of a connection, and the TLS server that accepted it.
pub(super) struct PeerStanding {
    peer: Arc<Peer>,
    /// The TLS server that accepted the peer; `None` on a plain connection.
    server: Option<Server>,
    pub(super) signals: Signals,
}

impl PeerStanding {
    /// A peer that this server has accepted, or a peer on a plain connection.
    pub(super) fn new(peer: Peer, server: Option<Server>) -> Self {
        let ends = server.as_ref().zip(peer.certificate()).and_then(|(server, own)| server.next_end(own.chain()));
        let signals = Signals { may_end_early: ends.is_some(), ..Signals::default() };
        Self { peer: Arc::new(peer), server, signals }
    }

    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// The TLS server that accepted the peer; `None` on a plain connection.
    pub(super) fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    /// What identifies the caller among others: its certificate, or else its address.
    pub(super) fn id(&self) -> Option<CallerId> {
        let certificate = self.peer.certificate().map(|own| CallerId::Certificate(own.sha256()));
        certificate.or_else(|| self.peer.ip().map(CallerId::of))
    }

    /// Whether the peer would also be accepted by this server, which has replaced the one that accepted it.
    pub(super) fn is_accepted_by(&self, server: Option<&Server>) -> bool {
        let chain = self.peer.certificate().map(|own| own.chain());
        match server.map(|server| server.verify(chain)) {
            Some(Err(error)) => {
                tracing::debug!(%error, "the client certificate of a connection is no longer accepted");
                false
            }
            Some(Ok(())) | None => true,
        }
    }

    /// Watches the certificates of the peer: once one has expired and the peer is no longer accepted, the connection
    /// takes no more requests. `None` if the peer has no certificate that can expire.
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
