//! Every refusal as the caller sees it: an HTTP status and a body in one of several forms.
//!
//! One table from gRPC codes to HTTP statuses (google/rpc/code.proto, "HTTP Mapping", or the operator's own), one place that
//! says which details leave and which do not, one that says how a body looks. Nothing here names an address, a file or our code.

mod detail;
mod fault;
mod form;
mod request;
mod statuses;
mod timer;
mod visible;

use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, HeaderName, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use prost::Message as _;
use serde_json::Value;
use tonic::Code;

use crate::codec::{DecodeError, DecodeProblem};
use crate::gateway::answer::{Body, Response};
use crate::limits::pace::Rate;
use crate::route::{Query, Route};
use crate::schema::Schema;
use crate::schema::generated::google::rpc;
use crate::upstream::CallError;
use fault::{Fault, Violation};

pub use form::Form;
pub use statuses::{ERRORS, Statuses, code_name, http_status};
pub use timer::{ENDLESS, Timer, Whose};

/// Reply headers that repeat the gRPC status, for clients that look there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusHeaders {
    /// Has the code as a number.
    pub status: HeaderName,
    /// Has the message, percent-encoded as gRPC over HTTP/2 encodes `grpc-message`.
    pub message: HeaderName,
}

/// What of a backend's status callers get to see. The default is that of the configuration's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exposure {
    /// Whether a neutral text stands in the place of the messages of INTERNAL, UNKNOWN and DATA_LOSS.
    pub hides_internal_messages: bool,
    /// Whether details of a type that nobody here knows are shown, as bytes.
    pub shows_unknown_details: bool,
}

/// The request that a call was made for, in which the caller finds what a backend names.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Types of details.
    pub schema: &'a Schema,
    /// Where the request went.
    pub route: &'a Route,
    /// Its query.
    pub query: &'a Query,
    /// Its body, if that was JSON.
    pub json: Option<&'a [u8]>,
    /// How long it may take.
    pub timer: &'a Timer,
    /// What callers are told about its status.
    pub exposure: Exposure,
}

/// An answer that is not the reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    http: StatusCode,
    code: Code,
    message: String,
    details: Vec<Value>,
    /// What `details` says of fields.
    violations: Vec<Violation>,
    /// What is wrong, where no field is.
    fault: Fault,
    /// The form of its route; none where no route is known.
    form: Option<Form>,
    /// Whether the status is the backend's, and not one that Towbar gives a call.
    is_backends: bool,
    /// Whether it is an answer to a call whose stream would have had the framing of grpc-gateway.
    is_only_line: bool,
    /// Whether a call of the backend came to this: the log has its end already.
    is_of_call: bool,
    /// The place of its route; none where no route is known.
    route: Option<usize>,
    /// Headers of ours.
    headers: Box<HeaderMap>,
    /// Metadata of the backend, of which a part may become headers.
    pub metadata: Box<HeaderMap>,
}

impl Refusal {
    /// A refusal of ours.
    pub fn new(http: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self {
            http,
            code,
            message: message.into(),
            details: Vec::new(),
            violations: Vec::new(),
            fault: Fault::Other,
            form: None,
            is_backends: false,
            is_only_line: false,
            is_of_call: false,
            route: None,
            headers: Box::default(),
            metadata: Box::default(),
        }
    }

    /// The same in the form of its route.
    #[must_use]
    pub fn in_form(self, form: Form) -> Self {
        Self { form: Some(form), ..self }
    }

    /// The same on the route of this place.
    #[must_use]
    pub fn on_route(self, place: usize) -> Self {
        Self { route: Some(place), ..self }
    }

    /// What the log says of a request that is refused though no call has failed: status, code and the place of the route. The message
    /// may quote the request.
    #[must_use]
    pub fn refused(&self) -> Option<(StatusCode, Code, Option<usize>)> {
        let is_refused = self.http.is_client_error() || self.http == StatusCode::SERVICE_UNAVAILABLE;
        (is_refused && !self.is_of_call).then_some((self.http, self.code, self.route))
    }

    /// The refusal with the HTTP status of its code in this table, if the backend refuses. What Towbar itself refuses keeps its status, which
    /// says more than the code, such as whether the call was sent.
    #[must_use]
    pub fn in_table(self, statuses: &Statuses) -> Self {
        let http = if self.is_backends { statuses.of(self.code) } else { self.http };
        Self { http, ..self }
    }

    /// A call that gave no reply. What the log should know besides is in the error itself.
    #[must_use]
    pub fn call(error: CallError, asked: Asked<'_>) -> Self {
        Self { is_of_call: true, ..Self::of_call(error, asked) }
    }

