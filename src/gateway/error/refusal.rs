//! An answer that is not the reply: what it says, whatever form it then has.

use std::sync::Arc;

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use prost::Message as _;
use serde_json::Value;
use tonic::Code;

use super::defect::{self, Defect, WrongField};
use super::detail;
use crate::caller::Denied;
use crate::route::policy::{Form, Statuses};
use crate::upstream::Fate;

/// An answer that is not the reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub(super) http: StatusCode,
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) details: Vec<Value>,
    /// What `details` says of fields.
    pub(super) violations: Vec<WrongField>,
    /// What is wrong, where no field is.
    pub(super) defect: Defect,
    /// The form of its route; none where no route is known.
    pub(super) form: Option<Form>,
    /// Whether the status is the backend's, and not one that Towbar gives a call.
    pub(super) is_backends: bool,
    /// Whether it is an answer to a call whose stream would have had the framing of grpc-gateway.
    pub(super) is_only_line: bool,
    /// Whether a call of the backend came to this: the log has its end already.
    pub(super) is_of_call: bool,
    /// Why its caller is not admitted, if that is it: for the log alone.
    pub(super) denied: Option<Arc<Denied>>,
    /// What became of the call.
    pub(super) fate: Fate,
    /// Headers of ours.
    pub(super) headers: Box<HeaderMap>,
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
            defect: Defect::Other,
            form: None,
            is_backends: false,
            is_only_line: false,
            is_of_call: false,
            denied: None,
            headers: Box::default(),
            metadata: Box::default(),
        }
    }

    /// The same in the form of its route.
    #[must_use]
    pub fn in_form(self, form: Form) -> Self {
        Self { form: Some(form), ..self }
    }

    /// The refusal with the HTTP status of its code in this table, if the backend refuses. What Towbar itself refuses keeps its status, which
    /// says more than the code, such as whether the call was sent.
    #[must_use]
    pub fn in_table(self, statuses: &Statuses) -> Self {
        let http = if self.is_backends { statuses.of(self.code) } else { self.http };
        Self { http, ..self }
    }

    /// The same with a header of ours.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: String) -> Self {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(super) fn with_violations(mut self, violations: impl IntoIterator<Item = WrongField>) -> Self {
        self.violations.extend(violations);
        if !self.violations.is_empty() {
            let detail = defect::bad_request(&self.violations).encode_to_vec();
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

    /// Why its caller is not admitted, if that is it: for the log alone.
    pub(crate) fn why_denied(&self) -> Option<&Arc<Denied>> {
        self.denied.as_ref()
    }

    /// The gRPC code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The same as the only line of a stream in the framing of grpc-gateway: its error stands in a member `error`.
    #[must_use]
    pub fn as_only_line(self) -> Self {
        Self { is_only_line: true, ..self }
    }
}
