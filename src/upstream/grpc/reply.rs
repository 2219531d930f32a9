//! Reads the answer to a unary call: head, one message, status.
//!
//! gRPC over HTTP/2 (PROTOCOL-HTTP2.md of grpc/grpc): `Response -> (Response-Headers *Length-Prefixed-Message Trailers)
//! / Trailers-Only`.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use tonic::Code;

use super::error::CallError;
use super::message::{PREFIX, declared_length};
use super::{message, status};
use crate::limits::memory::{Charge, SMALL, Share, Use};

/// A successful reply.
#[derive(Debug)]
pub struct Reply {
    /// The message in wire format.
    pub message: Bytes,
    /// The initial metadata and the trailers.
    pub metadata: HeaderMap,
    /// The trailers alone.
    pub trailers: HeaderMap,
    /// The memory that the message holds; `None` for a small message.
    pub memory: Option<Charge>,
}

/// The body of a reply while it arrives.
pub(crate) struct Collecting<'a> {
    body: Gathered,
    /// The largest message, in bytes.
    limit: usize,
    share: &'a Share,
    memory: Option<Charge>,
}

enum Gathered {
    /// At most one DATA frame, which is not copied.
    Whole(Bytes),
    Parts(BytesMut),
}

impl<'a> Collecting<'a> {
    pub(crate) fn new(limit: usize, share: &'a Share) -> Self {
        Self { body: Gathered::Whole(Bytes::new()), limit, share, memory: None }
    }

    /// Reads to the end of the stream. The outer error is one of the body, the inner error one of the stream.
    pub(crate) async fn read(&mut self, stream: &mut RecvStream) -> Result<Result<HeaderMap, h2::Error>, CallError> {
        while let Some(data) = stream.data().await {
            let data = match data {
                Ok(data) => data,
                Err(error) => return Ok(Err(error)),
            };
            // The window is given back at once: the message limit bounds what may arrive.
            let released = stream.flow_control().release_capacity(data.len());
            self.add(data)?;
            if let Err(error) = released {
                return Ok(Err(error));
            }
        }
        Ok(stream.trailers().await.map(Option::unwrap_or_default))
    }

    fn add(&mut self, data: Bytes) -> Result<(), CallError> {
        match &mut self.body {
            Gathered::Whole(first) if first.is_empty() => self.body = Gathered::Whole(data),
            Gathered::Whole(first) => {
                let length = declared_length(first).unwrap_or(0).min(self.limit);
                let mut parts = BytesMut::with_capacity((PREFIX + length).max(first.len() + data.len()));
                parts.extend_from_slice(first);
                parts.extend_from_slice(&data);
                self.body = Gathered::Parts(parts);
            }
            Gathered::Parts(parts) => {
                // The first frame may have ended within the prefix.
                let length = declared_length(parts).unwrap_or(0).min(self.limit);
                parts.reserve((PREFIX + length).saturating_sub(parts.len()).max(data.len()));
                parts.extend_from_slice(&data);
            }
        }
        self.check_length()?;
        self.take_memory()
    }

    /// Reserves memory for a message that is not small, as soon as its length is known and before most of it has
    /// arrived.
    fn take_memory(&mut self) -> Result<(), CallError> {
        let body = self.bytes();
        let length = declared_length(body).unwrap_or(0).max(body.len());
        let has = self.memory.as_ref().map_or(SMALL, Charge::bytes);
        if length <= has {
            return Ok(());
        }
        let taken = match &self.memory {
            Some(memory) => memory.grow(length - has, Use::Reply),
            None => {
                self.memory = self.share.take(length, Use::Reply);
                self.memory.is_some()
            }
        };
        if taken { Ok(()) } else { Err(CallError::NoMemory { length }) }
    }

    fn bytes(&self) -> &[u8] {
        match &self.body {
            Gathered::Whole(bytes) => bytes,
            Gathered::Parts(bytes) => bytes,
        }
    }

    fn check_length(&self) -> Result<(), CallError> {
        let body = self.bytes();
        match declared_length(body) {
            Some(length) if length > self.limit => Err(CallError::TooLarge { length, limit: self.limit }),
            Some(length) if body.len() > PREFIX + length => Err(CallError::several_messages()),
            _ => Ok(()),
        }
    }

    /// Makes the reply of everything that has arrived.
    pub(crate) fn end(mut self, mut metadata: HeaderMap, trailers: HeaderMap) -> Result<Reply, CallError> {
        ended_with(&mut metadata, &trailers)?;
        let (share, mut memory, came) = (self.share, self.memory.take(), self.bytes().len());
        let message = self.only_message(&metadata)?;
        // Decompression has made the message longer.
        let length = message.len();
        if length > came.max(SMALL) {
            memory = Some(share.take(length, Use::Reply).ok_or(CallError::NoMemory { length })?);
        }
        Ok(Reply { message, metadata, trailers, memory })
    }

