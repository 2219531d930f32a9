//! A connection wrapper that records the peer's first bytes, and the TLS alert with which the peer rejects us.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes that are recorded: more than the first frame of any peer.
const KEPT: usize = 2 << 10;

/// What the peer sent; shared with the [`Tap`].
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    first: Vec<u8>,
    alert: Option<rustls::Error>,
}

/// A connection that records into [`Heard`].
pub(super) struct Tap<S> {
    stream: S,
    heard: Heard,
    failed: Option<io::Error>,
}

impl Heard {
    /// The first bytes that the peer sent.
    pub(super) fn first(&self) -> Vec<u8> {
        self.noted(|noted| noted.first.clone())
    }

    /// Why the peer ended the connection, if it sent a TLS alert.
    pub(super) fn alert(&self) -> Option<rustls::Error> {
        self.noted(|noted| noted.alert.clone())
    }

    fn noted<T>(&self, with: impl FnOnce(&mut Noted) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S> Tap<S> {
    pub(super) fn new(stream: S) -> (Self, Heard) {
        let heard = Heard::default();
        (Self { stream, heard: heard.clone(), failed: None }, heard)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Tap<S> {
    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        self.heard.noted(|noted| match &read {
            Ok(()) => {
                let room = KEPT.saturating_sub(noted.first.len());
                noted.first.extend(buffer.filled().iter().skip(before).take(room));
            }
            Err(error) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
                noted.alert = inner.cloned().or(noted.alert.take());
            }
        });
        Poll::Ready(read)
    }

    /// Writes. When that fails, reads what the peer sent before it closed: a peer that rejects our certificate closes
    /// at once.
    fn write<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.failed.is_none() {
            match write(Pin::new(&mut self.stream), cx) {
                Poll::Ready(Err(error)) => self.failed = Some(error),
                written => return written,
            }
        }
        let mut bytes = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(self.read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(Err(self.failed.take().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into()))),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Tap<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().write(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().write(cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
