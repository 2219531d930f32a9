//! Refusals of requests for what they are: nobody is called, but for a part of a reply that there is not.

use http::StatusCode;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_RANGE, HeaderValue};
use tonic::Code;

use super::defect::{self, Defect, WrongField};
use super::refusal::Refusal;
use crate::format::compression::GzipError;
use crate::format::quote::MOST_TWICE;
use crate::gateway::answer::{Body, Response};
use crate::gateway::rest::media::MediaError;
use crate::route::{EncodeError, Miss, QueryError};
use crate::server;
use crate::upstream::Fate;

impl Refusal {
    /// 400 for a header that is wrong.
    pub fn header(message: impl Into<String>) -> Self {
        Self { defect: Defect::Header, ..Self::bad_request(message) }
    }

    /// 415 for a body of a type or a coding that is not taken.
    pub fn unsupported(message: impl Into<String>) -> Self {
        let refusal = Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message);
        Self { defect: Defect::Header, ..refusal }
    }

    /// 415 for a body of a type that is not taken; 400 for one that does not say how it is to be read.
    #[must_use]
    pub fn media(error: &MediaError) -> Self {
        match error {
            MediaError::Unsupported { .. } | MediaError::Charset { .. } => Self::unsupported(error.to_string()),
            MediaError::Parts(_) => Self::header(error.to_string()),
        }
    }

    /// 400 for a request that is wrong as a whole.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, message)
    }

    /// A request for which there is no route.
    #[must_use]
    pub fn miss(miss: Miss) -> Self {
        match miss {
            Miss::Path => Self::new(StatusCode::NOT_FOUND, Code::NotFound, "no call has this path"),
            Miss::Dots => Self::bad_request(miss.to_string()),
            Miss::Method { allowed } => {
                let allow = allowed.join(", ");
                let message = format!("expected one of the methods that this path has: {allow}");
                let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented, message);
                refusal.with_header(ALLOW, allow)
            }
            Miss::Keys(keys) => {
                let violation = |key: &String| WrongField::new(key, "does not go with the others", Defect::Unexpected);
                Self::bad_request(keys.to_string()).with_violations(keys.keys.iter().map(violation))
            }
        }
    }

    /// The answer to OPTIONS where no rule is for it: the methods of the path.
    #[must_use]
    pub fn options(allowed: &[String]) -> Response {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if let Ok(allow) = HeaderValue::try_from(allowed.join(", ")) {
            response.headers_mut().insert(ALLOW, allow);
        }
        response
    }

    /// A query string that cannot be taken apart.
    #[must_use]
    pub fn query(error: &QueryError) -> Self {
        if let QueryError::TooLong { .. } = error {
            return Self::new(StatusCode::URI_TOO_LONG, Code::ResourceExhausted, error.to_string());
        }
        let violation = match error {
            QueryError::System { key, problem } if key.len() <= MOST_TWICE => {
                Some(WrongField::new(key, problem, Defect::Invalid))
            }
            _ => None,
        };
        Self::bad_request(error.to_string()).with_violations(violation)
    }

    /// A request that cannot become a message: which field, what was expected, what was found.
    #[must_use]
    pub fn encode(error: &EncodeError) -> Self {
        let defect = defect::of(error);
        let violation = error.violation().map(|(field, problem)| WrongField::new(field, problem, defect));
        Self { defect, ..Self::bad_request(error.to_string()).with_violations(violation) }
    }

    /// A request that breaks a rule of HTTP/1.1.
    #[must_use]
    pub fn malformed(violation: server::Violation) -> Self {
        let code = match violation.status() {
            StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Code::ResourceExhausted,
            StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => Code::Unimplemented,
            StatusCode::MISDIRECTED_REQUEST => Code::Unauthenticated,
            _ => Code::InvalidArgument,
        };
        Self::new(violation.status(), code, violation.to_string())
    }

    /// 400 for a body that ended with this error.
    #[must_use]
    pub fn body_broke_off(error: &(dyn std::error::Error + 'static)) -> Self {
        match server::Violation::within(error) {
            Some(violation) => Self::malformed(violation),
            None => Self::bad_request("the body broke off"),
        }
    }

    /// 431 for a head with more headers, or more bytes of them.
    #[must_use]
    pub fn headers_too_large(most: usize, limit: usize) -> Self {
        Self::malformed(server::Violation::HeadTooLarge { fields: most, bytes: limit })
    }

    /// 416 for a part of a body of so many bytes that has none of them.
    ///
    /// RFC 9110, section 14.4: `Content-Range` says how many there are.
    #[must_use]
    pub fn range(length: usize) -> Self {
        let message = format!("header range: expected some of the {length} bytes that there are, found none of them");
        let kind = (StatusCode::RANGE_NOT_SATISFIABLE, Code::OutOfRange);
        let refusal = Self::of(Fate::Answered, kind, message);
        Self { defect: Defect::Header, ..refusal }.with_header(CONTENT_RANGE, format!("bytes */{length}"))
    }

    /// 413 for a body over its limit.
    #[must_use]
    pub fn body_too_large(limit: usize) -> Self {
        let message = format!("expected a body of at most {limit} bytes, found more");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted, message)
    }

    /// 415 for a `Content-Encoding` that is not taken.
    ///
    /// RFC 9110, section 15.5.16: `Accept-Encoding` says that it is the coding, and which is taken.
    #[must_use]
    pub fn coding(takes_gzip: bool) -> Self {
        let (message, accepted) = match takes_gzip {
            true => ("expected a body with one Content-Encoding, gzip, or without, found another", "gzip"),
            false => ("expected a body without Content-Encoding, found one with it", "identity"),
        };
        Self::unsupported(message).with_header(ACCEPT_ENCODING, accepted.to_owned())
    }

    /// A body that is no gzip, or becomes too large.
    #[must_use]
    pub fn gzip(error: &GzipError) -> Self {
        let refusal = match error {
            GzipError::Size { .. } | GzipError::Ratio { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted, error.to_string())
            }
            GzipError::Cut | GzipError::Malformed | GzipError::Trailing => Self::bad_request(error.to_string()),
        };
        Self { defect: Defect::Body, ..refusal }
    }
}
