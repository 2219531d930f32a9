//! The body of an answer: whole, or in parts that come as they are made.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

/// An HTTP answer of the gateway.
pub type Response = http::Response<Body>;

/// The parts of a body that is not whole yet. An error ends the connection, so that what was sent does not look complete.
pub type Parts = Pin<Box<dyn HttpBody<Data = Bytes, Error = Cut> + Send>>;

/// The body of an answer.
pub enum Body {
    /// Complete: it is sent with its length.
    Whole(Bytes),
    /// Of unknown length.
    Parts(Parts),
}

/// Why a body ends before its end. The reader sees a broken connection (HTTP/1.1) or a reset stream (HTTP/2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer was cut short: what it is made of failed")]
pub struct Cut;

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Whole(text.into())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Whole(bytes.into())
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Parts(parts) => parts.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Parts(parts) => parts.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Parts(parts) => parts.size_hint(),
        }
    }
}
