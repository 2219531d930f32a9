//! Writes a refusal as the response to its request, or as the end of a stream.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use tonic::Code;

use super::body;
use super::refusal::Refusal;
use crate::gateway::answer::{Body, Response};
use crate::route::policy::Form;

/// Response headers that repeat the gRPC status, for clients that look for it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusHeaders {
    /// The header for the code, as a number.
    pub status: HeaderName,
    /// The header for the message, percent-encoded as gRPC over HTTP/2 encodes `grpc-message`.
    pub message: HeaderName,
}

impl Refusal {
    /// `google.rpc.Status` as JSON, whatever the error form of the route: for the end of a stream that has begun.
    #[must_use]
    pub fn to_status_json(&self) -> String {
        body::body(Form::Status, self).to_string()
    }

    /// The value of `error` in the last line of a stream with grpc-gateway's framing. It has the form of the route if
    /// that is one of grpc-gateway's, else it is a `google.rpc.Status`.
    #[must_use]
    pub fn to_grpc_gateway_json(&self, form: Form) -> String {
        body::of_stream(form, self).to_string()
    }

    /// The complete response, with its length and without trailers. `form` applies if the route of the request is not
    /// known.
    #[must_use]
    pub fn into_response(self, form: Form, names: Option<&StatusHeaders>) -> Response {
        self.into_text(form, names).map(Body::from)
    }

    /// The complete response with its body as text. `form` applies if the route of the request is not known.
    #[must_use]
    pub fn into_text(self, form: Form, names: Option<&StatusHeaders>) -> http::Response<String> {
        let form = self.form.unwrap_or(form);
        let body = match self.is_only_line {
            true => format!("{{\"error\":{}}}\n", body::of_stream(form, &self)),
            false => body::body(form, &self).to_string(),
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

/// Adds the headers that repeat the gRPC status. A long message is cut, since HTTP/1.1 proxies reject large heads.
pub fn status_headers(headers: &mut HeaderMap, names: &StatusHeaders, code: Code, message: &str) {
    /// gRPC over HTTP/2, `Percent-Encoded`: encodes everything but printable ASCII, and `%` itself.
    const ENCODED: AsciiSet = CONTROLS.add(b'%');
    /// The longest message in bytes, before encoding.
    const LONGEST: usize = 1 << 10;
    headers.insert(names.status.clone(), HeaderValue::from(code as i32));
    let start = &message[..message.floor_char_boundary(LONGEST)];
    let message = percent_encode(start.as_bytes(), &ENCODED).to_string();
    if let Some(message) = HeaderValue::try_from(message).ok().filter(|message| !message.is_empty()) {
        headers.insert(names.message.clone(), message);
    }
}
