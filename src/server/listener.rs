//! A listener: its port, and the worker threads that serve its connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpListener;

use super::admission::{Admissions, Bounds};
use super::answerer::Answerer;
use super::config::{Plain, SYSTEMD};
use super::connection::Connection;
use super::drain::Draining;
use super::handshakes::Handshakes;
use super::http::Http;
use super::port::{self, BACKLOG};
use super::served::{Current, Handover, Served};
use super::stop::{Drain, Phase, Stop};
use super::worker::Workers;
use crate::limits::memory::Share;
use crate::observe::refused::Refusals;
use crate::tls::Server;

/// The target of these log lines, independent of the file that writes them.
const LOG: &str = "towbar::server";

/// A bound listener.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Server>,
    plain: Plain,
    /// Whether systemd opened the socket and keeps it open, for the process that comes after this one.
    is_passed: bool,
}

/// The longest time for calls in flight when a listener stops that serves on the runtime of its caller.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The last part of the notice, in which no new TCP connection begins and half-open ones are completed. It is longer
/// than a round trip from any load balancer nearby.
const HANDSHAKES: Duration = Duration::from_millis(100);

/// The default for the most bytes of a request's headers.
const HEADER_LIMIT: usize = 32 << 10;

impl Listener {
    /// Binds `address`. With `tls`, [`Listener::serve`] speaks TLS.
    ///
    /// # Errors
    /// The operating system cannot bind the address.
    pub async fn bind(address: &str, tls: Option<Arc<ServerConfig>>, plain: Plain) -> io::Result<Self> {
        Self::bind_with(address, BACKLOG, tls, plain).await
    }

    /// Binds `address` as [`Listener::bind`] does. At most `backlog` connections wait to be accepted (listen(2)). With
    /// [`SYSTEMD`] as the address, takes the socket that systemd passes, which has a backlog of its own.
    ///
    /// # Errors
    /// The operating system cannot bind the address, or systemd did not pass one socket.
    pub async fn bind_with(
        address: &str,
        backlog: u32,
        tls: Option<Arc<ServerConfig>>,
        plain: Plain,
    ) -> io::Result<Self> {
        let is_passed = address == SYSTEMD;
        let tcp = if is_passed { port::passed()? } else { port::bind(address, backlog).await? };
        Ok(Self { tcp, tls: tls.map(Server::from), plain, is_passed })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// The operating system does not tell it.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves on the runtime of the caller until `stop` completes, then finishes the calls in flight.
    pub async fn serve(self, service: impl Answerer, stop: impl Future<Output = ()>) {
        let draining = Draining::new();
        let Self { tcp, tls, plain, .. } = self;
        let served = Served { tls, prior_knowledge: false, malformed: None, header_limit: HEADER_LIMIT, service };
        let current = Current::new(served);
        let handshakes = Handshakes::unbounded();
        let (memory, refusals) = (Share::unbounded(), Refusals::default());
        let http = Http { current, memory, handshakes: handshakes.clone(), refusals };
        let connection = Connection { plain, http, handshakes, turns: None };
        let mut admissions = Admissions::unbounded();
        let give = |stream, _| drop(tokio::spawn(connection.clone().serve(stream, draining.watcher())));
        port::accept(&tcp, stop, &mut admissions, give).await;
        port::close(tcp, &mut admissions, give);
        draining.finish(tokio::time::sleep(TIMEOUT)).await;
    }

    /// Serves on one thread for each core until `stop`, then finishes the calls in flight, within the times of the
    /// `handover`. Each thread follows the current recipe, and each connection stays on one thread. All of them keep
    /// within the `bounds`.
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub async fn serve_on_all_cores<S: Answerer>(
        self,
        handover: &Handover<S>,
        bounds: &Bounds,
        stop: &Stop,
    ) -> io::Result<()> {
        let workers = Workers::start(self.plain, handover, stop, bounds)?;
        let mut admissions = Admissions::within(bounds);
        let give = |stream, admission| workers.give(stream, admission);
        port::accept(&self.tcp, stop.reached(Phase::Notice), &mut admissions, give).await;
        let Drain { notice, timeout } = handover.drain();
        if stop.phase() == Phase::Notice && !notice.is_zero() {
            tracing::info!(target: LOG, "stopping: new connections are accepted for {notice:?}, then calls in flight have {timeout:?} to end");
            let last = HANDSHAKES.min(notice);
            port::accept(&self.tcp, stop.reached_within(Phase::Draining, notice - last), &mut admissions, give).await;
            // Connections that begin on a passed socket wait for the next process.
            if stop.phase() == Phase::Notice && !self.is_passed {
                port::begin_no_more(&self.tcp);
                port::accept(&self.tcp, stop.reached_within(Phase::Draining, last), &mut admissions, give).await;
            }
        }
        if !self.is_passed {
            port::close(self.tcp, &mut admissions, give);
        }
        stop.raise(Phase::Draining);
        let finished = workers.finish();
        tokio::pin!(finished);
        let cut = match tokio::time::timeout(timeout, &mut finished).await {
            Ok(cut) => cut,
            Err(_) => {
                stop.raise(Phase::Over);
                finished.await
            }
        };
        if cut > 0 {
            let connections = if cut == 1 { "1 connection".to_owned() } else { format!("{cut} connections") };
            tracing::warn!(target: LOG, "stopped: closed {connections} with calls in flight");
        }
        Ok(())
    }
}
