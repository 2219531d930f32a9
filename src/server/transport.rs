//! The transport below HTTP: TCP or TLS.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The byte stream of a connection.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Makes the caller see a broken connection instead of a clean end.
    fn reset_on_close(&self);
}

impl Transport for TcpStream {
    fn reset_on_close(&self) {
        // If this cannot be set, the connection ends cleanly after all.
        let _ = self.set_zero_linger();
    }
}

/// TLS itself shows a broken connection, by an end without close_notify. TCP is reset as well, for callers that do not
/// check.
impl Transport for Box<TlsStream<TcpStream>> {
    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }
}
