//! Refusals of requests that are wrong in themselves. No call is made, except for a range of a reply that does not
//! exist.

use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_RANGE, HeaderValue};
use http::{Method, StatusCode};

use super::defect::{self, Defect, WrongField};
use super::grpc::NotBase64;
use super::reason::Reason;
use super::refusal::Refusal;
use crate::format::compression::GzipError;
use crate::format::json::SplitError;
use crate::format::quote::{self, MOST_TWICE};
use crate::format::suggestion::did_you_mean;
use crate::gateway::answer::{Body, Response};
use crate::gateway::rest::media::MediaError;
use crate::route::{EncodeError, Miss, QueryError, SystemProblem};
use crate::server;
use crate::upstream::Fate;

/// How many bytes of a method an error quotes.
const METHOD: usize = 32;

impl Refusal {
    /// 400: a header is wrong.
    pub fn header(message: impl Into<String>) -> Self {
        Self::new(Reason::InvalidHeader, message)
    }

    /// 415 for a body of an unsupported type; 400 for a body that does not say how to read it.
    #[must_use]
    pub fn media(error: &MediaError) -> Self {
        match error {
            MediaError::Unsupported { .. } | MediaError::Charset { .. } => {
                Self::new(Reason::UnsupportedMediaType, error.to_string())
            }
            MediaError::Parts(_) => Self::new(Reason::InvalidContentType, error.to_string()),
        }
    }

    /// 404 or 405: no route matches the request.
    #[must_use]
    pub fn miss(miss: Miss, method: &Method, path: &str) -> Self {
        // RFC 9110, section 9.3.2: HEAD gets the header fields that GET would get, including its length.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let (method, path) = (quote::beginning(method.as_str(), METHOD), quote::beginning(path, quote::MOST));
        match miss {
            Miss::Path { near } => {
                let near = did_you_mean(near.as_deref());
                Self::new(Reason::RouteNotFound, format!("no route matches {method} {path}{near}"))
            }
            Miss::Dots => Self::new(Reason::InvalidPath, miss.to_string()),
            Miss::Method { allowed } => {
                let allow = allowed.join(", ");
                let message = format!("method {method} is not allowed for {path}; allowed: {allow}");
                Self::new(Reason::MethodNotAllowed, message).with_header(ALLOW, allow)
            }
            Miss::Keys(keys) => {
                let violation =
                    |key: &String| WrongField::new(key, "cannot be combined with the others", Defect::Unexpected);
                let refusal = Self::new(Reason::QueryParametersConflict, keys.to_string());
                refusal.with_violations(keys.keys.iter().map(violation))
            }
        }
    }

    /// The response to OPTIONS for a path without its own OPTIONS rule: the methods of the path.
    #[must_use]
    pub fn options(allowed: &[String]) -> Response {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if let Ok(allow) = HeaderValue::try_from(allowed.join(", ")) {
            response.headers_mut().insert(ALLOW, allow);
        }
        response
    }

    /// 400: the query string cannot be parsed.
    #[must_use]
    pub fn query(error: &QueryError) -> Self {
        let violation = match error {
            QueryError::System { key, problem } if key.len() <= MOST_TWICE => {
                Some(WrongField::new(key, problem, Defect::Invalid))
            }
            _ => None,
        };
        let reason = match error {
            QueryError::TooLong { .. } => Reason::UriTooLong,
            QueryError::TooMany { .. } => Reason::TooManyQueryParameters,
            QueryError::System { problem: SystemProblem::Unknown, .. } => Reason::UnknownQueryParameter,
            QueryError::System { .. } | QueryError::Text { .. } | QueryError::NoKey { .. } => {
                Reason::InvalidQueryParameter
            }
        };
        Self::new(reason, error.to_string()).with_violations(violation)
    }

