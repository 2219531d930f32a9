//! What connections are served with, and how it is exchanged for something else while they last.
//!
//! Each worker makes its own from the [`Recipe`] of the day and asks for it once a handshake and once a request, without a
//! lock. Whatever began with the old one ends with it: what is in flight holds the service that it was given.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;

use super::drain::Holder;
use super::refusal::Malformed;
use super::stop::Drain;
use crate::limits::memory::Share;
use crate::tls;

/// What the connections of one worker are served with.
pub struct Served<S> {
    /// For handshakes; without it connections are plain.
    pub tls: Option<tls::Server>,
    /// The answers to malformed HTTP/1.1.
    pub malformed: Option<Malformed>,
    /// Every head whose headers have this many bytes, as HTTP/1.1 writes them, is read. How much more is read is for the
    /// service to refuse.
    pub header_limit: usize,
    /// Answers every request.
    pub service: S,
}

/// Makes what one worker serves with, of its share of the memory and with the holder of its own end. Every worker calls it for
/// itself.
pub type Recipe<S> = Arc<dyn Fn(&Share, &Holder) -> Served<S> + Send + Sync>;

/// The recipe that all workers follow, and their way to learn of a new one; and how they end.
pub struct Handover<S> {
    recipes: watch::Sender<Recipe<S>>,
    drain: Mutex<Drain>,
}

impl<S> Handover<S> {
    /// Starts with these.
    #[must_use]
    pub fn new(recipe: Recipe<S>, drain: Drain) -> Self {
        Self { recipes: watch::Sender::new(recipe), drain: Mutex::new(drain) }
    }

    /// Lets every worker follow others from now on.
    pub fn put(&self, recipe: Recipe<S>, drain: Drain) {
        *self.drain.lock().unwrap_or_else(PoisonError::into_inner) = drain;
        self.recipes.send_replace(recipe);
    }

    pub(super) fn recipes(&self) -> watch::Receiver<Recipe<S>> {
        self.recipes.subscribe()
    }

    pub(super) fn drain(&self) -> Drain {
        *self.drain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is served with now. Cheap to clone; all clones are exchanged together.
pub(super) struct Current<S>(Arc<Live<S>>);

struct Live<S> {
    ready: ArcSwap<Ready<S>>,
    is_stopping: AtomicBool,
}

impl<S> Clone for Current<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

pub(super) struct Ready<S> {
    pub(super) tls: Option<tls::Server>,
    pub(super) malformed: Option<Malformed>,
    pub(super) header_limit: usize,
    pub(super) service: S,
}

impl<S> Current<S> {
    pub(super) fn new(served: Served<S>) -> Self {
        let ready = ArcSwap::from_pointee(Ready::from(served));
        Self(Arc::new(Live { ready, is_stopping: AtomicBool::new(false) }))
    }

    pub(super) fn exchange(&self, served: Served<S>) {
        self.0.ready.store(Arc::new(Ready::from(served)));
    }

    pub(super) fn load(&self) -> Guard<Arc<Ready<S>>> {
        self.0.ready.load()
    }

    /// From now on the next answer on every connection is its last.
    pub(super) fn stop(&self) {
        self.0.is_stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.0.is_stopping.load(Ordering::Relaxed)
    }
}

impl<S> Ready<S> {
    /// Whether a connection that was made like this would be made like this again.
    pub(super) fn speaks(&self, tls: Option<&tls::Server>) -> bool {
        match (&self.tls, tls) {
            (Some(server), Some(tls)) => server.is(tls),
            (None, None) => true,
            _ => false,
        }
    }
}

impl<S> From<Served<S>> for Ready<S> {
    fn from(served: Served<S>) -> Self {
        let Served { tls, malformed, header_limit, service } = served;
        Self { tls, malformed, header_limit, service }
    }
}