    fn of_call(error: CallError, asked: Asked<'_>) -> Self {
        match error {
            CallError::Status { status, metadata } => Self::status(&status, metadata, asked),
            CallError::Deadline => {
                let message =
                    format!("the backend did not answer within {}; the outcome of the call is unknown", asked.timer);
                Self::new(StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded, message)
            }
            CallError::DeadlineAfter { messages } => {
                let came = if messages == 1 { "1 message".to_owned() } else { format!("{messages} messages") };
                let message = format!(
                    "the stream did not end within {}; {came} had come, and the outcome of the call is unknown",
                    asked.timer
                );
                Self::new(StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded, message)
            }
            CallError::Stopped => Self::bad_gateway(
                Code::Unavailable,
                "the gateway is shutting down and has ended the call; its outcome is unknown",
            ),
            CallError::Unsent => {
                let message =
                    format!("there was no connection to the backend within {}; the call was not sent", asked.timer);
                Self::new(StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded, message)
            }
            CallError::Full { most } => {
                let message =
                    format!("{most} calls of the backend are in flight, as many as may be; the call was not sent");
                Self::too_many_calls(message)
            }
            CallError::Taken { streams } => Self::too_many_calls(format!(
                "the backend takes no more than the {streams} streams that are in flight; the call was not sent"
            )),
            CallError::Connection { most } => Self::too_many_calls(format!(
                "{most} calls of this connection are in flight at the backend, as many as it may have; the call was not sent"
            )),
            CallError::Crowded { most } => Self::too_many_calls(format!(
                "nearly all of the {most} calls that the backend may have in flight are under way, and this caller has its part of \
                 them; the call was not sent"
            )),
            CallError::Queued => {
                let message = format!("the call waited for others to end, for {}; it was not sent", asked.timer);
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
            CallError::NoStatus { http, .. } => Self::no_status(http),
            CallError::NoMemory { .. } => {
                let message =
                    "the gateway has no memory left for the backend's reply; the outcome of the call is unknown";
                Self::bad_gateway(Code::ResourceExhausted, message)
            }
            CallError::NoRoom => Self::no_memory(),
            CallError::TooLarge { limit, .. } => {
                let message = format!("the backend's reply is larger than the limit of {limit} bytes");
                Self::bad_gateway(Code::ResourceExhausted, message)
            }
        }
    }

    /// An answer without a gRPC status. Its code is that of gRPC's mapping; its HTTP status is 502 where 503 or 504 would say more of the call
    /// than is known.
    fn no_status(answered: StatusCode) -> Self {
        let code = CallError::code_of_http(answered);
        let http = match code {
            Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => http_status(code),
            _ => StatusCode::BAD_GATEWAY,
        };
        let message = match answered {
            StatusCode::OK => "the backend's answer cannot be read; the outcome of the call is unknown".to_owned(),
            _ => format!(
                "the backend, or a proxy before it, answered HTTP {} without a gRPC status; the outcome of the call is unknown",
                answered.as_u16()
            ),
        };
        Self::new(http, code, message)
    }

    /// No memory for a request: nothing was sent.
    #[must_use]
    pub fn no_memory() -> Self {
        let message = "the gateway has no memory left for the request; the call was not sent";
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, message);
        refusal.with_header(RETRY_AFTER, "1".to_owned())
    }

    /// The connection holds answers that its caller does not take: nothing was sent.
    #[must_use]
    pub fn untaken_answers() -> Self {
        let message = "answers on this connection that were not read hold as much memory as one connection may have; the call was \
                       not sent";
        Self::too_many_calls(message)
    }

