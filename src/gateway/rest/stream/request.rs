//! Splits a request body into messages, and sends each to the backend as soon as it has arrived.

use std::sync::Arc;

use bytes::Bytes;
use http_body::Body;

use crate::codec::{HttpBody, Texts};
use crate::format::json::{Series, Splitter};
use crate::gateway::checked::check_streamed;
use crate::gateway::error::Refusal;
use crate::limits::memory::SMALL;
use crate::limits::offload::{self, LONG};
use crate::limits::pace::{Late, Pace};
use crate::route::{EncodeError, Route};
use crate::upstream::{Outgoing, Stopped};

/// An upload is split into messages of at most this many bytes, well below the default limit of gRPC servers (4 MiB).
const PIECE: usize = 256 << 10;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How to read the body of a streaming request.
#[derive(Debug)]
pub enum Reading {
    /// There is no body: path and query make one message.
    Nothing,
    /// A series of JSON messages, each of at most this many bytes.
    Json(Series, usize),
    /// Raw bytes of this content type, sent in pieces as `google.api.HttpBody`.
    Raw(String),
}

/// The future that sends the messages of a request.
pub trait Sending: Future<Output = Result<(), Refused>> + Send + 'static {}

impl<F: Future<Output = Result<(), Refused>> + Send + 'static> Sending for F {}

/// A request that turned out to be wrong, with its stream to the backend.
pub struct Refused {
    refusal: Box<Refusal>,
    /// Dropped together with the reply stream, so that the backend's reply does not change until then.
    _outgoing: Outgoing,
}

impl Refused {
    pub(crate) fn new(refusal: Box<Refusal>, outgoing: Outgoing) -> Self {
        Self { refusal, _outgoing: outgoing }
    }

    pub(super) fn take_refusal(&mut self) -> Box<Refusal> {
        std::mem::replace(&mut self.refusal, Box::new(Refusal::internal()))
    }
}

/// Why no more messages are sent.
pub(crate) enum End {
    /// The backend has stopped reading.
    Stopped,
    Refused(Box<Refusal>),
}

impl From<Stopped> for End {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl Reading {
    /// The messages into which [`send`](Self::send) splits a body.
    ///
    /// # Errors
    /// The body is invalid.
    pub fn messages(self, route: &Route, texts: &Texts, body: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
        let mut messages = Vec::new();
        let made = self.put_messages(route, texts, body, &mut messages);
        made.map_err(|refusal| refusal.behind(messages.len())).map(|()| messages)
    }

    fn put_messages(
        self,
        route: &Route,
        texts: &Texts,
        body: &[u8],
        messages: &mut Vec<Vec<u8>>,
    ) -> Result<(), Refusal> {
        let encoded = |text: Option<&[u8]>| route.encode_one(texts, text).map_err(|error| Refusal::encode(&error));
        match self {
            Self::Nothing => messages.push(encoded(None)?),
            Self::Json(series, limit) => {
                let mut splitter = Splitter::new(series, limit);
                splitter.push(body);
                while let Some(text) = splitter.next_text().map_err(|error| Refusal::split(&error))? {
                    messages.push(encoded(Some(text))?);
                }
                if let Some(text) = splitter.end().map_err(|error| Refusal::split(&error))? {
                    messages.push(encoded(Some(&text))?);
                }
            }
            Self::Raw(content_type) => {
                let empty = body.is_empty().then_some(&[][..]);
                for data in body.chunks(PIECE).chain(empty) {
                    let message = route.encode_raw_one(texts, &HttpBody { content_type: &content_type, data });
                    messages.push(message.map_err(|error| Refusal::encode(&error))?);
                }
            }
        }
        Ok(())
    }

    /// Reads `body` to its end and sends its messages. `texts` holds the path variables and the query, which all
    /// messages share.
    ///
    /// # Errors
    /// The body is invalid. Earlier messages have been sent.
    pub async fn send<B>(
        self,
        upload: Upload<B>,
        route: Arc<Route>,
        texts: Texts,
        outgoing: Outgoing,
    ) -> Result<(), Refused>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let mut messages = Messages { route, texts: Arc::new(texts), outgoing, sent: 0 };
        let sent = match self {
            Self::Nothing => messages.send(None).await,
            Self::Json(series, limit) => messages.send_series(upload, Splitter::new(series, limit)).await,
            Self::Raw(content_type) => messages.send_pieces(upload, &content_type).await,
        };
        messages.ended(sent)
    }
}

/// Sends the messages of one call.
pub(super) struct Messages {
    pub(super) route: Arc<Route>,
    pub(super) texts: Arc<Texts>,
    pub(super) outgoing: Outgoing,
    pub(super) sent: usize,
}

impl Messages {
    /// Finishes the request at the backend, or turns the error into a refusal.
    pub(super) fn ended(self, sent: Result<(), End>) -> Result<(), Refused> {
        match sent {
            Ok(()) => {
                self.outgoing.finish();
                Ok(())
            }
            Err(End::Stopped) => Ok(()),
            Err(End::Refused(refusal)) => {
                let refusal = Box::new(refusal.behind(self.sent));
                Err(Refused::new(refusal, self.outgoing))
            }
        }
    }

