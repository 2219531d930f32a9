//! Frames out, frames in, and when the other end was last known to be there.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Sink as _, Stream as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, error::ProtocolError};

use crate::server::{Duplex, Switched};

/// Frames that are there together go out together, up to about so many bytes.
const TOGETHER: usize = 32 << 10;
/// How much is read at a time, in bytes: each connection has so much memory for it.
const READ: usize = 8 << 10;
/// RFC 6455, section 5.5: a ping or a close may have so many bytes, whatever messages may have.
const LONGEST_CONTROL: usize = 125;
/// So many pings are answered to one that does not take the answers. Then nothing more is read of it until it does.
const MOST_PINGS: usize = 8;

/// The server's end of a WebSocket.
pub(super) struct Socket {
    frames: WebSocketStream<Watched>,
    /// Bytes that were put since all was out.
    waiting: usize,
    /// Whether there is something to be sent.
    unsent: bool,
    /// Whether the other end has to take something before more can be put.
    blocked: bool,
    /// Pings that came since all was out.
    pings: usize,
}

/// What happens on a socket.
#[derive(Debug)]
pub(super) enum Event {
    /// A message came, or a control frame, which is answered already.
    Message(Message),
    /// What came is no frame, or one that is too large: nothing can be read any more.
    Broken(Error),
    /// The other end is gone, or both have said that they go.
    Gone,
    /// All is out.
    Sent,
}

impl Socket {
    /// On this connection. No message that comes may have more bytes than `limit`, nor a part of one: it is refused by its
    /// length, before there is memory for it.
    pub(super) async fn new(Switched { stream, begun }: Switched, limit: usize) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit.max(LONGEST_CONTROL)))
            .read_buffer_size(READ)
            .write_buffer_size(TOGETHER);
        let stream = Watched { stream, sign: Instant::now(), was_blocked: false };
        let frames = WebSocketStream::from_partially_read(stream, begun.into(), Role::Server, Some(config)).await;
        Self { frames, waiting: 0, unsent: false, blocked: false, pings: 0 }
    }

    /// Sends a frame when there is room. A socket that cannot says so when it is polled.
    pub(super) fn put(&mut self, message: Message) {
        self.waiting += message.len();
        self.unsent = true;
        let _ = Pin::new(&mut self.frames).start_send(message);
    }

    /// Whether more shall be put before what was put is out.
    pub(super) fn has_room(&self) -> bool {
        !self.blocked && self.waiting < TOGETHER
    }

    /// When there was the last sign of the other end.
    pub(super) fn sign(&self) -> Instant {
        self.frames.get_ref().sign
    }

    /// Sends what was put, and reads if it shall.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, reads: bool) -> Poll<Event> {
        let was_unsent = self.unsent;
        if self.unsent {
            match Pin::new(&mut self.frames).poll_flush(cx) {
                Poll::Ready(Ok(())) => (self.waiting, self.pings, self.unsent, self.blocked) = (0, 0, false, false),
                Poll::Ready(Err(_)) => return Poll::Ready(Event::Gone),
                Poll::Pending => self.blocked = true,
            }
        }
        if reads
            && self.pings < MOST_PINGS
            && let Poll::Ready(read) = Pin::new(&mut self.frames).poll_next(cx)
        {
            return Poll::Ready(self.event(read));
        }
        if was_unsent && !self.unsent { Poll::Ready(Event::Sent) } else { Poll::Pending }
    }

    fn event(&mut self, read: Option<Result<Message, Error>>) -> Event {
        match read {
            Some(Ok(message)) => {
                // The library has an answer to these, which is not out yet.
                self.unsent |= matches!(message, Message::Ping(_) | Message::Close(_));
                self.pings += usize::from(message.is_ping());
                Event::Message(message)
            }
            None
            | Some(Err(
                Error::ConnectionClosed
                | Error::AlreadyClosed
                | Error::Io(_)
                | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
            )) => Event::Gone,
            Some(Err(error)) => Event::Broken(error),
        }
    }

    /// Ends the connection. Of a caller that may still be sending, what comes is read and dropped for a while: closed at once,
    /// the connection would take with it what the caller has not read yet (RFC 9112, section 9.6).
    pub(super) async fn shutdown(mut self, is_sending: bool, patience: Duration) {
        let stream = self.frames.get_mut();
        let _ = timeout(patience, async {
            stream.shutdown().await?;
            let mut dropped = [0; 1 << 10];
            while is_sending && stream.read(&mut dropped).await? > 0 {}
            io::Result::Ok(())
        })
        .await;
    }
}

/// A connection that notes when its other end was there: it sent something, or it made room for something that had to wait.
struct Watched {
    stream: Box<dyn Duplex>,
    sign: Instant,
    was_blocked: bool,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.sign = Instant::now();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if self.was_blocked && written.is_ready() {
            self.sign = Instant::now();
        }
        self.was_blocked = written.is_pending();
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
