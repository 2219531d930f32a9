//! Answers that the listener makes without asking the service.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};

use super::violation::Violation;

/// Makes the answer to a request that breaks a rule of HTTP.
pub type Malformed = Arc<dyn Fn(Violation) -> Response<String> + Send + Sync>;

/// The body of an answer: from the service, or from the listener itself.
pub(super) enum Answer<B> {
    Service(B),
    Own(Option<Bytes>),
}

/// The answer to a request that breaks this rule.
pub(super) fn refusal<B>(malformed: Option<&Malformed>, violation: Violation) -> Response<Answer<B>> {
    let response = match malformed {
        Some(malformed) => malformed(violation),
        None => {
            let mut response = Response::new(String::new());
            *response.status_mut() = violation.status();
            response
        }
    };
    response.map(|text| Answer::Own(Some(text.into())))
}

impl<B: Body<Data: From<Bytes>> + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match &mut *self {
            Self::Service(body) => Pin::new(body).poll_frame(cx),
            Self::Own(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text.into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Service(body) => body.is_end_stream(),
            Self::Own(text) => text.as_ref().is_none_or(Bytes::is_empty),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Service(body) => body.size_hint(),
            Self::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
        }
    }
}
