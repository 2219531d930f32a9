//! The body of a request, and whether it was read to its end. If not, the connection must be closed after the response.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, HeaderValue};
use http::request::Parts;
use http::{StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use tokio::task::yield_now;

use crate::gateway::answer::Response;
use crate::gateway::record::UploadNotes;

/// After an early response, up to this many bytes that have already arrived are read, so that the connection can be
/// reused.
const REST: u64 = 64 << 10;
/// How often in a row the task yields, so that the connection can pass on what has arrived.
const TURNS: usize = 3;

/// A request body as a connection provides it.
pub(crate) trait RequestBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static {}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static> RequestBody for B {}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that is read here, or that a separate task reads.
pub(crate) enum Inbound<B> {
    /// The body has not been read to its end.
    Here(B),
    /// The body was read to its end, or there is none.
    Read,
    /// A [`Watched`] has the body, and records when it has been read to its end.
    Away(Arc<UploadNotes>),
}

impl<B: RequestBody> Inbound<B> {
    pub(crate) fn new(body: B) -> Self {
        if body.is_end_stream() { Self::Read } else { Self::Here(body) }
    }

    /// Whether nothing is left to read.
    pub(crate) fn is_read(&self) -> bool {
        match self {
            Self::Here(_) => false,
            Self::Read => true,
            Self::Away(upload) => upload.is_whole.load(Ordering::Relaxed),
        }
    }

    /// The body, while there is something left to read.
    pub(crate) fn body(&mut self) -> Option<&mut B> {
        if let Self::Here(body) = self { Some(body) } else { None }
    }

    /// Records that the body was read to its end.
    pub(crate) fn ended(&mut self) {
        *self = Self::Read;
    }

    /// Moves the body out for a separate task, with the notes in which the task records its progress.
    pub(crate) fn take(&mut self) -> (Watched<B>, Option<Arc<UploadNotes>>) {
        match std::mem::replace(self, Self::Read) {
            Self::Here(body) => {
                let upload = Arc::<UploadNotes>::default();
                *self = Self::Away(upload.clone());
                (Watched(Some((body, upload.clone()))), Some(upload))
            }
            other => {
                *self = other;
                (Watched(None), None)
            }
        }
    }

    /// The response to the request, with `Connection: close` if the connection cannot be reused.
    ///
    /// RFC 9112, section 9.3: a server that does not read a body to its end must close. Section 9.6: it should announce
    /// that. The rest of a small body that has already arrived is read instead, since most callers of a wrong path have
    /// sent it with the head.
    pub(crate) async fn closing(&mut self, mut response: Response, head: &Parts) -> Response {
        if !self.is_left(&response, head) {
            return response;
        }
        // Reading would make the server send 100 Continue to a caller that waits for it.
        if head.headers.contains_key(EXPECT) || !self.is_read_at_once().await {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Whether unread bytes are left on the connection, in front of the next request.
    pub(crate) fn is_left(&self, response: &Response, head: &Parts) -> bool {
        !self.is_read() && head.version < Version::HTTP_2 && response.status() != StatusCode::SWITCHING_PROTOCOLS
    }

    /// Reads the rest of the body if it is small and has already arrived.
    async fn is_read_at_once(&mut self) -> bool {
        let Some(body) = self.body() else { return false };
        let (mut read, mut turns) = (0, 0);
        while read <= REST && body.size_hint().lower() <= REST && turns < TURNS {
            let next = poll_fn(|cx| Poll::Ready(Next::of(Pin::new(&mut *body).poll_frame(cx)))).await;
            match next {
                Next::Data(bytes) => {
                    read += bytes;
                    turns = 0;
                }
                Next::Broken => return false,
                // The connection passes a piece on only after it was polled for it.
                Next::Pending => {
                    turns += 1;
                    yield_now().await;
                }
                Next::End => {
                    self.ended();
                    return true;
                }
            }
        }
        false
    }
}

/// The result of polling a body once.
enum Next {
    Data(u64),
    End,
    Broken,
    Pending,
}

impl Next {
    fn of<E>(polled: Poll<Option<Result<Frame<Bytes>, E>>>) -> Self {
        match polled {
            Poll::Ready(Some(Ok(frame))) => Self::Data(frame.data_ref().map_or(0, |data| data.len() as u64)),
            Poll::Ready(Some(Err(_))) => Self::Broken,
            Poll::Ready(None) => Self::End,
            Poll::Pending => Self::Pending,
        }
    }
}

/// A body that records when it has been read to its end. `None` if there was nothing left to read.
pub(crate) struct Watched<B>(Option<(B, Arc<UploadNotes>)>);

impl<B: RequestBody> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Some((body, upload)) = &mut self.0 else { return Poll::Ready(None) };
        let polled = Pin::new(&mut *body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            upload.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        let is_end = match &polled {
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(_))) => body.is_end_stream(),
            _ => false,
        };
        if is_end {
            upload.is_whole.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), |(body, _)| body.size_hint())
    }
}
