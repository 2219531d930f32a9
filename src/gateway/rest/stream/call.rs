//! Both ways of one call: what the caller still sends, and what the backend answers.

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

/// A call of several messages. Dropping it gives the call up, and the backend learns of it.
pub struct StreamingCall {
    incoming: Incoming,
    stopping: Stopping,
    /// Its part of the record of its exchange.
    notes: Arc<StreamNotes>,
    /// Sends what the caller sends, while there may be more.
    sending: Option<JoinHandle<Result<(), Refused>>>,
    /// What was read of the request when it turned out to be wrong: its way to the backend stays open until the call is
    /// given up as a whole.
    refused: Option<Refused>,
}

/// Ready when the gateway ends its calls.
pub type Stopping = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The JSON of a message, unless there is no memory for it, and the memory that both have.
pub type Converted = (Result<Result<Vec<u8>, DecodeError>, CallError>, Charge);

/// A message becomes at most about so many times as long in JSON,
const JSON_TIMES: usize = 16;
/// which is there twice: while its room grows, and when it is put into its frame.
const COPIES: usize = 2;

/// A long message on its way to JSON. Dropping it leaves that to end by itself.
pub type Converting = Pin<Box<dyn Future<Output = Converted> + Send>>;

/// Why a call of several messages did not end well.
pub enum Failure {
    /// The backend's side.
    Call(CallError),
    /// A message of the caller's.
    Request(Box<Refusal>),
}

/// The message of a call that has exactly one: it is the only one when the end has come.
#[derive(Debug, Default)]
pub struct OnlyMessage(Option<Bytes>);

impl OnlyMessage {
    /// Takes what has come, a message or the end, and gives the message with the end.
    ///
    /// # Errors
    /// There is none, or more than one.
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
    /// What the caller is told.
    #[must_use]
    pub fn into_refusal(self, context: CallContext<'_>) -> Refusal {
        match self {
            Self::Call(error) => Refusal::call(error, context),
            Self::Request(refusal) => refusal.of_open_call(),
        }
    }

    /// The backend's part in it, for the log.
    #[must_use]
    pub fn call_error(&self) -> Option<&CallError> {
        match self {
            Self::Call(error) => Some(error),
            Self::Request(_) => None,
        }
    }
}

impl StreamingCall {
    /// A call whose one request message is sent.
    #[must_use]
    pub(crate) fn sent(incoming: Incoming, stopping: Stopping, notes: Arc<StreamNotes>) -> Self {
        Self { incoming, stopping, notes, sending: None, refused: None }
    }

    /// A call whose request is still read and sent.
    pub(crate) fn sending(
        incoming: Incoming,
        stopping: Stopping,
        notes: Arc<StreamNotes>,
        sending: impl Sending,
    ) -> Self {
        Self { incoming, stopping, notes, sending: Some(tokio::spawn(sending)), refused: None }
    }

    /// What is noted of it.
    pub(crate) fn notes(&self) -> &StreamNotes {
        &self.notes
    }

    /// The next message of the backend; `None` when the call has ended well.
    pub fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Failure>> {
        if let Poll::Ready(Err(failure)) = self.poll_sent(cx) {
            return Poll::Ready(Err(failure));
        }
        if let Poll::Ready(stopped) = self.poll_stopped(cx) {
            return Poll::Ready(Err(stopped));
        }
        self.incoming.poll_message(cx).map_err(Failure::Call)
    }

    /// The same as a future.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn message(&mut self) -> Result<Option<Bytes>, Failure> {
        poll_fn(|cx| self.poll_message(cx)).await
    }

    /// The message of a call that has exactly one, of which `first` has come, and the end.
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

    /// Waits until the request has been read to its end, or the backend reads no further.
    ///
    /// # Errors
    /// A message of the caller's is wrong, or the gateway stops.
    pub async fn request_ended(&mut self) -> Result<(), Failure> {
        poll_fn(|cx| match self.poll_sent(cx) {
            Poll::Pending => self.poll_stopped(cx).map(Err),
            sent @ Poll::Ready(_) => sent,
        })
        .await
    }

    /// What its deadline ends it with.
    #[must_use]
    pub fn late(&self) -> Failure {
        Failure::Call(self.incoming.late())
    }

    /// The JSON of its last message, made beside the worker. Until [then](Self::converted) no other is asked for.
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

    /// What a conversion has given.
    ///
    /// # Errors
    /// There was no memory for it. The bytes may also be no message of its type.
    pub fn converted(&self, (json, lent): Converted) -> Result<Result<Vec<u8>, DecodeError>, Failure> {
        self.incoming.take_back(lent);
        json.map_err(Failure::Call)
    }

    /// Initial metadata, once there is a message.
    #[must_use]
    pub fn metadata(&self) -> &HeaderMap {
        self.incoming.metadata()
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        self.stopping.as_mut().poll(cx).map(|()| {
            // There is nothing behind it.
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
            // A panic of the task is in the log; the call is over when the exchange is dropped.
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
