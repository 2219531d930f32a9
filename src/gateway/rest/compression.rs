//! Compresses reply bodies for callers that accept gzip.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, VARY,
};
use http_body::Frame;
use tokio::task::yield_now;

use crate::format::compression::{self, Choice, Gzip};
use crate::gateway::answer::{Body, Cut, Parts, Response};
use crate::gateway::conditional::weaken;

/// Smaller bodies, in bytes, are not compressed: the saving would not be worth the work.
const SMALLEST: usize = 1 << 10;

/// How many bytes are compressed before the task yields to other requests.
const PART: usize = 64 << 10;

/// Whether the response to a request with these headers is compressed.
pub(crate) fn choice(request: &HeaderMap) -> Choice {
    compression::choose(request.get_all(ACCEPT_ENCODING).iter().map(HeaderValue::as_bytes))
}

/// Adds `Vary` to a response, since its body depends on `Accept-Encoding`, and `Content-Encoding` if it `is_gzip`.
pub(super) fn mark(headers: &mut HeaderMap, is_gzip: bool) {
    headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    if is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
}

/// Whether a response may be compressed: it is a success, its body is text, not encoded yet, and complete. A partial
/// response is counted in bytes of the uncompressed whole (RFC 9110, section 14.4).
pub(super) fn is_fit(response: &Response) -> bool {
    let headers = response.headers();
    let is_whole = response.status() != StatusCode::PARTIAL_CONTENT && !headers.contains_key(CONTENT_RANGE);
    response.status().is_success() && is_whole && !headers.contains_key(CONTENT_ENCODING) && is_text(headers)
}

fn is_text(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type.starts_with("text/")
        || media_type.ends_with("+json")
        || ["application/json", "application/x-ndjson", "application/json-seq"].contains(&media_type.as_str())
}

/// Compresses the body of a response that is [fit](is_fit) for it, if that is worthwhile. The length of a stream is not
/// known, so each part of it is compressed.
pub(crate) async fn compressed(mut response: Response, choice: Choice) -> Response {
    let is_gzip = match (choice, response.body()) {
        (Choice::Identity, _) => false,
        (Choice::Gzip, Body::Whole(body)) => body.len() >= SMALLEST,
        (Choice::Gzip, Body::Parts(_)) | (Choice::GzipOnly, _) => true,
    };
    if is_gzip {
        *response.body_mut() = match std::mem::take(response.body_mut()) {
            Body::Whole(body) => Body::Whole(whole(&body).await),
            Body::Parts(parts) => Body::Parts(Box::pin(Compressed { parts, gzip: Some(Gzip::new()) })),
        };
    }
    if is_gzip {
        weaken(response.headers_mut());
        // Ranges count bytes of the uncompressed body, but the caller has the compressed one.
        response.headers_mut().remove(ACCEPT_RANGES);
    }
    mark(response.headers_mut(), is_gzip);
    response
}

async fn whole(body: &[u8]) -> Bytes {
    let mut gzip = Gzip::new();
    for part in body.chunks(PART) {
        gzip.add(part);
        yield_now().await;
    }
    gzip.finish()
}

/// A stream whose parts are compressed as they arrive. Each is flushed, so that the reader can decompress it at once.
struct Compressed {
    parts: Parts,
    /// `None` after the end.
    gzip: Option<Gzip>,
}

impl http_body::Body for Compressed {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        let Some(gzip) = &mut this.gzip else { return Poll::Ready(None) };
        let small = match ready!(this.parts.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => gzip.push(&data),
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            },
            // Without its end the gzip data is incomplete too, so the reader notices that the body was cut.
            Some(Err(cut)) => return Poll::Ready(Some(Err(cut))),
            None => this.gzip.take().map_or_else(Bytes::new, Gzip::finish),
        };
        Poll::Ready(Some(Ok(Frame::data(small))))
    }
}
