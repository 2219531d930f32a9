//! The other end of a connection.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;

use crate::memory::CallerId;
use crate::metadata::Caller;
use crate::tls;

/// What a connection knows of it. What is told of it is made with the first request that tells it.
pub(super) struct Other {
    address: Option<IpAddr>,
    /// Its own certificate, which the handshake has verified.
    certificate: Option<CertificateDer<'static>>,
    caller: OnceLock<Arc<Caller>>,
}

impl Other {
    pub(super) fn at(address: Option<IpAddr>) -> Self {
        Self { address, certificate: None, caller: OnceLock::new() }
    }

    /// With these certificates, its own first.
    pub(super) fn showing(self, chain: Option<&[CertificateDer<'static>]>) -> Self {
        Self { certificate: chain.and_then(<[_]>::first).cloned(), ..self }
    }

    /// By what it is told apart from others.
    pub(super) fn id(&self) -> Option<CallerId> {
        let certificate = self.certificate.as_deref().map(|der| CallerId::Certificate(tls::sha256(der)));
        certificate.or_else(|| self.address.map(CallerId::of))
    }

    pub(super) fn caller(&self) -> Arc<Caller> {
        let make = || {
            let certificate = self.certificate.as_deref().map(|der| (der, tls::sha256(der)));
            Caller::new(self.address, certificate)
        };
        self.caller.get_or_init(make).clone()
    }
}
