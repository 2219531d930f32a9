//! Every refusal as the caller sees it: an HTTP status and a `google.rpc.Status` in JSON.
//!
//! One table from gRPC codes to HTTP statuses (google/rpc/code.proto, "HTTP Mapping"), one place that says which details
//! leave and which do not. Nothing here names an address, a file or our code.

mod detail;

use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, HeaderName, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use prost::Message as _;
use serde_json::{Map, Value, json};
use tonic::Code;

use crate::answer::{Body, Response};
use crate::protos::google::rpc;
use crate::route::{EncodeError, Miss, QueryError};
use crate::schema::Schema;
use crate::upstream::CallError;

/// Reply headers that repeat the gRPC status, for clients that look there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusHeaders {
    /// Has the code as a number.
    pub status: HeaderName,
    /// Has the message, percent-encoded as gRPC over HTTP/2 encodes `grpc-message`.
    pub message: HeaderName,
}

/// An answer that is not the reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    http: StatusCode,
    code: Code,
    message: String,
    details: Vec<Value>,
    allow: Option<String>,
    /// Metadata of the backend, of which a part may become headers.
    pub metadata: Box<HeaderMap>,
}

impl Refusal {
    /// A refusal of ours.
    pub fn new(http: StatusCode, code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { http, code, message, details: Vec::new(), allow: None, metadata: Box::default() }
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
                Self { allow: Some(allow), ..refusal }
            }
            Miss::Keys(keys) => {
                let violations = keys.keys.iter().map(|key| (key.as_str(), "does not go with the others".to_owned()));
                Self::bad_request(keys.to_string()).with_violations(violations)
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
        let violation = match error {
            QueryError::System { key, problem } => Some((key.as_str(), problem.to_string())),
            _ => None,
        };
        Self::bad_request(error.to_string()).with_violations(violation.into_iter())
    }

    /// A request that cannot become a message: which field, what was expected, what was found.
    #[must_use]
    pub fn encode(error: &EncodeError) -> Self {
        Self::bad_request(error.to_string()).with_violations(error.violation().into_iter())
    }

