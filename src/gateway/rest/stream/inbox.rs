//! Request messages that do not come from a request body, such as those of WebSocket frames.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::request::{End, Messages, Refused, large};
use crate::codec::{HttpBody, Texts};
use crate::gateway::checked::check_streamed;
use crate::gateway::error::{Reason, Refusal};
use crate::limits::memory::SMALL;
use crate::route::{Query, Route};
use crate::upstream::Outgoing;

/// An item that arrives from the caller.
#[derive(Debug)]
pub enum Item {
    /// A message in JSON, or bytes for a `google.api.HttpBody`.
    Message(Bytes),
    /// No more messages follow.
    End,
    /// Something that is not a valid message. The call is cancelled.
    Wrong(Box<Refusal>),
}

/// The receiver of items. It has room for one item, besides the one that is being sent to the backend.
pub struct Inbox(mpsc::Receiver<Item>);

/// Creates an inbox and its sender.
#[must_use]
pub fn inbox() -> (mpsc::Sender<Item>, Inbox) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, Inbox(receiver))
}

/// What is known of the messages of a call before they arrive.
#[derive(Debug)]
pub struct Prepared {
    pub route: Arc<Route>,
    /// The values of the path variables.
    pub captures: Vec<String>,
    /// The parsed query.
    pub query: Query,
    /// Path variables and query, prepared for several messages.
    pub texts: Texts,
    /// The content type of raw bytes.
    pub content_type: String,
}

impl Inbox {
    /// Sends each message as soon as it arrives. If the call takes one message, the first must be the only one.
    ///
    /// # Errors
    /// A message is invalid. Earlier messages have been sent.
    pub async fn send(self, prepared: Prepared, outgoing: Outgoing) -> Result<(), Refused> {
        match prepared.route.rpc.streaming.client {
            true => self.send_all(prepared, outgoing).await,
            false => self.send_only(&prepared, outgoing).await,
        }
    }

    async fn send_all(mut self, prepared: Prepared, outgoing: Outgoing) -> Result<(), Refused> {
        let Prepared { route, texts, content_type, .. } = prepared;
        let is_raw = route.is_raw_request;
        let mut messages = Messages { route, texts: Arc::new(texts), outgoing, sent: 0 };
        let sent = loop {
            let sent = match self.next().await {
                Ok(Some(data)) if is_raw => messages.send_bytes(&data, &content_type).await,
                Ok(Some(text)) => messages.send(Some(&text)).await,
                Ok(None) if is_raw => break messages.end_pieces(&content_type).await,
                Ok(None) => break Ok(()),
                Err(refusal) => Err(End::Refused(refusal)),
            };
            if sent.is_err() {
                break sent;
            }
        };
        messages.ended(sent)
    }

    async fn send_only(mut self, prepared: &Prepared, mut outgoing: Outgoing) -> Result<(), Refused> {
        let Prepared { route, captures, query, content_type, .. } = prepared;
        let captures: Vec<&str> = captures.iter().map(String::as_str).collect();
        let message = match self.next().await {
            Ok(data) if route.is_raw_request => {
                let data = data.as_deref().unwrap_or_default();
                route.encode_raw(&captures, query, &HttpBody { content_type, data })
            }
            Ok(Some(text)) if text.len() > SMALL => {
                let (captures, query) = (prepared.captures.clone(), query.clone());
                let encode = move |route: &Route, text: &[u8]| {
                    let captures: Vec<&str> = captures.iter().map(String::as_str).collect();
                    route.encode(&captures, &query, Some(text))
                };
                match large(&mut outgoing, route, &text, encode).await {
                    Ok(message) => Ok(message),
                    Err(refusal) => return Err(Refused::new(Box::new(refusal), outgoing)),
                }
            }
            Ok(text) => route.encode(&captures, query, text.as_deref()),
            Err(refusal) => return Err(Refused::new(refusal, outgoing)),
        };
        let message = match message {
            Ok(message) => message,
            Err(error) => return Err(Refused::new(Box::new(Refusal::encode(&error)), outgoing)),
        };
        let message = match check_streamed(route, message, &mut outgoing).await {
            Ok(message) => message,
            Err(refusal) => return Err(Refused::new(Box::new(refusal), outgoing)),
        };
        // A backend that has stopped reading reports why in its reply.
        if outgoing.send(&message).await.is_ok() {
            outgoing.finish();
        }
        Ok(())
    }

    /// The next message; `None` when there are no more.
    async fn next(&mut self) -> Result<Option<Bytes>, Box<Refusal>> {
        match self.0.recv().await {
            Some(Item::Message(message)) => Ok(Some(message)),
            Some(Item::End) => Ok(None),
            Some(Item::Wrong(refusal)) => Err(refusal),
            // A caller that disconnects without an end has not said that this was everything.
            None => Err(Box::new(Refusal::new(
                Reason::BodyIncomplete,
                "the messages are incomplete: the connection ended before they did",
            ))),
        }
    }
}
