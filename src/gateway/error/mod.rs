//! Every refusal as the caller sees it: an HTTP status and a body in one of several forms.
//!
//! One table from gRPC codes to HTTP statuses (google/rpc/code.proto, "HTTP Mapping", or the operator's own), one place that
//! says which details leave and which do not, one that says how a body looks. Nothing here names an address, a file or our code.

mod call;
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

use crate::gateway::answer::{Body, Response};
use crate::route::{Query, Route};
use crate::schema::Schema;
use crate::schema::generated::google::rpc;
use crate::upstream::Fate;
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
    /// What became of the call.
    fate: Fate,
    /// Headers of ours.
    headers: Box<HeaderMap>,
    /// Metadata of the backend, of which a part may become headers.
    pub metadata: Box<HeaderMap>,
}

impl Refusal {
    /// A refusal of ours, before anything was sent.
    pub fn new(http: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self::of(Fate::NotSent, (http, code), message)
    }

    /// A refusal of ours, and what became of its call.
    pub(super) fn of(fate: Fate, (http, code): (StatusCode, Code), message: impl Into<String>) -> Self {
        Self {
            fate,
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
            ..Self::of(Fate::Answered, (http_status(status.code()), status.code()), message_of(status, asked))
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

    /// Whether the backend may have acted on the call.
    #[must_use]
    pub fn fate(&self) -> Fate {
        self.fate
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
