//! What a request was answered with, in either version of HTTP.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use tonic::Code;

/// All of an answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: Option<HeaderMap>,
}

impl Answer {
    /// Whether it is an answer of gRPC, whatever its status.
    pub(super) fn is_grpc(&self) -> bool {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        self.status == 200 && kind.starts_with("application/grpc")
    }

    /// The status, wherever it stands.
    pub(super) fn grpc_status(&self) -> Option<Code> {
        let trailers = self.trailers.iter().find_map(|trailers| trailers.get("grpc-status"));
        let value = trailers.or_else(|| self.headers.get("grpc-status"))?;
        Some(Code::from_bytes(value.as_bytes()))
    }

    /// Whether a status stands behind a body, as it does with every reply that has a message.
    pub(super) fn has_trailers(&self) -> bool {
        self.trailers.as_ref().is_some_and(|trailers| trailers.contains_key("grpc-status"))
    }

    /// The first message, without its frame.
    pub(super) fn message(&self) -> Option<Bytes> {
        let (frame, _) = self.body.split_first_chunk::<5>()?;
        let length = usize::try_from(u32::from_be_bytes([frame[1], frame[2], frame[3], frame[4]])).ok()?;
        let end = length.checked_add(5).filter(|end| *end <= self.body.len())?;
        Some(self.body.slice(5..end))
    }

    /// What it is, for one line.
    pub(super) fn described(&self) -> String {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("no content type");
        format!("HTTP {}, {kind}", self.status)
    }
}
