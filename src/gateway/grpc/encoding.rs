//! How the messages of a request may be compressed (compression.md of grpc/grpc).

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::gateway::error::Refusal;

/// The headers about the compression of messages, which have other names in each protocol.
#[derive(Debug)]
pub(crate) struct EncodingNames {
    /// Says how the messages of a request are compressed.
    pub(crate) used: HeaderName,
    /// Lists the compressions that are accepted.
    pub(crate) accepted: HeaderName,
}

/// The names in gRPC and gRPC-Web.
pub(super) static GRPC: EncodingNames = EncodingNames {
    used: HeaderName::from_static("grpc-encoding"),
    accepted: HeaderName::from_static("grpc-accept-encoding"),
};

/// What the flag before a message means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoding {
    names: &'static EncodingNames,
    /// If messages may be compressed with gzip: to how many times its length one may grow.
    gzip: Option<usize>,
}

impl Encoding {
    /// Reads how messages are compressed. `gzip` is the ratio up to which compressed messages are accepted, if they are.
    ///
    /// # Errors
    /// Messages are compressed in a way that is not accepted.
    pub(crate) fn of(headers: &HeaderMap, names: &'static EncodingNames, gzip: Option<usize>) -> Result<Self, Refusal> {
        let mut values = headers.get_all(&names.used).iter().map(HeaderValue::as_bytes);
        match (values.next(), values.next(), gzip) {
            (None | Some(b"identity"), None, _) => Ok(Self { names, gzip: None }),
            (Some(b"gzip"), None, Some(_)) => Ok(Self { names, gzip }),
            _ => Err(Refusal::message_encoding((&names.used, &names.accepted), accepted(gzip))),
        }
    }

    /// To how many times its length a message may grow; `None` if it is not compressed.
    ///
    /// # Errors
    /// It is compressed, and the request does not say how.
    pub(crate) fn ratio(self, is_compressed: bool) -> Result<Option<usize>, Refusal> {
        match (is_compressed, self.gzip) {
            (true, None) => Err(Refusal::unknown_compression(&self.names.used)),
            (true, gzip) => Ok(gzip),
            (false, _) => Ok(None),
        }
    }

    /// The same for a message without a flag, of which the header says everything.
    pub(crate) fn of_whole(self) -> Option<usize> {
        self.gzip
    }
}

impl EncodingNames {
    /// Tells the caller which compressions are accepted.
    pub(crate) fn tell_accepted(&self, gzip: Option<usize>, headers: &mut HeaderMap) {
        headers.insert(self.accepted.clone(), HeaderValue::from_static(accepted(gzip)));
    }
}

fn accepted(gzip: Option<usize>) -> &'static str {
    if gzip.is_some() { "identity,gzip" } else { "identity" }
}
