//! Threads that each serve the connections given to them, by themselves.
//!
//! A connection stays with its thread, and so do its calls and the connections to the backend that they use: nothing is
//! handed between cores while a call lasts, and what several calls send to the backend at one time goes out together.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use super::{Answerer, Connection, drain};

/// The threads. When they are dropped, they finish the calls in flight and end.
pub(super) struct Workers(Vec<Worker>);

struct Worker {
    streams: mpsc::UnboundedSender<std::net::TcpStream>,
    /// How many connections it has.
    connections: Arc<AtomicUsize>,
    ended: oneshot::Receiver<()>,
}

impl Workers {
    /// As many as this process may use cores, each with a service of its own.
    pub(super) fn start<S: Answerer>(connection: &Connection<S>, mut service: impl FnMut() -> S) -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let start = |index| Worker::start(index, Connection { service: service(), ..connection.clone() });
        (0..count).map(start).collect::<io::Result<_>>().map(Self)
    }

    /// Gives a connection to the worker that has the fewest.
    pub(super) fn give(&self, stream: TcpStream) {
        let Some(worker) = self.0.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed)) else {
            return;
        };
        match stream.into_std() {
            Ok(stream) => {
                worker.connections.fetch_add(1, Ordering::Relaxed);
                // A worker ends after its sender only.
                let _ = worker.streams.send(stream);
            }
            Err(error) => tracing::warn!(%error, "cannot hand a connection to its worker"),
        }
    }

    /// Waits until the calls in flight are finished.
    pub(super) async fn finish(self) {
        let ending: Vec<_> = self.0.into_iter().map(|worker| worker.ended).collect();
        for ended in ending {
            let _ = ended.await;
        }
    }
}

impl Worker {
    fn start<S: Answerer>(index: usize, connection: Connection<S>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (streams, received) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            runtime.block_on(serve(connection, received, count));
            let _ = end.send(());
        })?;
        Ok(Self { streams, connections, ended })
    }
}

async fn serve<S: Answerer>(
    connection: Connection<S>,
    mut received: mpsc::UnboundedReceiver<std::net::TcpStream>,
    count: Arc<AtomicUsize>,
) {
    let draining = GracefulShutdown::new();
    while let Some(stream) = received.recv().await {
        let place = Place(count.clone());
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                continue;
            }
        };
        let served = connection.clone().serve(stream, draining.watcher());
        tokio::spawn(async move {
            served.await;
            drop(place);
        });
    }
    drain(draining).await;
}

/// A connection's place among those of its worker.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
