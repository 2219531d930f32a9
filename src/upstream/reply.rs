//! The answer to a unary call: head, one message, status.
//!
//! gRPC over HTTP/2 (PROTOCOL-HTTP2.md of grpc/grpc): `Response -> (Response-Headers *Length-Prefixed-Message Trailers) /
//! Trailers-Only`.

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use tonic::Code;

use super::{CallError, PREFIX, Reply, encoding, status};
use crate::memory::{Charge, SMALL, Share, Use};

/// What has come of a reply's body.
pub(super) struct Collecting<'a> {
    body: Body,
    /// Largest message.
    limit: usize,
    share: &'a Share,
    memory: Option<Charge>,
}

enum Body {
    /// One DATA frame at most: nothing is copied.
    Whole(Bytes),
    Parts(BytesMut),
}

impl<'a> Collecting<'a> {
    pub(super) fn new(limit: usize, share: &'a Share) -> Self {
        Self { body: Body::Whole(Bytes::new()), limit, share, memory: None }
    }

    /// Reads to the end; the outer error is that of the body, the inner one the stream's.
    pub(super) async fn read(&mut self, stream: &mut RecvStream) -> Result<Result<HeaderMap, h2::Error>, CallError> {
        while let Some(data) = stream.data().await {
            let data = match data {
                Ok(data) => data,
                Err(error) => return Ok(Err(error)),
            };
            // The window is given back at once: what may come is bounded by the limit.
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
            Body::Whole(first) if first.is_empty() => self.body = Body::Whole(data),
            Body::Whole(first) => {
                let length = declared_length(first).unwrap_or(0).min(self.limit);
                let mut parts = BytesMut::with_capacity((PREFIX + length).max(first.len() + data.len()));
                parts.extend_from_slice(first);
                parts.extend_from_slice(&data);
                self.body = Body::Parts(parts);
            }
            Body::Parts(parts) => {
                // The first frame may have ended within the prefix.
                let length = declared_length(parts).unwrap_or(0).min(self.limit);
                parts.reserve((PREFIX + length).saturating_sub(parts.len()).max(data.len()));
                parts.extend_from_slice(&data);
            }
        }
        self.check_length()?;
        self.take_memory()
    }

    /// For a message that is no small one, as soon as its length is known, and before the most of it is gathered.
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
            Body::Whole(bytes) => bytes,
            Body::Parts(bytes) => bytes,
        }
    }

    fn check_length(&self) -> Result<(), CallError> {
        let body = self.bytes();
        match declared_length(body) {
            Some(length) if length > self.limit => Err(CallError::TooLarge { length, limit: self.limit }),
            Some(length) if body.len() > PREFIX + length => Err(protocol("it holds more than one message")),
            _ => Ok(()),
        }
    }

    /// The reply, from all that has come.
    pub(super) fn end(mut self, mut metadata: HeaderMap, trailers: HeaderMap) -> Result<Reply, CallError> {
        ended_with(&mut metadata, &trailers)?;
        let (share, mut memory, came) = (self.share, self.memory.take(), self.bytes().len());
        let message = self.only_message(&metadata)?;
        // What was compressed has become longer.
        let length = message.len();
        if length > came.max(SMALL) {
            memory = Some(share.take(length, Use::Reply).ok_or(CallError::NoMemory { length })?);
        }
        Ok(Reply { message, metadata, memory })
    }

    fn only_message(self, head: &HeaderMap) -> Result<Bytes, CallError> {
        let limit = self.limit;
        let body = match self.body {
            Body::Whole(bytes) => bytes,
            Body::Parts(bytes) => bytes.freeze(),
        };
        match declared_length(&body) {
            None => Err(protocol("it ended with status OK and without a message")),
            Some(length) if body.len() < PREFIX + length => Err(protocol("its message is cut short")),
            Some(_) => encoding::message(body, head, limit),
        }
    }
}

/// Most headers of one list, in bytes, but for the message of a status: room for error details.
const HEADERS: usize = 64 << 10;

/// Adds the trailers to the metadata. A status may stand in the head, if that is all there is.
///
/// # Errors
/// The call did not end with status OK.
pub(super) fn ended_with(metadata: &mut HeaderMap, trailers: &HeaderMap) -> Result<(), CallError> {
    check_size(trailers)?;
    let last = if trailers.is_empty() { &*metadata } else { trailers };
    let failed = match status::code(last) {
        None => return Err(protocol("it ended without grpc-status")),
        Some(Code::Ok) => None,
        Some(_) => status::read(last),
    };
    // `extend` would put a name of the trailers in the place of the head's.
    for (name, value) in trailers {
        metadata.append(name, value.clone());
    }
    match failed {
        None => Ok(()),
        Some(status) => Err(CallError::Status { status: Box::new(status), metadata: std::mem::take(metadata) }),
    }
}

pub(super) fn check_head(status: StatusCode, headers: &HeaderMap) -> Result<(), CallError> {
    check_size(headers)?;
    let grpc = headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    match status {
        StatusCode::OK if grpc => Ok(()),
        StatusCode::OK => Err(protocol("its content-type is not application/grpc")),
        status => Err(protocol(&format!("its HTTP status is {status}"))),
    }
}

/// The message of a status may be longer, and is cut: what the status says besides goes on.
fn check_size(headers: &HeaderMap) -> Result<(), CallError> {
    let counted = headers.iter().filter(|(name, _)| *name != "grpc-message");
    let size: usize = counted.map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > HEADERS { Err(protocol(&format!("its headers have {size} bytes, more than {HEADERS}"))) } else { Ok(()) }
}

/// The Message-Length, if these bytes hold it.
pub(super) fn declared_length(body: &[u8]) -> Option<usize> {
    let length = body.get(1..PREFIX)?;
    Some(length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)))
}

pub(super) fn protocol(cause: &str) -> CallError {
    CallError::Protocol { cause: cause.to_owned() }
}
