//! The messages of a request that come by themselves, as the frames of a WebSocket do, and not in a body.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::request::{End, Messages, Refused, large};
use crate::codec::{HttpBody, Texts};
use crate::gateway::error::{Reason, Refusal};
use crate::limits::memory::SMALL;
use crate::route::{Query, Route};
use crate::upstream::Outgoing;

/// What comes in.
#[derive(Debug)]
pub enum Item {
    /// A message in JSON, or bytes of a `google.api.HttpBody`.
    Message(Bytes),
    /// There are no more.
    End,
    /// Something that is no message. The call is given up.
    Wrong(Box<Refusal>),
}

/// Where it comes in. There is room for one item, besides the one that is on its way to the backend.
pub struct Inbox(mpsc::Receiver<Item>);

/// An inbox and the way into it.
#[must_use]
pub fn inbox() -> (mpsc::Sender<Item>, Inbox) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, Inbox(receiver))
}

/// What is known of the messages of a call before they come.
#[derive(Debug)]
pub struct Prepared {
    /// Where they go.
    pub route: Arc<Route>,
    /// What the path says.
    pub captures: Vec<String>,
    /// What the query says.
    pub query: Query,
    /// Both, for a call of several messages.
    pub texts: Texts,
    /// Of bytes.
    pub content_type: String,
}

impl Inbox {
    /// Sends what comes, each message as soon as it has come. Of a call that has one, the first is the only one.
    ///
    /// # Errors
    /// A message is wrong. What was sent before it was sent.
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
        // A backend that reads no further has its say the other way.
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
            // Whoever goes away without a word has not said that this was all.
            None => Err(Box::new(Refusal::new(
                Reason::BodyIncomplete,
                "the messages are incomplete: the connection ended before they did",
            ))),
        }
    }
}