    /// 400: the request cannot be converted to a message. Names the field, what was expected, and what was found.
    #[must_use]
    pub fn encode(error: &EncodeError) -> Self {
        let of_field = |(field, problem): (&str, String)| WrongField::new(field, problem, defect::of_field(error));
        let violation = error.violation().map(of_field);
        Self::new(defect::reason_of(error), error.to_string()).with_violations(violation)
    }

    /// The request breaks a rule of HTTP/1.1.
    #[must_use]
    pub fn malformed(violation: server::Violation) -> Self {
        let reason = match violation.status() {
            StatusCode::URI_TOO_LONG => Reason::UriTooLong,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Reason::HeadersTooLarge,
            StatusCode::NOT_IMPLEMENTED => Reason::TransferCodingNotSupported,
            StatusCode::HTTP_VERSION_NOT_SUPPORTED => Reason::HttpVersionNotSupported,
            StatusCode::EXPECTATION_FAILED => Reason::ExpectationNotSupported,
            StatusCode::MISDIRECTED_REQUEST => Reason::ClientCertificateExpired,
            _ => Reason::MalformedRequest,
        };
        Self::new(reason, violation.to_string())
    }

    /// 400: the body ended with this error.
    #[must_use]
    pub fn body_broke_off(error: &(dyn std::error::Error + 'static)) -> Self {
        if error.is::<NotBase64>() {
            return Self::frame(NotBase64.to_string());
        }
        match server::Violation::within(error) {
            Some(violation) => Self::malformed(violation),
            None => Self::new(
                Reason::BodyIncomplete,
                "the body is incomplete: the connection or stream ended before it did",
            ),
        }
    }

    /// 431: the head has too many headers, or they are too long.
    #[must_use]
    pub fn headers_too_large(most: usize, limit: usize) -> Self {
        Self::malformed(server::Violation::HeadTooLarge { fields: most, bytes: limit })
    }

    /// 416: the requested range has no byte in common with a body of `length` bytes.
    ///
    /// RFC 9110, section 14.4: `Content-Range` gives the length of the body.
    #[must_use]
    pub fn range(length: usize) -> Self {
        let message = format!("header range: none of the requested bytes exist; the reply has {length} bytes");
        let refusal = Self::of(Fate::Answered, Reason::RangeNotSatisfiable, message);
        refusal.with_header(CONTENT_RANGE, format!("bytes */{length}"))
    }

    /// 413: the body is larger than its limit.
    #[must_use]
    pub fn body_too_large(limit: usize) -> Self {
        Self::new(Reason::BodyTooLarge, format!("the body is larger than the limit of {limit} bytes"))
    }

    /// 415: the `Content-Encoding` is not supported.
    ///
    /// RFC 9110, section 15.5.16: `Accept-Encoding` shows that the coding is the problem, and which one is supported.
    #[must_use]
    pub fn coding(takes_gzip: bool) -> Self {
        let (message, accepted) = match takes_gzip {
            true => {
                ("header content-encoding: only gzip is supported; send the body with gzip, or not compressed", "gzip")
            }
            false => (
                "header content-encoding: compressed bodies are not accepted here; send the body not compressed",
                "identity",
            ),
        };
        Self::new(Reason::UnsupportedContentEncoding, message).with_header(ACCEPT_ENCODING, accepted.to_owned())
    }

    /// The body cannot be split into messages.
    #[must_use]
    pub fn split(error: &SplitError) -> Self {
        let reason = match error {
            SplitError::TooLarge { .. } => Reason::MessageTooLarge,
            _ => Reason::MalformedJson,
        };
        Self::new(reason, error.to_string())
    }

    /// The body is not valid gzip, or expands to too much.
    #[must_use]
    pub fn gzip(error: &GzipError) -> Self {
        let reason = match error {
            GzipError::Size { .. } | GzipError::Ratio { .. } => Reason::BodyTooLarge,
            GzipError::Cut | GzipError::Malformed | GzipError::Trailing => Reason::MalformedGzip,
        };
        Self::new(reason, error.to_string())
    }
}
