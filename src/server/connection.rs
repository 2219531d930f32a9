//! Serves one connection from its acceptance to its end: TLS if there is any, then HTTP.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustls::{ProtocolVersion, ServerConnection};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::answerer::Answerer;
use super::config::Plain;
use super::drain::Watcher;
use super::handshakes::{Failure, Handshakes};
use super::head_clock::HEAD_TIMEOUT;
use super::http::Http;
use super::preface;
use super::standing::PeerStanding;
use super::turns::Turns;
use crate::caller::{Certificate, Peer, Protocol, Tls};
use crate::tls;

/// The longest time from the first byte of a connection to the end of its TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a worker needs to serve a connection.
#[derive(Clone)]
pub(super) struct Connection<S> {
    pub(super) plain: Plain,
    pub(super) http: Http<S>,
    pub(super) handshakes: Handshakes,
    /// Limits the time that handshakes take of the worker, if there is a limit.
    pub(super) turns: Option<Turns>,
}

impl<S: Answerer> Connection<S> {
    // Each step is boxed. A connection is idle for most of its life, and so takes only the memory of its current step,
    // not that of the largest.
    pub(super) async fn serve(self, stream: TcpStream, draining: Watcher) {
        // If a socket option cannot be set, the connection still works.
        let _ = stream.set_nodelay(true);
        let address = stream.peer_addr().ok();
        let Some(server) = self.http.current.load().tls.clone() else {
            let protocol = if self.plain == Plain::Http2 { Protocol::Http2 } else { Protocol::Http1 };
            if protocol == Protocol::Http1 && self.http.current.load().prior_knowledge {
                return Box::pin(self.either(stream, address, draining)).await;
            }
            let standing = PeerStanding::new(Peer::new(address, protocol, None), None);
            return Box::pin(self.http.speak(stream, &standing, draining)).await;
        };
        let making = server.handshake();
        let ip = address.map(|address| address.ip());
        if let Some(stream) = Box::pin(self.handshake(&making, stream, ip)).await {
            let connection = stream.get_ref().1;
            making.done(connection);
            let (alpn, version) = (alpn(connection), version(connection));
            version.inspect(|version| self.handshakes.made(version));
            let certificate = Certificate::of(connection.peer_certificates().unwrap_or_default(), tls::sha256);
            let peer = Peer::new(address, alpn.unwrap_or_default(), Some(Tls { alpn, version, certificate }));
            let standing = PeerStanding::new(peer, Some(server));
            let speaking = Box::pin(self.http.speak(stream, &standing, draining));
            match standing.watch().map(Box::pin) {
                None => speaking.await,
                Some(watching) => tokio::select! {
                    () = speaking => {}
                    () = watching => {}
                },
            }
        }
    }

    /// Speaks HTTP/1.1 or HTTP/2 on a plain connection, depending on its first bytes.
    async fn either(self, stream: TcpStream, address: Option<SocketAddr>, mut draining: Watcher) {
        let begun = tokio::select! {
            begun = timeout(HEAD_TIMEOUT, preface::read(stream)) => begun,
            () = draining.first_call_is_late() => return,
        };
        let Ok(Ok((stream, protocol))) = begun else { return };
        let standing = PeerStanding::new(Peer::new(address, protocol, None), None);
        Box::pin(self.http.speak(stream, &standing, draining)).await;
    }

    /// Completes the TLS handshake in time, or reports why it failed.
    async fn handshake(
        &self,
        making: &tls::Handshake,
        stream: TcpStream,
        address: Option<IpAddr>,
    ) -> Option<Box<TlsStream<TcpStream>>> {
        let made = async {
            // A caller takes a place only once it has sent something.
            match stream.peek(&mut [0]).await {
                Ok(0) => return Err(Failure::Silent),
                Ok(_) => {}
                Err(error) => return Err(Failure::Io(error)),
            }
            let _place = match address {
                Some(address) => Some(self.handshakes.place(address).await),
                None => None,
            };
            let accepted = TlsAcceptor::from(making.config()).accept(stream);
            let accepted = match &self.turns {
                Some(turns) => turns.keep(accepted).await,
                None => accepted.await,
            };
            accepted.map(Box::new).map_err(Failure::Io)
        };
        let made = timeout(HANDSHAKE_TIMEOUT, made).await.unwrap_or(Err(Failure::TimedOut));
        made.map_err(|failure| self.handshakes.failed(address, &failure, making.refused())).ok()
    }
}

fn version(connection: &ServerConnection) -> Option<&'static str> {
    match connection.protocol_version()? {
        ProtocolVersion::TLSv1_2 => Some("1.2"),
        ProtocolVersion::TLSv1_3 => Some("1.3"),
        _ => None,
    }
}

fn alpn(connection: &ServerConnection) -> Option<Protocol> {
    match connection.alpn_protocol()? {
        b"h2" => Some(Protocol::Http2),
        _ => Some(Protocol::Http1),
    }
}
