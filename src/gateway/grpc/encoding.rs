//! How the messages of a request may be compressed (compression.md of grpc/grpc).

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::gateway::error::{ACCEPT_ENCODING, Refusal};

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// What the flag before a message means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    /// Gzip, which may grow to so many times its length.
    Gzip(usize),
}

impl Encoding {
    /// Reads `grpc-encoding`. `gzip` is the ratio up to which compressed messages are accepted, if they are.
    ///
    /// # Errors
    /// Messages are compressed in a way that is not accepted.
    pub(super) fn of(headers: &HeaderMap, gzip: Option<usize>) -> Result<Self, Refusal> {
        let mut values = headers.get_all(GRPC_ENCODING).iter().map(HeaderValue::as_bytes);
        match (values.next(), values.next(), gzip) {
            (None | Some(b"identity"), None, _) => Ok(Self::Identity),
            (Some(b"gzip"), None, Some(ratio)) => Ok(Self::Gzip(ratio)),
            _ => Err(Refusal::message_encoding(accepted(gzip))),
        }
    }
}

/// Tells the caller which compressions are accepted.
pub(super) fn tell_accepted(gzip: Option<usize>, headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accepted(gzip)));
}

fn accepted(gzip: Option<usize>) -> &'static str {
    if gzip.is_some() { "identity,gzip" } else { "identity" }
}
