//! The other end of a connection.

use std::future::pending;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::time::sleep;

use super::drain::Told;
use crate::caller::Caller;
use crate::limits::memory::CallerId;
use crate::tls::{self, Server};

/// So often the clock is asked whether a certificate is over, at least: it may have been set.
const LOOK: Duration = Duration::from_secs(10 * 60);

/// What a connection knows of it. What is told of it is made with the first request that tells it.
pub(super) struct Other {
    address: Option<IpAddr>,
    /// How TLS was made with it.
    server: Option<Server>,
    /// Its certificates, its own first, which the handshake has verified.
    chain: Option<Vec<CertificateDer<'static>>>,
    caller: OnceLock<Arc<Caller>>,
    pub(super) told: Told,
}

impl Other {
    pub(super) fn at(address: Option<IpAddr>) -> Self {
        Self { address, server: None, chain: None, caller: OnceLock::new(), told: Told::default() }
    }

    /// With these certificates, its own first.
    pub(super) fn showing(self, chain: Option<&[CertificateDer<'static>]>, server: Server) -> Self {
        let chain = chain.filter(|chain| !chain.is_empty()).map(<[_]>::to_vec);
        let may_end_early = chain.as_ref().is_some_and(|chain| server.next_end(chain).is_some());
        Self { chain, server: Some(server), told: Told { may_end_early, ..self.told }, ..self }
    }

    /// Where it is.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// How TLS was made with it.
    pub(super) fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    /// By what it is told apart from others.
    pub(super) fn id(&self) -> Option<CallerId> {
        let own = self.chain.as_ref().and_then(|chain| chain.first());
        let certificate = own.map(|der| CallerId::Certificate(tls::sha256(der)));
        certificate.or_else(|| self.address.map(CallerId::of))
    }

    pub(super) fn caller(&self) -> Arc<Caller> {
        let make = || {
            let certificate = self.chain.as_ref().and_then(|chain| chain.first());
            let certificate = certificate.map(|der| (&**der, tls::sha256(der)));
            Caller::new(self.address, certificate)
        };
        self.caller.get_or_init(make).clone()
    }

    /// Whether it would be let in by this server too, which has taken the place of the one that it was let in by.
    pub(super) fn is_accepted_by(&self, server: Option<&Server>) -> bool {
        match server.map(|server| server.verify(self.chain.as_deref())) {
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
        let (server, chain) = (self.server.as_ref()?, self.chain.as_ref()?);
        server.next_end(chain)?;
        Some(async move {
            while let Some(end) = server.next_end(chain) {
                while let Some(time) = server.time_until(end) {
                    sleep(time.min(LOOK)).await;
                }
                if !self.is_accepted_by(Some(server)) {
                    self.told.is_over.store(true, Ordering::Relaxed);
                    self.told.retired.notify_one();
                    break;
                }
            }
            pending().await
        })
    }
}
