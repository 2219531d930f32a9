//! How messages and trailers are written: as native gRPC has them, or as gRPC-Web has.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http_body::Body as HttpBody;

use super::frames::{PREFIX, put_prefix};
use super::reply::Whole;
use super::web::{WebBody, put_trailers, written};
use crate::gateway::answer::{Body, Cut, Response};

/// Messages up to this length are copied, so that the body of their answer has a length.
const SHORT: usize = 16 << 10;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    /// Trailers of HTTP/2.
    Native,
    /// Trailers in the body, which is base64 if it is text.
    Web { is_text: bool },
}

impl Wire {
    /// How a request of gRPC-Web with these headers is answered: as `Accept` says, or otherwise as the request is written.
    pub(super) fn of_web(headers: &HeaderMap) -> Self {
        let has = |name: &str| {
            let mut values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
            values.any(|value| value.to_ascii_lowercase().contains(name))
        };
        let is_text = has("application/grpc-web-text") || (!has("application/grpc-web") && is_text(headers));
        Self::Web { is_text }
    }

    /// A response without metadata and messages yet.
    pub(super) fn begun(self) -> Response {
        let content_type = match self {
            Self::Native => "application/grpc",
            Self::Web { is_text: false } => "application/grpc-web+proto",
            Self::Web { is_text: true } => "application/grpc-web-text+proto",
        };
        let mut response = Response::default();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    /// The body of an answer with one message.
    pub(super) fn whole(self, message: Bytes, trailers: HeaderMap) -> Body {
        match self {
            Self::Web { is_text } if message.len() <= SHORT => {
                let mut out = BytesMut::with_capacity(PREFIX + message.len());
                put_prefix(&mut out, &message);
                out.extend_from_slice(&message);
                put_trailers(&mut out, &trailers);
                Body::Whole(written(out.freeze(), is_text))
            }
            Self::Native | Self::Web { .. } => self.streamed(Whole::new(message, trailers)),
        }
    }

    /// The body of an answer of several messages, which ends with trailers.
    pub(super) fn streamed(self, body: impl HttpBody<Data = Bytes, Error = Cut> + Unpin + Send + 'static) -> Body {
        match self {
            Self::Native => Body::Parts(Box::pin(body)),
            Self::Web { is_text } => Body::Parts(Box::pin(WebBody::new(body, is_text))),
        }
    }
}

/// Whether the body of a request of gRPC-Web is base64.
pub(super) fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    content_type.starts_with(b"application/grpc-web-text")
}
