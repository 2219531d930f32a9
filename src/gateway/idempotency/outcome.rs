//! A stored response of a backend: everything from which a reply or an error is made.

use bytes::Bytes;
use http::HeaderMap;
use tonic::Status;

use super::store::{End, Kept};
use crate::gateway::metadata::Metadata;
use crate::upstream::{CallError, Fate, Reply};

/// The approximate size of a status without its texts, and of a header without its name and value, in bytes.
const STATUS: usize = 256;
const HEADER: usize = 64;

/// A response of a backend. The response to the caller is made from it again for each repeated request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Replied {
        message: Bytes,
        metadata: HeaderMap,
        /// What of `metadata` came in the trailers.
        trailers: HeaderMap,
    },
    Status {
        status: Status,
        metadata: HeaderMap,
    },
    /// The reply was larger than the reply limit.
    TooLarge {
        length: usize,
        limit: usize,
    },
}

impl Outcome {
    /// How a call has ended. Only metadata that `lists` would send to a caller is stored.
    pub(crate) fn end_of(called: &Result<Reply, CallError>, lists: &Metadata) -> End<Self> {
        match called {
            Ok(Reply { message, metadata, trailers, .. }) => End::Answered(Self::Replied {
                // Copied: a slice would keep the whole read buffer of the connection alive.
                message: Bytes::copy_from_slice(message),
                metadata: lists.kept(metadata),
                trailers: lists.kept(trailers),
            }),
            Err(CallError::Status { status, metadata }) => {
                End::Answered(Self::Status { status: Status::clone(status), metadata: lists.kept(metadata) })
            }
            &Err(CallError::TooLarge { length, limit }) => End::Answered(Self::TooLarge { length, limit }),
            Err(error) => match error.fate() {
                Fate::NotSent => End::Free,
                Fate::Unknown | Fate::Answered => End::Unknown,
            },
        }
    }

    /// The result of the call, as it was returned first.
    pub(crate) fn called(&self) -> Result<Reply, CallError> {
        match self {
            Self::Replied { message, metadata, trailers } => {
                let (metadata, trailers) = (metadata.clone(), trailers.clone());
                Ok(Reply { message: message.clone(), metadata, trailers, memory: None })
            }
            Self::Status { status, metadata } => {
                Err(CallError::Status { status: Box::new(status.clone()), metadata: metadata.clone() })
            }
            &Self::TooLarge { length, limit } => Err(CallError::TooLarge { length, limit }),
        }
    }
}

impl Kept for Outcome {
    fn size(&self) -> usize {
        let headers = |headers: &HeaderMap| -> usize {
            headers.iter().map(|(name, value)| HEADER + name.as_str().len() + value.len()).sum()
        };
        match self {
            Self::Replied { message, metadata, trailers } => message.len() + headers(metadata) + headers(trailers),
            Self::Status { status, metadata } => {
                STATUS + status.message().len() + status.details().len() + headers(metadata)
            }
            Self::TooLarge { .. } => 0,
        }
    }
}
