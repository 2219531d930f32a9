//! Connects to the backend: TCP or a tunnel through a proxy, then TLS with the gateway's certificate.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::endpoint::Endpoint;
use super::proxy::answer::TunnelError;
use crate::tls;

/// Why there is no connection. No part of any call was sent. Cheap to clone, because every waiting call gets a copy.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{address}: {source}")]
    Tcp { address: String, source: Arc<io::Error> },
    #[error("{address}: {source}")]
    Tunnel { address: String, source: TunnelError },
    #[error("{address}: TLS: {cause}")]
    Tls { address: String, cause: String },
    #[error("{address}: TLS: the backend does not speak HTTP/2 (ALPN h2)")]
    Alpn { address: String },
    #[error("{address}: HTTP/2: {source}")]
    Http2 { address: String, source: Arc<h2::Error> },
    #[error("{address}: {cause}")]
    Ended { address: String, cause: String },
    #[error("{address}: no connection within {limit:?}")]
    Timeout { address: String, limit: Duration },
    #[error("unresolved: {cause}")]
    Unresolved { cause: Arc<str> },
}

/// The alert with which the backend rejected the gateway's certificate on a connection.
///
/// In TLS 1.3 the server verifies the client certificate after the client has completed its handshake (RFC 8446,
/// section 4.4.2.4). So a rejection arrives as an alert instead of the server's first byte. An alert after that byte is
/// the end of a connection like any other: the server may have acted on what it was sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct CertificateRefusal(Arc<Mutex<Option<String>>>);

impl CertificateRefusal {
    /// The rejection as a text for the log.
    pub(crate) fn told(&self) -> Option<String> {
        let alert = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(format!("it refused the gateway's certificate: alert {alert}"))
    }

    fn set(&self, alert: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(alert);
    }
}

/// Opens a connection over which HTTP/2 can begin.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    refusal: &CertificateRefusal,
    until: Instant,
) -> Result<BackendStream, ConnectError> {
    let (address, target) = (|| endpoint.to_string(), &endpoint.target);
    let tcp = match &target.proxy {
        None => open(endpoint).await?,
        Some(proxy) => {
            let opened = proxy.open_at(endpoint.address, &target.host, target.port, until).await;
            opened.map_err(|source| ConnectError::Tunnel { address: address(), source })?
        }
    };
    let Some((connector, name)) = &target.tls else { return Ok(BackendStream::Plain(tcp)) };
    let tls = connector.connect(name.clone(), tcp).await;
    let tls = tls.map_err(|error| ConnectError::Tls { address: address(), cause: cause(&error) })?;
    if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err(ConnectError::Alpn { address: address() });
    }
    Ok(BackendStream::Tls(Box::new(Tls { stream: tls, refusal: refusal.clone(), was_heard: false, failed: None })))
}

async fn open(endpoint: &Endpoint) -> Result<TcpStream, ConnectError> {
    let tcp = TcpStream::connect(endpoint.address).await;
    let tcp = tcp.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp));
    tcp.map_err(|source| ConnectError::Tcp { address: endpoint.to_string(), source: Arc::new(source) })
}

/// Why a handshake failed, without the text that I/O errors wrap around the reason.
pub(crate) fn cause(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    inner.map_or_else(|| error.to_string(), tls::explain)
}

/// A connection to the backend.
pub(crate) enum BackendStream {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

/// A connection over TLS that notes why the backend ended it.
pub(crate) struct Tls {
    stream: TlsStream<TcpStream>,
    refusal: CertificateRefusal,
    /// Whether the backend has sent anything.
    was_heard: bool,
    /// The error of a failed write: the backend has closed the connection, but its last bytes are still to be read.
    failed: Option<io::Error>,
}

impl Tls {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match &read {
            Poll::Ready(Ok(())) => self.was_heard = true,
            Poll::Ready(Err(error)) if !self.was_heard => {
                alert(error).into_iter().for_each(|alert| self.refusal.set(alert))
            }
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        read
    }

    /// Writes. If the backend has closed the connection, reads the alert that it sent before the end. A server that
    /// rejects the gateway's certificate closes at once, so a failed write is often noticed first.
    fn poll_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TlsStream<TcpStream>>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.failed.is_none() {
            match write(Pin::new(&mut self.stream), cx) {
                Poll::Ready(Err(error)) if is_closed(&error) => self.failed = Some(error),
                written => return written,
            }
        }
        // HTTP/2 ends when a write fails, so other data that is read here belongs to nobody.
        let mut bytes = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(self.poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(Err(self.failed.take().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into()))),
            }
        }
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

impl AsyncRead for BackendStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Tls(tls) => tls.poll_read(cx, buffer),
        }
    }
}

fn alert(error: &io::Error) -> Option<String> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => Some(format!("{alert:?}")),
        _ => None,
    }
}

impl AsyncWrite for BackendStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tls) => tls.poll_write(cx, |stream, cx| stream.poll_write(cx, bytes)),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Self::Tls(tls) => tls.poll_write(cx, |stream, cx| stream.poll_write_vectored(cx, slices)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => tls.poll_write(cx, |stream, cx| stream.poll_flush(cx)),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_shutdown(cx),
        }
    }
}
