//! Connections that leave HTTP (RFC 9110, section 7.8): a request asks for another protocol, and the answer agrees.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Request;
use hyper::upgrade::OnUpgrade;
use tokio::io::{AsyncRead, AsyncWrite};

/// Lets a service take over the connection after its answer. An HTTP/1.1 request with an `Upgrade` header has it among
/// its extensions.
#[derive(Clone, Default)]
pub struct Upgrade(Arc<Mutex<Option<Next>>>);

pub(super) type Next = Box<dyn FnOnce(Switched) -> Task + Send>;
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection after `101 Switching Protocols`.
pub struct Switched {
    /// The bytes of the connection; TLS is already decrypted.
    pub stream: Box<dyn Duplex>,
    /// Bytes behind the request that were read together with it.
    pub begun: Bytes,
}

/// A stream of bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

impl Upgrade {
    /// Sets what happens to the connection after its answer, which must be a 101. The connection still belongs to the
    /// listener: it counts among those of its worker, and a stop waits for it.
    pub fn then<F>(&self, go_on: impl FnOnce(Switched) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(|switched| Box::pin(go_on(switched))));
    }
}

/// The last request of a connection that asked for another protocol.
#[derive(Default)]
pub(super) struct LastUpgrade(Mutex<Option<Upgrade>>);

impl LastUpgrade {
    /// Notes the request if it asks for another protocol. Other requests only cost a look at their extensions, which
    /// are empty.
    pub(super) fn note<B>(&self, request: &mut Request<B>) {
        if request.extensions().get::<OnUpgrade>().is_some() {
            let upgrade = Upgrade::default();
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade.clone());
            request.extensions_mut().insert(upgrade);
        }
    }

    /// The task that takes over the connection, if its last answer was a 101.
    pub(super) fn next(self) -> Option<Next> {
        let upgrade = self.0.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        upgrade.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