    async fn send_series(
        &mut self,
        mut upload: Upload<impl Body<Data = Bytes, Error: Into<BoxError>> + Unpin>,
        mut splitter: Splitter,
    ) -> Result<(), End> {
        while let Some(data) = upload.next(splitter.is_between()).await? {
            splitter.push(&data);
            if !self.outgoing.holds(splitter.held()) {
                return Err(Refusal::no_memory_for_message().into());
            }
            while let Some(text) = splitter.next_text().map_err(|error| Refusal::split(&error))? {
                self.send(Some(text)).await?;
            }
        }
        match splitter.end().map_err(|error| Refusal::split(&error))? {
            Some(text) => self.send(Some(&text)).await,
            None => Ok(()),
        }
    }

    pub(super) async fn send(&mut self, text: Option<&[u8]>) -> Result<(), End> {
        let message = match text {
            Some(text) => made_of_json(&mut self.outgoing, (&self.route, &self.texts), text).await?,
            None => self.route.encode_one(&self.texts, None).map_err(|error| Refusal::encode(&error))?,
        };
        let message = check_streamed(&self.route, message, &mut self.outgoing).await?;
        self.outgoing.send(&message).await?;
        self.sent += 1;
        Ok(())
    }

    /// An upload without any bytes is one message too: it carries the content type.
    async fn send_pieces(
        &mut self,
        mut upload: Upload<impl Body<Data = Bytes, Error: Into<BoxError>> + Unpin>,
        content_type: &str,
    ) -> Result<(), End> {
        // Each piece is sent as one message.
        while let Some(data) = upload.next(true).await? {
            self.send_bytes(&data, content_type).await?;
        }
        self.end_pieces(content_type).await
    }

    pub(super) async fn send_bytes(&mut self, data: &[u8], content_type: &str) -> Result<(), End> {
        for piece in data.chunks(PIECE) {
            self.send_piece(piece, content_type).await?;
        }
        Ok(())
    }

    pub(super) async fn end_pieces(&mut self, content_type: &str) -> Result<(), End> {
        if self.sent == 0 { self.send_piece(&[], content_type).await } else { Ok(()) }
    }

    async fn send_piece(&mut self, data: &[u8], content_type: &str) -> Result<(), End> {
        let message = self.route.encode_raw_one(&self.texts, &HttpBody { content_type, data });
        let message = message.map_err(|error| Refusal::encode(&error))?;
        let message = check_streamed(&self.route, message, &mut self.outgoing).await?;
        self.outgoing.send(&message).await?;
        self.sent += 1;
        Ok(())
    }
}

/// Converts the JSON of one message.
pub(crate) async fn made_of_json(
    outgoing: &mut Outgoing,
    (route, texts): (&Arc<Route>, &Arc<Texts>),
    text: &[u8],
) -> Result<Vec<u8>, Refusal> {
    if text.len() > SMALL {
        let texts = texts.clone();
        let encode = move |route: &Route, text: &[u8]| route.encode_one(&texts, Some(text));
        large(outgoing, route, text, encode).await
    } else {
        route.encode_one(texts, Some(text)).map_err(|error| Refusal::encode(&error))
    }
}

/// Converts a text that is not small. Memory for the message is reserved first; a long text is converted outside the
/// worker thread.
pub(super) async fn large(
    outgoing: &mut Outgoing,
    route: &Arc<Route>,
    text: &[u8],
    encode: impl FnOnce(&Route, &[u8]) -> Result<Vec<u8>, EncodeError> + Send + 'static,
) -> Result<Vec<u8>, Refusal> {
    let place = if text.len() < LONG { None } else { Some(offload::place().await) };
    if !outgoing.holds_made(text.len(), route.longest_of_json(text)) {
        return Err(Refusal::no_memory_for_message());
    }
    let message = if let Some(place) = place {
        let (route, text, lent) = (route.clone(), text.to_vec(), outgoing.lend());
        let (message, lent) = place.run(move || (encode(&route, &text), lent)).await;
        outgoing.take_back(lent);
        message
    } else {
        encode(route, text)
    };
    message.map_err(|error| Refusal::encode(&error))
}

/// A request body that is still arriving.
#[derive(Debug)]
pub struct Upload<B> {
    pub body: B,
    /// The minimum rate at which the body must arrive.
    pub pace: Pace,
    /// Whether the caller may wait for replies before it sends more.
    pub is_conversation: bool,
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Upload<B> {
    /// The next bytes. They must arrive at the minimum rate, except `between` two messages of a conversation.
    async fn next(&mut self, between: bool) -> Result<Option<Bytes>, End> {
        loop {
            let frame = match self.is_conversation && between {
                true => self.pace.unhurried(&mut self.body).await,
                false => self.pace.frame(&mut self.body, None).await.map_err(refusal_of)?,
            };
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| {
                let error: BoxError = error.into();
                Refusal::body_broke_off(&*error)
            })?;
            // Request trailers are ignored.
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
    }
}

fn refusal_of(late: Late) -> Refusal {
    match late {
        Late::Slow(rate) => Refusal::body_slow(rate),
        // A stream has one deadline for the whole call, which ends it elsewhere.
        Late::Deadline => Refusal::internal(),
    }
}
