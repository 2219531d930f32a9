//! Reads the first bytes of a plain connection, which tell HTTP/2 from HTTP/1.1 (RFC 9113, section 3.4).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::http2::frames::PREFACE_BYTES;
use super::transport::Transport;
use crate::caller::Protocol;

/// A connection whose first bytes have been read.
pub(super) struct Begun<S> {
    /// These bytes, until they are read again.
    read: Bytes,
    stream: S,
}

/// Reads no more than it takes to tell the two apart: every request of HTTP/1.1 differs from the preface in its first bytes.
///
/// # Errors
/// The operating system's.
pub(super) async fn read(mut stream: TcpStream) -> io::Result<(Begun<TcpStream>, Protocol)> {
    let (mut read, mut have) = ([0; PREFACE_BYTES.len()], 0);
    let protocol = loop {
        let came = stream.read(&mut read[have..]).await?;
        have += came;
        if came == 0 || read[..have] != PREFACE_BYTES[..have] {
            break Protocol::Http1;
        }
        if have == read.len() {
            break Protocol::Http2;
        }
    };
    Ok((Begun { read: Bytes::copy_from_slice(&read[..have]), stream }, protocol))
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read[..length]);
        self.read.advance(length);
        if self.read.is_empty() {
            self.read = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: Transport> Transport for Begun<S> {
    fn reset_on_close(&self) {
        self.stream.reset_on_close();
    }
}
