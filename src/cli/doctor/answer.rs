//! The response to a request, over HTTP/1.1 or HTTP/2.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use tonic::Code;

/// A complete response.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: Option<HeaderMap>,
}

impl Answer {
    /// Whether this is a gRPC response, whatever its gRPC status.
    pub(super) fn is_grpc(&self) -> bool {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        self.status == 200 && kind.starts_with("application/grpc")
    }

    /// The gRPC status, from the trailers or else from the headers.
    pub(super) fn grpc_status(&self) -> Option<Code> {
        let trailers = self.trailers.iter().find_map(|trailers| trailers.get("grpc-status"));
        let value = trailers.or_else(|| self.headers.get("grpc-status"))?;
        Some(Code::from_bytes(value.as_bytes()))
    }

    /// Whether the gRPC status came in trailers after the body, as it does in every response with a message.
    pub(super) fn has_trailers(&self) -> bool {
        self.trailers.as_ref().is_some_and(|trailers| trailers.contains_key("grpc-status"))
    }

    /// The first message, without its length prefix.
    pub(super) fn message(&self) -> Option<Bytes> {
        let (frame, _) = self.body.split_first_chunk::<5>()?;
        let length = usize::try_from(u32::from_be_bytes([frame[1], frame[2], frame[3], frame[4]])).ok()?;
        let end = length.checked_add(5).filter(|end| *end <= self.body.len())?;
        Some(self.body.slice(5..end))
    }

    /// A one-line description.
    pub(super) fn described(&self) -> String {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("no content type");
        format!("HTTP {}, {kind}", self.status)
    }
}
