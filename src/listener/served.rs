//! What connections are served with, and how it is exchanged for something else while they last.
//!
//! Each worker makes its own from the [`Recipe`] of the day and asks for it once a handshake and once a request, without a
//! lock. Whatever began with the old one ends with it: what is in flight holds the service that it was given.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::{Drain, Malformed};

/// What the connections of one worker are served with.
pub struct Served<S> {
    /// For handshakes; without it connections are plain.
    pub tls: Option<Arc<ServerConfig>>,
    /// The answers to malformed HTTP/1.1.
    pub malformed: Option<Malformed>,
    /// Every head whose headers have this many bytes, as HTTP/1.1 writes them, is read. How much more is read is for the
    /// service to refuse.
    pub header_limit: usize,
    /// Whether each request carries its [`Caller`](crate::metadata::Caller) among its extensions, in an `Arc`.
    pub tells_caller: bool,
    /// Answers every request.
    pub service: S,
}

/// Makes what one worker serves with. Every worker calls it for itself, with the drain at its own end.
pub type Recipe<S> = Arc<dyn Fn(&Drain) -> Served<S> + Send + Sync>;

/// The recipe that all workers follow, and their way to learn of a new one.
pub struct Handover<S>(watch::Sender<Recipe<S>>);

impl<S> Handover<S> {
    /// Starts with this one.
    #[must_use]
    pub fn new(recipe: Recipe<S>) -> Self {
        Self(watch::Sender::new(recipe))
    }

    /// Lets every worker follow another one from now on.
    pub fn put(&self, recipe: Recipe<S>) {
        self.0.send_replace(recipe);
    }

    pub(super) fn recipes(&self) -> watch::Receiver<Recipe<S>> {
        self.0.subscribe()
    }
}

/// What is served with now. Cheap to clone; all clones are exchanged together.
pub(super) struct Current<S>(Arc<ArcSwap<Ready<S>>>);

impl<S> Clone for Current<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

pub(super) struct Ready<S> {
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) malformed: Option<Malformed>,
    pub(super) header_limit: usize,
    pub(super) tells_caller: bool,
    pub(super) service: TowerToHyperService<S>,
}

impl<S> Current<S> {
    pub(super) fn new(served: Served<S>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Ready::from(served))))
    }

    pub(super) fn exchange(&self, served: Served<S>) {
        self.0.store(Arc::new(Ready::from(served)));
    }

    pub(super) fn load(&self) -> Guard<Arc<Ready<S>>> {
        self.0.load()
    }
}

impl<S> Ready<S> {
    /// Whether a connection that was made like this would be made like this again.
    pub(super) fn speaks(&self, tls: Option<&Arc<ServerConfig>>) -> bool {
        match (&self.tls, tls) {
            (Some(acceptor), Some(tls)) => Arc::ptr_eq(acceptor.config(), tls),
            (None, None) => true,
            _ => false,
        }
    }
}

impl<S> From<Served<S>> for Ready<S> {
    fn from(served: Served<S>) -> Self {
        let Served { tls, malformed, header_limit, tells_caller, service } = served;
        let (tls, service) = (tls.map(TlsAcceptor::from), TowerToHyperService::new(service));
        Self { tls, malformed, header_limit, tells_caller, service }
    }
}
