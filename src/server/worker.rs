//! Worker threads, each of which serves its connections on its own.
//!
//! A connection stays on its thread, and so do its calls and the connections to the backend that they use. Nothing
//! moves between cores during a call, and what several calls send to the backend at one time goes out together.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};

use super::admission::{Admission, Bounds};
use super::answerer::Answerer;
use super::config::Plain;
use super::connection::Connection;
use super::drain::Draining;
use super::handshakes::Handshakes;
use super::http::Http;
use super::served::{Current, Handover, Recipe};
use super::stop::{Phase, Stop, reached};
use super::turns::Turns;
use crate::limits::memory::Share;
use crate::observe::refused::Refusals;

/// The worker threads. When this is dropped, they finish the calls in flight and end, at the latest when the stop is
/// over.
pub(super) struct Workers(Vec<Worker>);

/// A connection, and its admission.
type Given = (std::net::TcpStream, Admission);

/// What a worker is told while it serves: new recipes, and the phase of a stop.
struct News<S> {
    recipes: watch::Receiver<Recipe<S>>,
    phases: watch::Receiver<Phase>,
}

/// The limits of a worker.
struct Bounded {
    memory: Share,
    handshakes: Handshakes,
    refusals: Refusals,
}

struct Worker {
    streams: mpsc::UnboundedSender<Given>,
    /// The number of its connections.
    connections: Arc<AtomicUsize>,
    /// Gives the number of connections that were cut.
    ended: oneshot::Receiver<usize>,
}

impl Workers {
    /// Starts a worker for each core that the process may use, each with a separate service and a share of the memory.
    pub(super) fn start<S: Answerer>(
        plain: Plain,
        handover: &Handover<S>,
        stop: &Stop,
        bounds: &Bounds,
    ) -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let handshakes = Handshakes::new(bounds.handshakes, bounds.handshake_counts.clone());
        let refusals = Refusals::default();
        let bounded =
            || Bounded { memory: bounds.memory.share(), handshakes: handshakes.clone(), refusals: refusals.clone() };
        let news = || News { recipes: handover.recipes(), phases: stop.phases() };
        let start = |index| Worker::start(index, plain, news(), bounded());
        (0..count).map(start).collect::<io::Result<_>>().map(Self)
    }

    /// Gives a connection to the worker with the fewest connections.
    pub(super) fn give(&self, stream: TcpStream, place: Admission) {
        let Some(worker) = self.0.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed)) else {
            return;
        };
        match stream.into_std() {
            Ok(stream) => {
                worker.connections.fetch_add(1, Ordering::Relaxed);
                // A worker ends only after its sender is dropped.
                let _ = worker.streams.send((stream, place));
            }
            Err(error) => tracing::warn!(%error, "cannot hand a connection to its worker"),
        }
    }

    /// Waits until the calls in flight are finished, or the stop is over. Returns how many connections are left then.
    pub(super) async fn finish(self) -> usize {
        let ending: Vec<_> = self.0.into_iter().map(|worker| worker.ended).collect();
        let mut left = 0;
        for ended in ending {
            left += ended.await.unwrap_or_default();
        }
        left
    }
}

impl Worker {
    fn start<S: Answerer>(index: usize, plain: Plain, news: News<S>, bounded: Bounded) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (streams, received) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            let _ = end.send(runtime.block_on(serve(plain, news, received, count, bounded)));
        })?;
        Ok(Self { streams, connections, ended })
    }
}

async fn serve<S: Answerer>(
    plain: Plain,
    News { mut recipes, mut phases }: News<S>,
    mut received: mpsc::UnboundedReceiver<Given>,
    count: Arc<AtomicUsize>,
    Bounded { memory, handshakes, refusals }: Bounded,
) -> usize {
    let draining = Draining::new();
    let holder = draining.holder();
    // A recipe is not kept after it was followed, because it holds everything that it serves.
    let first = recipes.borrow_and_update().clone();
    let current = Current::new(first(&memory, &holder));
    drop(first);
    let turns = Some(Turns::new());
    let http = Http { current: current.clone(), memory: memory.clone(), handshakes: handshakes.clone(), refusals };
    let connection = Connection { plain, http, handshakes, turns };
    let mut may_change = true;
    loop {
        let stream = tokio::select! {
            stream = received.recv() => stream,
            changed = recipes.changed(), if may_change => {
                may_change = changed.is_ok();
                let recipe = recipes.borrow_and_update().clone();
                current.exchange(recipe(&memory, &holder));
                continue;
            }
            () = reached(&mut phases, Phase::Notice), if !current.is_stopping() => {
                current.stop();
                draining.give_notice();
                continue;
            }
        };
        let Some((stream, admission)) = stream else { break };
        let place = Slot(count.clone());
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a worker cannot use a connection");
                continue;
            }
        };
        let served = connection.clone().serve(stream, draining.watcher());
        tokio::spawn(async move {
            served.await;
            drop((place, admission));
        });
    }
    current.stop();
    draining.finish(reached(&mut phases, Phase::Over)).await
}

/// The slot of a connection among those of its worker.
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
