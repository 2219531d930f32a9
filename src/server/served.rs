//! What connections are served with, and how a reload replaces it while they last.
//!
//! Each worker makes its own [`Served`] from the current [`Recipe`]. It is looked up once per handshake and once per
//! request, without a lock. Whatever began with an old one ends with it: a call in flight holds the service that it was
//! given.

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
    /// TLS for handshakes; without it, connections are plain.
    pub tls: Option<tls::Server>,
    /// Whether plain connections may also begin with the preface of HTTP/2 (RFC 9113, section 3.3).
    pub prior_knowledge: bool,
    /// Makes the answers to requests that break a rule of HTTP.
    pub malformed: Option<Malformed>,
    /// Heads with up to this many bytes of headers, counted as HTTP/1.1 writes them, are always read. Somewhat larger
    /// ones may be read too, and the service has to reject them.
    pub header_limit: usize,
    /// Answers every request.
    pub service: S,
}

/// Makes what one worker serves with, from its share of the memory and the [`Holder`] of its listener. Every worker
/// calls it once per recipe.
pub type Recipe<S> = Arc<dyn Fn(&Share, &Holder) -> Served<S> + Send + Sync>;

/// The recipe that all workers follow, how they learn of a new one, and how they drain.
pub struct Handover<S> {
    recipes: watch::Sender<Recipe<S>>,
    drain: Mutex<Drain>,
}

impl<S> Handover<S> {
    /// Starts with this recipe and these drain times.
    #[must_use]
    pub fn new(recipe: Recipe<S>, drain: Drain) -> Self {
        Self { recipes: watch::Sender::new(recipe), drain: Mutex::new(drain) }
    }

    /// Replaces the recipe and the drain times for every worker.
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

/// What a worker serves with now. Cheap to clone; all clones change together.
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
    pub(super) prior_knowledge: bool,
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

    /// From now on, the next answer on each connection is its last.
    pub(super) fn stop(&self) {
        self.0.is_stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.0.is_stopping.load(Ordering::Relaxed)
    }
}

impl<S> Ready<S> {
    /// Whether a new connection would get the same TLS settings as one made with `tls`.
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
        let Served { tls, prior_knowledge, malformed, header_limit, service } = served;
        Self { tls, prior_knowledge, malformed, header_limit, service }
    }
}