    /// A head that is no HTTP/1.1, or too large a one.
    #[must_use]
    pub fn malformed(http: StatusCode) -> Self {
        match http {
            StatusCode::URI_TOO_LONG => Self::new(http, Code::ResourceExhausted, "the request target is too long"),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                Self::new(http, Code::ResourceExhausted, "the request has too many headers, or too long ones")
            }
            _ => Self::new(http, Code::InvalidArgument, "the request is not HTTP/1.1 as RFC 9112 has it"),
        }
    }

    /// A call that gave no reply. What the log should know besides is in the error itself.
    #[must_use]
    pub fn call(error: CallError, schema: &Schema) -> Self {
        match error {
            CallError::Status { status, metadata } => Self::status(&status, metadata, schema),
            CallError::Deadline => {
                let message = "the backend did not answer in time; the outcome of the call is unknown";
                Self::new(StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded, message)
            }
            CallError::Unsent => {
                let message = "there was no connection to the backend in time; the call was not sent";
                Self::new(StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded, message)
            }
            CallError::Unreachable { .. } => {
                let message = "the backend cannot be reached; the call was not sent";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, message)
            }
            CallError::Untouched { .. } => {
                let message = "the backend did not take the call; nothing was done";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, message)
            }
            CallError::Lost { .. } => Self::bad_gateway(
                Code::Unknown,
                "the connection to the backend was lost during the call; its outcome is unknown",
            ),
            CallError::Protocol { .. } => Self::bad_gateway(
                Code::Internal,
                "the backend's answer cannot be read; the outcome of the call is unknown",
            ),
            CallError::TooLarge { limit, .. } => {
                let message = format!("the backend's reply is larger than the limit of {limit} bytes");
                Self::bad_gateway(Code::ResourceExhausted, message)
            }
        }
    }

    /// A reply that is no message of its type.
    #[must_use]
    pub fn undecodable() -> Self {
        Self::bad_gateway(Code::Internal, "the backend's reply cannot be read; the call itself has succeeded")
    }

    /// A message of a stream that is none of its type.
    #[must_use]
    pub fn undecodable_message() -> Self {
        Self::bad_gateway(Code::Internal, "a message of the backend cannot be read; the outcome of the call is unknown")
    }

    /// A fault of ours.
    #[must_use]
    pub fn internal() -> Self {
        let message = "an internal error; the outcome of the call is unknown";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, message)
    }

    /// The same with words before and behind its message.
    #[must_use]
    pub fn explained(mut self, before: &str, behind: Option<&str>) -> Self {
        self.message = format!("{before}: {}", self.message);
        if let Some(behind) = behind {
            self.message = format!("{}; {behind}", self.message);
        }
        self
    }

    fn bad_gateway(code: Code, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, code, message)
    }

    fn status(status: &tonic::Status, metadata: HeaderMap, schema: &Schema) -> Self {
        let details = rpc::Status::decode(status.details()).map_or(Vec::new(), |status| status.details);
        let details = details.iter().filter_map(|any| detail::json(&any.type_url, &any.value, schema));
        Self {
            http: http_status(status.code()),
            code: status.code(),
            message: status.message().to_owned(),
            details: details.collect(),
            allow: None,
            metadata: Box::new(metadata),
        }
    }

    fn with_violations<'a>(mut self, violations: impl Iterator<Item = (&'a str, String)>) -> Self {
        let field_violations: Vec<_> = violations
            .map(|(field, description)| rpc::bad_request::FieldViolation {
                field: field.to_owned(),
                description,
                ..Default::default()
            })
            .collect();
        if !field_violations.is_empty() {
            let detail = rpc::BadRequest { field_violations }.encode_to_vec();
            self.details.extend(detail::known("google.rpc.BadRequest", &detail));
        }
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn http_status(&self) -> StatusCode {
        self.http
    }

    /// The answer: complete, with its length, and without anything that relies on trailers.
    #[must_use]
    pub fn into_response(self, names: Option<&StatusHeaders>) -> Response {
        self.into_text(names).map(Body::from)
    }

    /// The `google.rpc.Status`, in one line.
    #[must_use]
    pub fn status_json(&self) -> String {
        let mut body = Map::new();
        body.insert("code".to_owned(), json!(self.code as i32));
        if !self.message.is_empty() {
            body.insert("message".to_owned(), json!(self.message));
        }
        if !self.details.is_empty() {
            body.insert("details".to_owned(), json!(self.details));
        }
        Value::Object(body).to_string()
    }

    /// The same with its body as text.
    #[must_use]
    pub fn into_text(self, names: Option<&StatusHeaders>) -> http::Response<String> {
        let mut response = http::Response::new(self.status_json());
        *response.status_mut() = self.http;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
            headers.insert(ALLOW, allow);
        }
        if let Some(names) = names {
            status_headers(headers, names, self.code, &self.message);
        }
        response
    }
}

/// Adds the headers that repeat the gRPC status.
pub fn status_headers(headers: &mut HeaderMap, names: &StatusHeaders, code: Code, message: &str) {
    /// gRPC over HTTP/2, `Percent-Encoded`: all but printable ASCII, and `%` itself.
    const ENCODED: AsciiSet = CONTROLS.add(b'%');
    headers.insert(names.status.clone(), HeaderValue::from(code as i32));
    let message = percent_encode(message.as_bytes(), &ENCODED).to_string();
    if let Some(message) = HeaderValue::try_from(message).ok().filter(|message| !message.is_empty()) {
        headers.insert(names.message.clone(), message);
    }
}

/// google/rpc/code.proto, "HTTP Mapping".
#[must_use]
pub fn http_status(code: Code) -> StatusCode {
    let status = match code {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
    };
    StatusCode::from_u16(status).expect("each of them is a status code")
}
