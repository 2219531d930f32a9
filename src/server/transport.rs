//! What HTTP is spoken over: TCP, or TLS.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What carries a connection.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Has the caller see a broken connection in place of an ended one.
    fn reset_on_close(&self);
}

impl Transport for TcpStream {
    fn reset_on_close(&self) {
        // Where it cannot be set, the connection ends as it would have.
        let _ = self.set_zero_linger();
    }
}

/// TLS tells a broken connection by itself: the end without close_notify. What lies below is reset all the same, for those who do
/// not look.
impl Transport for Box<TlsStream<TcpStream>> {
    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }
}