    fn only_message(self, head: &HeaderMap) -> Result<Bytes, CallError> {
        let limit = self.limit;
        let body = match self.body {
            Gathered::Whole(bytes) => bytes,
            Gathered::Parts(bytes) => bytes.freeze(),
        };
        match declared_length(&body) {
            None => Err(no_message()),
            Some(length) if body.len() < PREFIX + length => Err(CallError::protocol("its message is cut short")),
            Some(_) => message::unpacked(body, head, limit),
        }
    }
}

/// The largest total size of one header list, in bytes, without the message of a status. It leaves room for error
/// details.
const HEADERS: usize = 64 << 10;

/// Adds the trailers to the metadata. If there is only a head, the status may be in it.
///
/// # Errors
/// The call did not end with status OK.
pub(crate) fn ended_with(metadata: &mut HeaderMap, trailers: &HeaderMap) -> Result<(), CallError> {
    check_size(trailers)?;
    let (code, last) = match status::code(trailers) {
        Some(code) => (Some(code), trailers),
        None => (status::code(metadata), &*metadata),
    };
    let failed = match code {
        None => return Err(no_status(StatusCode::OK, "it ended without grpc-status".to_owned())),
        Some(Code::Ok) => None,
        Some(_) => status::read(last),
    };
    // `extend` would let a trailer replace a header of the same name.
    for (name, value) in trailers {
        metadata.append(name, value.clone());
    }
    match failed {
        None => Ok(()),
        Some(status) => Err(CallError::Status { status: Box::new(status), metadata: std::mem::take(metadata) }),
    }
}

/// Checks the head of an answer; gives a [`Foreign`] if it is not that of a gRPC response.
///
/// # Errors
/// The head has too many headers.
pub(crate) fn check_head(status: StatusCode, headers: &HeaderMap) -> Result<Option<Foreign>, CallError> {
    check_size(headers)?;
    let is_grpc = headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if status == StatusCode::OK && is_grpc {
        return Ok(None);
    }
    Ok(Some(Foreign { http: status, left: FOREIGN, is_empty: true, has_ended: false }))
}

/// An answer whose head is not that of a gRPC response. If it has a gRPC status in the head or in the trailers, that
/// counts. Otherwise the code follows from the HTTP status (http-grpc-status-mapping.md of grpc/grpc).
pub(crate) struct Foreign {
    http: StatusCode,
    /// How many more bytes of the body are skipped.
    left: usize,
    is_empty: bool,
    /// Whether the body has ended; trailers may follow.
    has_ended: bool,
}

/// The most bytes of a body that are skipped to reach its trailers.
const FOREIGN: usize = 64 << 10;

impl Foreign {
    /// The error of a unary call with such an answer, which is never a reply.
    pub(crate) async fn error(mut self, body: &mut RecvStream, mut metadata: HeaderMap) -> CallError {
        poll_fn(|cx| self.poll_end(body, &mut metadata, cx)).await.err().unwrap_or_else(no_message)
    }

    /// Reads `body` to its end and adds the trailers to `metadata`. Gives `Ok` for status OK without a body.
    ///
    /// # Errors
    /// Anything other than status OK without a body.
    pub(crate) fn poll_end(
        &mut self,
        body: &mut RecvStream,
        metadata: &mut HeaderMap,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), CallError>> {
        while !self.has_ended {
            match ready!(body.poll_data(cx)) {
                Some(Ok(data)) if data.len() <= self.left => {
                    self.left -= data.len();
                    self.is_empty &= data.is_empty();
                    // If this fails, the body ends.
                    let _ = body.flow_control().release_capacity(data.len());
                }
                Some(Ok(_) | Err(_)) => return Poll::Ready(self.end(metadata, HeaderMap::new())),
                None => self.has_ended = true,
            }
        }
        let trailers = ready!(body.poll_trailers(cx)).ok().flatten();
        Poll::Ready(self.end(metadata, trailers.unwrap_or_default()))
    }

    fn end(&self, metadata: &mut HeaderMap, trailers: HeaderMap) -> Result<(), CallError> {
        match ended_with(metadata, &trailers) {
            Err(CallError::NoStatus { .. }) if self.http != StatusCode::OK => {
                Err(no_status(self.http, format!("its HTTP status is {}", self.http)))
            }
            Err(CallError::NoStatus { http, .. }) => {
                Err(no_status(http, "its content-type is not application/grpc".to_owned()))
            }
            Ok(()) if !self.is_empty => {
                Err(CallError::protocol("its head is not that of a gRPC response, and it has a body"))
            }
            ended => ended,
        }
    }
}

fn no_status(http: StatusCode, cause: String) -> CallError {
    CallError::NoStatus { http, cause }
}

/// The message of a status does not count: it is cut later, so that the rest of the status still reaches the caller.
fn check_size(headers: &HeaderMap) -> Result<(), CallError> {
    let counted = headers.iter().filter(|(name, _)| *name != "grpc-message");
    let size: usize = counted.map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > HEADERS {
        Err(CallError::protocol(&format!("its headers have {size} bytes, more than {HEADERS}")))
    } else {
        Ok(())
    }
}

/// The error of a unary call that ended with status OK but without a message.
fn no_message() -> CallError {
    CallError::no_message()
}
