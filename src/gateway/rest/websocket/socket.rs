//! The server side of a WebSocket: sends and receives frames, and records when the peer was last known to be alive.

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

/// Frames that are available together are sent together, up to about this many bytes.
const TOGETHER: usize = 32 << 10;
/// The read buffer of a connection, in bytes.
const READ: usize = 8 << 10;
/// RFC 6455, section 5.5: the largest control frame, in bytes. Control frames may be this long whatever the limit of
/// messages is.
const LONGEST_CONTROL: usize = 125;
/// How many pings are answered while the peer does not read. After that nothing more is read until it does.
const MOST_PINGS: usize = 8;

/// The server side of a WebSocket.
pub(super) struct Socket {
    frames: WebSocketStream<Watched>,
    /// Bytes that were queued since everything was last sent.
    waiting: usize,
    /// Whether something is queued or waits to be flushed.
    unsent: bool,
    /// Whether the peer must read before more can be queued.
    blocked: bool,
    /// Pings that arrived since everything was last sent.
    pings: usize,
}

/// An event on a socket.
#[derive(Debug)]
pub(super) enum Event {
    /// A message, or a control frame, which is answered already.
    Message(Message),
    /// Invalid data, or a frame that is too large. Nothing more can be read.
    Broken(Error),
    /// The peer has disconnected, or both sides have closed.
    Gone,
    /// Everything queued has been sent.
    Sent,
}

impl Socket {
    /// Opens the socket on this connection. A message, or a part of one, of more than `limit` bytes is refused by its
    /// declared length, before memory is allocated for it.
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

    /// Queues a frame. If sending fails, the next poll reports it.
    pub(super) fn put(&mut self, message: Message) {
        self.waiting += message.len();
        self.unsent = true;
        let _ = Pin::new(&mut self.frames).start_send(message);
    }

    /// Whether more frames should be queued before the queued ones have been sent.
    pub(super) fn has_room(&self) -> bool {
        !self.blocked && self.waiting < TOGETHER
    }

    /// When the peer last showed that it is alive.
    pub(super) fn sign(&self) -> Instant {
        self.frames.get_ref().sign
    }

    /// Sends what is queued, and reads if `reads` is set.
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
                // The library has queued a reply to these.
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

    /// Ends the connection. If the peer may still be sending, its data is read and dropped for a while: closing at once
    /// would discard what the peer has not read yet (RFC 9112, section 9.6).
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

/// A connection that records when its peer was last alive: it sent something, or made room for something that was
/// waiting.
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
