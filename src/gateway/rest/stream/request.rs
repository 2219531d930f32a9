//! The messages of a request's body, each sent to the backend as soon as it has come.

use std::sync::Arc;

use bytes::Bytes;
use http_body::Body;

use crate::codec::{HttpBody, Texts};
use crate::format::json::{Series, Splitter};
use crate::gateway::error::Refusal;
use crate::limits::memory::SMALL;
use crate::limits::offload::{self, LONG};
use crate::limits::pace::{Late, Pace};
use crate::route::{EncodeError, Route};
use crate::upstream::{Outgoing, Stopped};

/// Largest piece of an upload that is one message, in bytes: well below what gRPC servers take by default (4 MiB).
const PIECE: usize = 256 << 10;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How a body is read.
#[derive(Debug)]
pub enum Reading {
    /// There is none: path and query make one message.
    Nothing,
    /// Messages of JSON, each of at most so many bytes.
    Json(Series, usize),
    /// Pieces of a `google.api.HttpBody` of this content type.
    Raw(String),
}

/// The task that sends a request.
pub trait Sending: Future<Output = Result<(), Refused>> + Send + 'static {}

impl<F: Future<Output = Result<(), Refused>> + Send + 'static> Sending for F {}

/// A request that turned out to be wrong, with its way to the backend.
pub struct Refused {
    refusal: Box<Refusal>,
    /// Closed together with the way back: until then the backend's answer does not change.
    _outgoing: Outgoing,
}

impl Refused {
    pub(super) fn new(refusal: Box<Refusal>, outgoing: Outgoing) -> Self {
        Self { refusal, _outgoing: outgoing }
    }

    pub(super) fn take_refusal(&mut self) -> Box<Refusal> {
        std::mem::replace(&mut self.refusal, Box::new(Refusal::internal()))
    }
}

/// Why nothing more is sent.
pub(super) enum End {
    /// The backend reads no further.
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
    /// The messages that [`send`](Self::send) makes of a body.
    ///
    /// # Errors
    /// The body is wrong.
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

    /// Reads `body` to its end and sends its messages, all of which have `texts`.
    ///
    /// # Errors
    /// The body is wrong. What was sent of it was sent.
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

/// The messages of one call.
pub(super) struct Messages {
    pub(super) route: Arc<Route>,
    pub(super) texts: Arc<Texts>,
    pub(super) outgoing: Outgoing,
    pub(super) sent: usize,
}

impl Messages {
    /// Tells the backend, or the caller, how it ended.
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
            Some(text) if text.len() > SMALL => {
                let texts = self.texts.clone();
                let encode = move |route: &Route, text: &[u8]| route.encode_one(&texts, Some(text));
                large(&mut self.outgoing, &self.route, text, encode).await?
            }
            _ => self.route.encode_one(&self.texts, text).map_err(|error| Refusal::encode(&error))?,
        };
        self.outgoing.send(&message).await?;
        self.sent += 1;
        Ok(())
    }

    /// An upload without a byte is one message too: it has a content type.
    async fn send_pieces(
        &mut self,
        mut upload: Upload<impl Body<Data = Bytes, Error: Into<BoxError>> + Unpin>,
        content_type: &str,
    ) -> Result<(), End> {
        // Every piece is a message of its own.
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
        self.outgoing.send(&message.map_err(|error| Refusal::encode(&error))?).await?;
        self.sent += 1;
        Ok(())
    }
}

/// The message of a text that is not small; the memory for it is taken before it is made. If it is long, it is made beside the worker.
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

/// A body as it comes.
#[derive(Debug)]
pub struct Upload<B> {
    /// The body.
    pub body: B,
    /// How fast it has to come.
    pub pace: Pace,
    /// Whether the caller may wait for answers before it says more.
    pub is_conversation: bool,
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Upload<B> {
    /// The next bytes. They have to come at their rate, but for those of a conversation `between` two messages.
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
            // Trailers of a request mean nothing here.
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
        // Of a stream the whole call has one, which ends it elsewhere.
        Late::Deadline => Refusal::internal(),
    }
}
