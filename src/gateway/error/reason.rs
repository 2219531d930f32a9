//! Who refuses a request, and why, in words that are few enough to be counted by.

use http::StatusCode;

use super::defect::Defect;
use super::refusal::Refusal;
use crate::upstream::Fate;

/// Who has refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    /// The gateway: nothing was sent, or the reply could not be told.
    Gateway,
    /// The way to the backend: no answer came that could be read.
    Upstream,
    /// The backend, with a status.
    Backend,
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The backend's status says it.
    Status,
    /// No route has its path.
    NoRoute,
    /// Its path has other methods.
    Method,
    /// Its caller has not proved who it is, or not as its rpc demands.
    Unauthenticated,
    /// Its caller may not call its rpc.
    Forbidden,
    /// One of its headers.
    Header,
    /// One of its fields, in path, query or body.
    Field,
    /// Its body as a whole.
    Body,
    /// The type or the coding of its body, or those that its caller takes.
    MediaType,
    /// Something of it is larger than its limit.
    TooLarge,
    /// Its body came too late, or too slowly.
    Slow,
    /// There is no memory for it, or too many calls are in flight.
    Overload,
    /// The call was not sent, or not taken.
    NotSent,
    /// Nobody knows what became of the call.
    Lost,
    /// There was a reply, and it could not be told.
    Reply,
    /// A fault of ours.
    Internal,
    /// It is wrong in another way.
    Other,
}

impl Refusal {
    /// Who refuses.
    #[must_use]
    pub fn party(&self) -> Party {
        match (self.is_backends, self.is_of_call) {
            (true, _) => Party::Backend,
            (false, true) => Party::Upstream,
            (false, false) => Party::Gateway,
        }
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self.party() {
            Party::Backend => Reason::Status,
            Party::Upstream if self.fate == Fate::NotSent => Reason::NotSent,
            Party::Upstream => Reason::Lost,
            Party::Gateway => self.own_reason(),
        }
    }

    fn own_reason(&self) -> Reason {
        match self.http {
            StatusCode::NOT_FOUND => Reason::NoRoute,
            StatusCode::METHOD_NOT_ALLOWED => Reason::Method,
            StatusCode::UNAUTHORIZED => Reason::Unauthenticated,
            StatusCode::FORBIDDEN => Reason::Forbidden,
            StatusCode::NOT_ACCEPTABLE | StatusCode::UNSUPPORTED_MEDIA_TYPE => Reason::MediaType,
            StatusCode::REQUEST_TIMEOUT => Reason::Slow,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                Reason::TooLarge
            }
            StatusCode::SERVICE_UNAVAILABLE => Reason::Overload,
            StatusCode::BAD_GATEWAY => Reason::Reply,
            StatusCode::INTERNAL_SERVER_ERROR => Reason::Internal,
            _ => match self.defect {
                Defect::Header => Reason::Header,
                Defect::Body => Reason::Body,
                Defect::Invalid | Defect::Missing | Defect::Unexpected => Reason::Field,
                Defect::Other => Reason::Other,
            },
        }
    }
}
