//! Both directions of a streaming call: what the caller still sends, and what the backend replies.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use tokio::task::JoinHandle;

use super::request::{Refused, Sending};
use crate::codec::DecodeError;
use crate::gateway::error::{CallContext, Refusal};
use crate::gateway::record::StreamNotes;
use crate::limits::memory::{Charge, Use};
use crate::limits::offload;
use crate::route::{Route, System};
use crate::upstream::{CallError, Incoming};

/// A streaming call. Dropping it cancels the call at the backend.
pub struct StreamingCall {
    incoming: Incoming,
    stopping: Stopping,
    /// The part of the exchange's record that belongs to this call.
    notes: Arc<StreamNotes>,
    /// The task that sends the caller's messages, while there may be more.
    sending: Option<JoinHandle<Result<(), Refused>>>,
    /// The request after it turned out to be wrong. Its stream to the backend stays open until the whole call is
    /// cancelled.
    refused: Option<Refused>,
}

/// Resolves when the gateway ends its calls.
pub type Stopping = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The JSON of a message, unless there was no memory for it, and the memory charge that is lent to the conversion.
pub type Converted = (Result<Result<Vec<u8>, DecodeError>, CallError>, Charge);

/// The JSON of a message is at most about this many times as long as the message.
const JSON_TIMES: usize = 16;
/// The JSON exists twice: while its buffer grows, and when it is copied into its frame.
const COPIES: usize = 2;

/// A long message that is being converted to JSON. If this is dropped, the conversion still runs to its end.
pub type Converting = Pin<Box<dyn Future<Output = Converted> + Send>>;

/// Why a streaming call failed.
pub enum Failure {
    /// The backend or the connection to it failed.
    Call(CallError),
    /// The caller sent an invalid message.
    Request(Box<Refusal>),
}

/// Holds the message of a call that must have exactly one, until the end of the stream shows that it is the only one.
#[derive(Debug, Default)]
pub struct OnlyMessage(Option<Bytes>);

impl OnlyMessage {
    /// Takes what arrived: a message, or `None` for the end. Returns the message at the end.
    ///
    /// # Errors
    /// There is no message, or more than one.
    pub fn take(&mut self, came: Option<Bytes>) -> Result<Option<Bytes>, Failure> {
        match (came, self.0.take()) {
            (Some(message), None) => {
                self.0 = Some(message);
                Ok(None)
            }
            (None, Some(message)) => Ok(Some(message)),
            (Some(_), Some(_)) => Err(Failure::Call(CallError::several_messages())),
            (None, None) => Err(Failure::Call(CallError::no_message())),
        }
    }
}

impl Failure {
    /// The refusal that the caller gets.
    #[must_use]
    pub fn into_refusal(self, context: CallContext<'_>) -> Refusal {
        match self {
            Self::Call(error) => Refusal::call(error, context),
            Self::Request(refusal) => refusal.of_open_call(),
        }
    }

    /// The error of the call, for the log.
    #[must_use]
    pub fn call_error(&self) -> Option<&CallError> {
        match self {
            Self::Call(error) => Some(error),
            Self::Request(_) => None,
        }
    }
}

impl StreamingCall {
    /// A call whose only request message has been sent.
    #[must_use]
    pub(crate) fn sent(incoming: Incoming, stopping: Stopping, notes: Arc<StreamNotes>) -> Self {
        Self { incoming, stopping, notes, sending: None, refused: None }
    }

    /// A call whose request messages are still being read and sent.
    pub(crate) fn sending(
        incoming: Incoming,
        stopping: Stopping,
        notes: Arc<StreamNotes>,
        sending: impl Sending,
    ) -> Self {
        Self { incoming, stopping, notes, sending: Some(tokio::spawn(sending)), refused: None }
    }

    /// The call's part of the record.
    pub(crate) fn notes(&self) -> &StreamNotes {
        &self.notes
    }

    /// The next message of the backend; `None` when the call has ended successfully.
    pub fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Failure>> {
        if let Poll::Ready(Err(failure)) = self.poll_sent(cx) {
            return Poll::Ready(Err(failure));
        }
        if let Poll::Ready(stopped) = self.poll_stopped(cx) {
            return Poll::Ready(Err(stopped));
        }
        self.incoming.poll_message(cx).map_err(Failure::Call)
    }

