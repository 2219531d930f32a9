//! A call of several messages, in one direction or both.
//!
//! Such calls have separate connections. What a slow reader has not read fills the flow-control window of its stream.
//! It must not use up the window of the connection, which other calls on it need too.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream, StreamId};
use http::{HeaderMap, Response};
use tokio::time::{Instant, Sleep, sleep_until};

use super::error::CallError;
use super::lease::Lease;
use super::limit::Permit;
use super::message::{self, PREFIX, declared_length, frame};
use super::reply::{Foreign, check_head, ended_with};
use crate::limits::memory::{Charge, SMALL, Use};

/// The direction to the backend.
pub struct Outgoing {
    stream: SendStream<Bytes>,
    memory: Charge,
}

/// The direction from the backend. If it is dropped before its end, the stream is reset, so that the backend learns
/// that nobody reads.
pub struct Incoming {
    state: State,
    /// Data of one DATA frame that has arrived and was not given out yet.
    data: Bytes,
    /// The beginning of a message that spans several DATA frames.
    begun: BytesMut,
    /// The initial metadata; at the end also the trailers.
    metadata: HeaderMap,
    /// The trailers alone, once the call has ended.
    trailers: HeaderMap,
    /// The largest message, in bytes.
    limit: usize,
    deadline: Pin<Box<Sleep>>,
    /// The number of messages that have arrived.
    messages: u64,
    lease: Lease,
    _permit: Permit,
    memory: Charge,
    /// Changes each message before it is given out.
    change: Option<Change>,
}

/// Changes a message of the backend.
pub(crate) type Change = Box<dyn Fn(Bytes) -> Result<Bytes, CallError> + Send>;

/// The memory of a streaming call, in bytes: for unread data, and for the messages in progress.
pub(crate) const STREAM: usize = 320 << 10;
/// A message together with what it is converted to takes this many times its length.
const MADE: usize = 4;

enum State {
    Head(ResponseFuture),
    Body(RecvStream),
    Trailers(RecvStream),
    /// The answer does not begin like a gRPC response.
    Foreign(Foreign, RecvStream),
    Ended,
}

/// The backend reads no more. Its reason comes in the other direction.
#[derive(Debug)]
pub struct Stopped;

/// What a stream reserves of its backend's limit and of the memory when it begins.
pub(crate) struct Reserved {
    pub(crate) permit: Permit,
    /// Memory for data from the backend.
    pub(crate) incoming: Charge,
    /// Memory for data to the backend.
    pub(crate) outgoing: Charge,
}

/// A stream that has begun on a connection.
pub(crate) struct BegunStream {
    pub(crate) response: ResponseFuture,
    pub(crate) stream: SendStream<Bytes>,
    pub(crate) lease: Lease,
}

/// The two directions of a stream that has begun. Messages have at most `limit` bytes.
pub(crate) fn both_ways(
    begun: BegunStream,
    reserved: Reserved,
    limit: usize,
    deadline: Instant,
) -> (Outgoing, Incoming) {
    let Reserved { permit, incoming: memory, outgoing } = reserved;
    let BegunStream { response, stream, lease } = begun;
    let incoming = Incoming {
        state: State::Head(response),
        data: Bytes::new(),
        begun: BytesMut::new(),
        metadata: HeaderMap::new(),
        trailers: HeaderMap::new(),
        limit,
        deadline: Box::pin(sleep_until(deadline)),
        messages: 0,
        lease,
        _permit: permit,
        memory,
        change: None,
    };
    (Outgoing { stream, memory: outgoing }, incoming)
}

impl Outgoing {
    /// Whether there is memory for a message of which `bytes` bytes have arrived, and for what it is converted to.
    #[must_use]
    pub fn holds(&self, bytes: usize) -> bool {
        self.holds_made(bytes, 0)
    }

    /// Whether there is memory for a message of which `bytes` bytes have arrived, if its conversion may take `made`
    /// bytes.
    #[must_use]
    pub fn holds_made(&self, bytes: usize, made: usize) -> bool {
        let wanted = (MADE * bytes).max(bytes + made).saturating_sub(MADE * SMALL);
        let more = wanted.saturating_sub(self.memory.bytes());
        self.memory.shrink_to(wanted);
        more == 0 || self.memory.grow(more, Use::Request)
    }

