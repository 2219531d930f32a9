//! Connections that leave HTTP (RFC 9110, section 7.8): a request asks for another protocol, and its answer agrees.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Request;
use hyper::upgrade::OnUpgrade;
use tokio::io::{AsyncRead, AsyncWrite};

/// Where a connection may go after HTTP. A request of HTTP/1.1 that has an `Upgrade` header has it among its extensions.
#[derive(Clone, Default)]
pub struct Upgrade(Arc<Mutex<Option<Next>>>);

pub(super) type Next = Box<dyn FnOnce(Switched) -> Task + Send>;
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection behind `101 Switching Protocols`.
pub struct Switched {
    /// Its bytes; those of TLS are taken off.
    pub stream: Box<dyn Duplex>,
    /// What came behind the request and was read with it.
    pub begun: Bytes,
}

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

impl Upgrade {
    /// Says what becomes of the connection once its answer, which must be a 101, is out. It stays one of the listener's: it
    /// has its place among those of its worker, and a stop waits for it.
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
    /// Notes it, if this is one. A request that is none costs a look at its extensions, which are empty.
    pub(super) fn note<B>(&self, request: &mut Request<B>) {
        if request.extensions().get::<OnUpgrade>().is_some() {
            let upgrade = Upgrade::default();
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade.clone());
            request.extensions_mut().insert(upgrade);
        }
    }

    /// What becomes of the connection, if its last answer was a 101.
    pub(super) fn next(self) -> Option<Next> {
        let upgrade = self.0.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        upgrade.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