    /// The next message of the backend; `None` when the call has ended successfully.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn message(&mut self) -> Result<Option<Bytes>, Failure> {
        poll_fn(|cx| self.poll_message(cx)).await
    }

    /// The message of a call that must have exactly one. Waits for the end; `first` is what has arrived already.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn only(&mut self, first: Option<Bytes>) -> Result<Bytes, Failure> {
        let mut only = OnlyMessage::default();
        let mut next = first;
        loop {
            if let Some(message) = only.take(next)? {
                return Ok(message);
            }
            next = self.message().await?;
        }
    }

    /// Waits until the request has been read to its end, or the backend stops reading.
    ///
    /// # Errors
    /// A message of the caller is invalid, or the gateway stops.
    pub async fn request_ended(&mut self) -> Result<(), Failure> {
        poll_fn(|cx| match self.poll_sent(cx) {
            Poll::Pending => self.poll_stopped(cx).map(Err),
            sent @ Poll::Ready(_) => sent,
        })
        .await
    }

    /// The failure when the call exceeds its deadline.
    #[must_use]
    pub fn late(&self) -> Failure {
        Failure::Call(self.incoming.late())
    }

    /// Converts the last message to JSON outside the worker thread. Take the result with [`Self::converted`] before the
    /// next message.
    #[must_use]
    pub fn convert(&self, message: Bytes, route: Arc<Route>, system: System) -> Converting {
        let lent = self.incoming.lend();
        Box::pin(async move {
            let place = offload::place().await;
            let (before, length) = (lent.bytes(), message.len());
            let most = length.saturating_mul(JSON_TIMES).min(route.rpc.print.limit.max(length));
            if !lent.grow(COPIES * most, Use::Answer) {
                return (Err(CallError::NoMemory { length }), lent);
            }
            let work = move || {
                let json = route.decode_line(&message, system);
                let made = json.as_ref().map_or(0, Vec::len);
                lent.shrink_to(before + COPIES * made);
                (Ok(json), lent)
            };
            place.run(work).await
        })
    }

    /// The result of a conversion.
    ///
    /// # Errors
    /// There was no memory for it. The inner error says that the bytes are not a valid message of their type.
    pub fn converted(&self, (json, lent): Converted) -> Result<Result<Vec<u8>, DecodeError>, Failure> {
        self.incoming.take_back(lent);
        json.map_err(Failure::Call)
    }

    /// Waits for the head of the backend's answer.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn head(&mut self) -> Result<(), Failure> {
        poll_fn(|cx| {
            if let Poll::Ready(Err(failure)) = self.poll_sent(cx) {
                return Poll::Ready(Err(failure));
            }
            if let Poll::Ready(stopped) = self.poll_stopped(cx) {
                return Poll::Ready(Err(stopped));
            }
            self.incoming.poll_head(cx).map_err(Failure::Call)
        })
        .await
    }

    /// The trailers alone, once the call has ended.
    #[must_use]
    pub fn trailers(&self) -> &HeaderMap {
        self.incoming.trailers()
    }

    /// The initial metadata of the backend, available once [`head`](Self::head) is ready.
    #[must_use]
    pub fn metadata(&self) -> &HeaderMap {
        self.incoming.metadata()
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        self.stopping.as_mut().poll(cx).map(|()| {
            // A finished future must not be polled again.
            self.stopping = Box::pin(std::future::pending());
            Failure::Call(CallError::Stopped)
        })
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let Some(sending) = &mut self.sending else { return Poll::Ready(Ok(())) };
        let Poll::Ready(sent) = Pin::new(sending).poll(cx) else { return Poll::Pending };
        self.sending = None;
        match sent {
            Ok(Err(mut refused)) => {
                let refusal = refused.take_refusal();
                self.refused = Some(refused);
                Poll::Ready(Err(Failure::Request(refusal)))
            }
            // The panic of the task is in the log. The call ends when the exchange is dropped.
            Err(_) => Poll::Ready(Err(Failure::Request(Box::new(Refusal::internal())))),
            Ok(Ok(())) => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for StreamingCall {
    fn drop(&mut self) {
        if let Some(sending) = &self.sending {
            sending.abort();
        }
    }
}