    /// Lends its memory to a conversion that may outlive the stream.
    #[must_use]
    pub fn lend(&self) -> Charge {
        self.memory.part(0)
    }

    /// Takes back the memory that was [lent](Self::lend).
    pub fn take_back(&self, lent: Charge) {
        self.memory.join(lent);
    }

    /// Sends one message as soon as flow control allows it.
    ///
    /// # Errors
    /// The backend reads no more.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), Stopped> {
        let mut frame = frame(message);
        while !frame.is_empty() {
            self.stream.reserve_capacity(frame.len());
            if self.stream.capacity() == 0 {
                let granted = poll_fn(|cx| self.stream.poll_capacity(cx)).await;
                granted.and_then(Result::ok).ok_or(Stopped)?;
            }
            let part = frame.split_to(self.stream.capacity().min(frame.len()));
            if !part.is_empty() {
                self.stream.send_data(part, false).map_err(|_| Stopped)?;
            }
        }
        Ok(())
    }

    /// Tells the backend that there are no more messages.
    pub fn finish(mut self) {
        // A backend that reads no more needs no end of stream.
        let _ = self.stream.send_data(Bytes::new(), true);
    }

    /// Resets the stream, so that the backend learns that the call is abandoned.
    pub fn cancel(mut self) {
        self.stream.send_reset(Reason::CANCEL);
    }
}

impl Incoming {
    /// The next message; `None` when the call has ended with status OK.
    ///
    /// # Errors
    /// How the call failed. Nothing follows an error.
    pub fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, CallError>> {
        let mut polled = self.poll_next(cx);
        if let Some(change) = &self.change {
            polled = polled.map(|message| message?.map(change).transpose());
        }
        if let Poll::Ready(Err(_)) = &polled {
            self.state = State::Ended;
        }
        polled
    }

    /// Changes each message from now on before it is given out. One that cannot be changed ends the call.
    pub(crate) fn change_messages(&mut self, change: Change) {
        self.change = Some(change);
    }

