//! The answer of a backend as it is kept: what replies and errors are made of.

use bytes::Bytes;
use http::HeaderMap;
use tonic::Status;

use super::store::{End, Kept};
use crate::gateway::metadata::Metadata;
use crate::upstream::{CallError, Fate, Reply};

/// About what a status has besides its texts, and each header besides its own.
const STATUS: usize = 256;
const HEADER: usize = 64;

/// An answer of a backend. Answers to callers are made of it anew each time.
#[derive(Debug)]
pub(crate) enum Outcome {
    Replied {
        message: Bytes,
        metadata: HeaderMap,
    },
    Status {
        status: Status,
        metadata: HeaderMap,
    },
    /// The reply was over its limit.
    TooLarge {
        length: usize,
        limit: usize,
    },
}

impl Outcome {
    /// How a call has ended; of the metadata that is kept which `lists` would tell a caller.
    pub(crate) fn end_of(called: &Result<Reply, CallError>, lists: &Metadata) -> End<Self> {
        match called {
            Ok(Reply { message, metadata, .. }) => End::Answered(Self::Replied {
                // A part of what the connection has read would keep all of it.
                message: Bytes::copy_from_slice(message),
                metadata: lists.kept(metadata),
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

    /// The end of the call, again.
    pub(crate) fn called(&self) -> Result<Reply, CallError> {
        match self {
            Self::Replied { message, metadata } => {
                Ok(Reply { message: message.clone(), metadata: metadata.clone(), memory: None })
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
            Self::Replied { message, metadata } => message.len() + headers(metadata),
            Self::Status { status, metadata } => {
                STATUS + status.message().len() + status.details().len() + headers(metadata)
            }
            Self::TooLarge { .. } => 0,
        }
    }
}
