//! A body for the answers that hyper gives by itself.
//!
//! To a head that is no HTTP/1.1 (400), has too many or too long fields (431) or too long a target (414), hyper answers
//! before any service is asked, with an empty body, and closes. The service never answers with an empty body, so on its
//! way out such an answer is known by that, and replaced.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Makes the answer for a status.
pub type Malformed = Arc<dyn Fn(StatusCode) -> Response<String> + Send + Sync>;

/// A connection whose empty refusals get a body.
pub(super) struct Answering<S> {
    stream: S,
    malformed: Malformed,
    /// A replaced answer, and how much of it is out.
    pending: Vec<u8>,
    written: usize,
}

impl<S: AsyncWrite + Unpin> Answering<S> {
    pub(super) fn new(stream: S, malformed: Malformed) -> Self {
        Self { stream, malformed, pending: Vec::new(), written: 0 }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.pending.len() {
            let rest = &self.pending[self.written..];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The status of an answer that hyper gave by itself.
fn own_refusal(bytes: &[u8]) -> Option<StatusCode> {
    const LONGEST: usize = 256;
    let rest = bytes.strip_prefix(b"HTTP/1.1 4").or_else(|| bytes.strip_prefix(b"HTTP/1.0 4"))?;
    let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    if bytes.len() > LONGEST || !bytes.ends_with(b"\r\n\r\n") || !has(b"\r\ncontent-length: 0\r\n") {
        return None;
    }
    let digits = [b'4', *rest.first()?, *rest.get(1)?];
    StatusCode::from_bytes(&digits).ok()
}

fn written_out(response: &Response<String>) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {}\r\nconnection: close\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    text.extend(format!("content-length: {}\r\n\r\n{}", response.body().len(), response.body()).into_bytes());
    text
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Answering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_pending(cx))?;
        let Some(status) = own_refusal(bytes) else { return Pin::new(&mut self.stream).poll_write(cx, bytes) };
        self.pending = written_out(&(self.malformed)(status));
        self.written = 0;
        // What does not go out now goes out with the flush.
        let _ = self.poll_pending(cx)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices.first() {
            Some(first) if own_refusal(first).is_some() => self.poll_write(cx, first),
            _ => {
                ready!(self.poll_pending(cx))?;
                Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Answering<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_refusal_is_replaced() {
        for (bytes, status) in [
            ("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n", Some(400)),
            ("HTTP/1.1 431 Too Large\r\ncontent-length: 0\r\n\r\n", Some(431)),
            ("HTTP/1.0 414 URI Too Long\r\ncontent-length: 0\r\n\r\n", Some(414)),
            ("HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}", None),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None),
            ("{\"HTTP/1.1 400\": \"\r\ncontent-length: 0\r\n\r\n\"}", None),
            ("", None),
        ] {
            assert_eq!(own_refusal(bytes.as_bytes()).map(|status| status.as_u16()), status, "{bytes}");
        }
    }
}