    /// Ready when the head of the answer has come, whether or not a message follows.
    ///
    /// # Errors
    /// There is no such head. There is nothing behind an error.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        let State::Head(response) = &mut self.state else { return Poll::Ready(Ok(())) };
        if self.deadline.as_mut().poll(cx).is_ready() {
            self.state = State::Ended;
            return Poll::Ready(Err(self.late()));
        }
        let (polled, stream) = (ready!(Pin::new(&mut *response).poll(cx)), response.stream_id());
        let taken = polled.map_err(|error| self.failed(&error, stream)).and_then(|head| self.take_head(head));
        if taken.is_err() {
            self.state = State::Ended;
        }
        Poll::Ready(taken)
    }

    /// The trailers alone, once the call has ended.
    #[must_use]
    pub fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }

    fn take_head(&mut self, head: Response<RecvStream>) -> Result<(), CallError> {
        let (head, body) = head.into_parts();
        let foreign = check_head(head.status, &head.headers)?;
        self.metadata = head.headers;
        self.state = match foreign {
            None => State::Body(body),
            Some(foreign) => State::Foreign(foreign, body),
        };
        Ok(())
    }

    /// The initial metadata, once there is a message; also the trailers, once the call has ended.
    #[must_use]
    pub fn metadata(&self) -> &HeaderMap {
        &self.metadata
    }

    /// The error for a deadline that passes now.
    #[must_use]
    pub fn late(&self) -> CallError {
        match self.messages {
            0 => CallError::Deadline,
            messages => CallError::DeadlineAfter { messages },
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, CallError>> {
        loop {
            if let Some(message) = self.message()? {
                self.messages += 1;
                return Poll::Ready(Ok(Some(message)));
            }
            if self.deadline.as_mut().poll(cx).is_ready() && !matches!(self.state, State::Ended) {
                return Poll::Ready(Err(self.late()));
            }
            match &mut self.state {
                State::Head(response) => {
                    let (polled, stream) = (ready!(Pin::new(&mut *response).poll(cx)), response.stream_id());
                    let head = polled.map_err(|error| self.failed(&error, stream))?;
                    self.take_head(head)?;
                }
                State::Body(body) => match ready!(body.poll_data(cx)) {
                    Some(data) => {
                        let data =
                            data.and_then(|data| body.flow_control().release_capacity(data.len()).map(|()| data));
                        self.data = data.map_err(|error| self.lease.broken(&error))?;
                    }
                    None => self.take_trailers(),
                },
                State::Trailers(body) => {
                    let trailers = ready!(body.poll_trailers(cx));
                    let trailers = trailers.map_err(|error| self.lease.broken(&error))?;
                    return Poll::Ready(self.end(trailers.unwrap_or_default()).map(|()| None));
                }
                State::Foreign(foreign, body) => {
                    let ended = ready!(foreign.poll_end(body, &mut self.metadata, cx));
                    self.state = State::Ended;
                    return Poll::Ready(ended.map(|()| None));
                }
                State::Ended => return Poll::Ready(Ok(None)),
            }
        }
    }

    /// Lends the memory of the last message to its conversion, which may outlive the call. Nothing is read until it is
    /// taken back.
    #[must_use]
    pub fn lend(&self) -> Charge {
        self.memory.part(STREAM)
    }

    /// Takes back the memory that was [lent](Self::lend).
    pub fn take_back(&self, lent: Charge) {
        self.memory.join(lent);
    }

    /// The next message, if it has arrived completely.
    fn message(&mut self) -> Result<Option<Bytes>, CallError> {
        if self.begun.is_empty() {
            self.memory.shrink_to(STREAM);
            let Some(length) = self.length_of(&self.data)? else { return Ok(self.begin()) };
            self.take_memory(length)?;
            if self.data.len() < PREFIX + length {
                return Ok(self.begin());
            }
            return self.whole(PREFIX + length).map(Some);
        }
        while !self.data.is_empty() {
            let missing = match self.length_of(&self.begun)? {
                None => PREFIX - self.begun.len(),
                Some(length) => {
                    self.take_memory(length)?;
                    PREFIX + length - self.begun.len()
                }
            };
            if missing == 0 {
                break;
            }
            self.begun.extend_from_slice(&self.data.split_to(missing.min(self.data.len())));
        }
        match self.length_of(&self.begun)? {
            Some(length) if self.begun.len() == PREFIX + length => {
                let frame = std::mem::take(&mut self.begun).freeze();
                self.unpacked(frame).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Takes a complete frame of `length` bytes from the data.
    fn whole(&mut self, length: usize) -> Result<Bytes, CallError> {
        let frame = self.data.split_to(length);
        self.unpacked(frame)
    }

    /// The message of a frame. The length of a compressed message, and so the memory for its JSON, is known only now.
    fn unpacked(&self, frame: Bytes) -> Result<Bytes, CallError> {
        let message = message::unpacked(frame, &self.metadata, self.limit)?;
        self.take_memory(message.len())?;
        Ok(message)
    }

    /// Keeps the beginning of a message until the rest arrives.
    fn begin(&mut self) -> Option<Bytes> {
        self.begun.extend_from_slice(&std::mem::take(&mut self.data));
        None
    }

    /// The length of the message that begins these bytes, if there are enough of them to tell.
    fn length_of(&self, bytes: &[u8]) -> Result<Option<usize>, CallError> {
        match declared_length(bytes) {
            Some(length) if length > self.limit => Err(CallError::TooLarge { length, limit: self.limit }),
            length => Ok(length),
        }
    }

    /// Reserves memory for a message that is longer than the window of its stream, and for its conversion, until the
    /// next message.
    fn take_memory(&self, length: usize) -> Result<(), CallError> {
        let wanted = MADE * length;
        let has = self.memory.bytes() - STREAM;
        if wanted <= STREAM || wanted <= has || self.memory.grow(wanted - has, Use::Reply) {
            return Ok(());
        }
        Err(CallError::NoMemory { length })
    }

    fn take_trailers(&mut self) {
        if let State::Body(body) = std::mem::replace(&mut self.state, State::Ended) {
            self.state = State::Trailers(body);
        }
    }

    fn end(&mut self, trailers: HeaderMap) -> Result<(), CallError> {
        self.state = State::Ended;
        let ended = ended_with(&mut self.metadata, &trailers);
        self.trailers = trailers;
        ended?;
        if self.begun.is_empty() { Ok(()) } else { Err(CallError::protocol("its message is cut short")) }
    }

    /// The error if the connection or the stream broke before an answer.
    fn failed(&self, error: &h2::Error, stream: StreamId) -> CallError {
        self.lease.failed(error, stream).into()
    }
}