    fn too_many_calls(message: impl Into<String>) -> Self {
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, message);
        refusal.with_header(RETRY_AFTER, "1".to_owned())
    }

    /// No memory for a message of a request that has several.
    #[must_use]
    pub fn no_memory_for_message() -> Self {
        let message = "the gateway has no memory left for it";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::ResourceExhausted, message)
    }

    /// No memory for the JSON of a reply.
    #[must_use]
    pub fn no_memory_for_reply() -> Self {
        let message = "the gateway has no memory left for the reply's JSON; the call itself has succeeded";
        Self::bad_gateway(Code::ResourceExhausted, message)
    }

    /// A body that did not arrive.
    #[must_use]
    pub fn body_late(timer: &Timer) -> Self {
        let message = format!("the body did not arrive within {timer}");
        Self::new(StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded, message)
    }

    /// A body that comes too slowly.
    #[must_use]
    pub fn body_slow(rate: Rate) -> Self {
        let Rate { bytes, over } = rate;
        let message = format!("expected a body of at least {bytes} bytes a second, and less came for {over:?}");
        Self::new(StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded, message)
    }

    /// A reply that is no message of its type, or has too large a JSON form.
    #[must_use]
    pub fn undecodable(error: &DecodeError) -> Self {
        if let DecodeProblem::TooLarge { limit } = error.problem {
            let message =
                format!("the reply's JSON is larger than the limit of {limit} bytes; the call itself has succeeded");
            return Self::bad_gateway(Code::ResourceExhausted, message);
        }
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

    fn status(status: &tonic::Status, metadata: HeaderMap, asked: Asked<'_>) -> Self {
        let mut details = rpc::Status::decode(status.details()).map_or(Vec::new(), |status| status.details);
        details.iter_mut().for_each(|any| fault::name_for_caller(any, asked));
        let retry = details.iter().find_map(detail::retry_delay);
        let shows_unknown = asked.exposure.shows_unknown_details;
        let refusal = Self {
            violations: details.iter().flat_map(fault::violations).collect(),
            details: details
                .iter()
                .filter_map(|any| detail::json(&any.type_url, &any.value, asked.schema, shows_unknown))
                .collect(),
            metadata: Box::new(metadata),
            is_backends: true,
            ..Self::new(http_status(status.code()), status.code(), message_of(status, asked))
        };
        match retry {
            Some(seconds) => refusal.with_header(RETRY_AFTER, seconds.to_string()),
            None => refusal,
        }
    }

    /// The same with a header of ours.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: String) -> Self {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(name, value);
        }
        self
    }

    fn with_violations(mut self, violations: impl IntoIterator<Item = Violation>) -> Self {
        self.violations.extend(violations);
        if !self.violations.is_empty() {
            let detail = fault::bad_request(&self.violations).encode_to_vec();
            self.details.extend(detail::known("google.rpc.BadRequest", &detail));
        }
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn http_status(&self) -> StatusCode {
        self.http
    }

    /// The gRPC code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// `google.rpc.Status` in JSON, whatever the form of the route: for the end of a stream that has begun.
    #[must_use]
    pub fn to_status_json(&self) -> String {
        Form::Status.body(self).to_string()
    }

    /// What the last line of a stream in the framing of grpc-gateway has under `error`: in the form of the route, if that is one of its.
    #[must_use]
    pub fn to_grpc_gateway_json(&self, form: Form) -> String {
        form.of_stream(self).to_string()
    }

    /// The same as the only line of a stream in the framing of grpc-gateway: its error stands in a member `error`.
    #[must_use]
    pub fn as_only_line(self) -> Self {
        Self { is_only_line: true, ..self }
    }

    /// The answer: complete, with its length, and without anything that relies on trailers. `form` is that of the answers
    /// whose route is not known.
    #[must_use]
    pub fn into_response(self, form: Form, names: Option<&StatusHeaders>) -> Response {
        self.into_text(form, names).map(Body::from)
    }

    /// The same with its body as text.
    #[must_use]
    pub fn into_text(self, form: Form, names: Option<&StatusHeaders>) -> http::Response<String> {
        let form = self.form.unwrap_or(form);
        let body = match self.is_only_line {
            true => format!("{{\"error\":{}}}\n", form.of_stream(&self)),
            false => form.body(&self).to_string(),
        };
        let content_type = if self.is_only_line { "application/json" } else { form.content_type() };
        let mut response = http::Response::new(body);
        *response.status_mut() = self.http;
        let headers = response.headers_mut();
        *headers = *self.headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(names) = names {
            status_headers(headers, names, self.code, &self.message);
        }
        response
    }
}

/// The backend's text, where callers may see it. A 504 says whose time was over, this one too.
fn message_of(status: &tonic::Status, asked: Asked<'_>) -> String {
    match (status.code(), status.message()) {
        (code @ (Code::Internal | Code::Unknown | Code::DataLoss), message)
            if asked.exposure.hides_internal_messages =>
        {
            let (rpc, name) = (&asked.route.rpc.name, code_name(code));
            if !message.is_empty() {
                // The text may hold what callers must not see, and logs are read by more people than the backend's own.
                tracing::info!(rpc, code = name, "the message of the backend's status is hidden from the caller");
                tracing::debug!(rpc, code = name, message, "the message that is hidden");
            }
            format!("the backend answered {name}")
        }
        (Code::DeadlineExceeded, "") => "the backend answered DEADLINE_EXCEEDED".to_owned(),
        (Code::DeadlineExceeded, message) => format!("the backend answered DEADLINE_EXCEEDED: {message}"),
        (_, message) => message.to_owned(),
    }
}

/// Adds the headers that repeat the gRPC status. Of a long message they have the start: HTTP/1.1 proxies take no long head.
pub fn status_headers(headers: &mut HeaderMap, names: &StatusHeaders, code: Code, message: &str) {
    /// gRPC over HTTP/2, `Percent-Encoded`: all but printable ASCII, and `%` itself.
    const ENCODED: AsciiSet = CONTROLS.add(b'%');
    /// In bytes, before they are encoded.
    const LONGEST: usize = 1 << 10;
    headers.insert(names.status.clone(), HeaderValue::from(code as i32));
    let start = &message[..message.floor_char_boundary(LONGEST)];
    let message = percent_encode(start.as_bytes(), &ENCODED).to_string();
    if let Some(message) = HeaderValue::try_from(message).ok().filter(|message| !message.is_empty()) {
        headers.insert(names.message.clone(), message);
    }
}
