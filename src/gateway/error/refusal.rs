//! An answer that is not the reply: what it says, whatever form it then has.

use std::sync::Arc;

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use prost::Message as _;
use serde_json::{Value, json};
use tonic::Code;

use super::defect::{self, Defect, WrongField};
use super::detail;
use super::reason::{DOMAIN, Party, Reason};
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
    /// The form of its route; none where no route is known.
    pub(super) form: Option<Form>,
    /// Why Towbar refuses; none where the status is the backend's.
    pub(super) reason: Option<Reason>,
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
    /// Who refuses.
    #[must_use]
    pub fn party(&self) -> Party {
        match (self.reason, self.is_of_call) {
            (None, _) => Party::Backend,
            (Some(_), true) => Party::Upstream,
            (Some(_), false) => Party::Gateway,
        }
    }

    /// Why Towbar refuses; `None` where the backend does.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// A refusal of ours, before anything was sent.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self::of(Fate::NotSent, reason, message)
    }

    /// A refusal of ours, and what became of its call.
    pub(super) fn of(fate: Fate, reason: Reason, message: impl Into<String>) -> Self {
        Self { reason: Some(reason), ..Self::of_backend(fate, (reason.http_status(), reason.code()), message.into()) }
    }

    /// A status of the backend.
    pub(super) fn of_backend(fate: Fate, (http, code): (StatusCode, Code), message: String) -> Self {
        Self {
            fate,
            http,
            code,
            message,
            details: Vec::new(),
            violations: Vec::new(),
            form: None,
            reason: None,
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

    /// What a backend has refused, for tests.
    #[cfg(test)]
    pub(crate) fn status_of(http: StatusCode, code: Code, message: &str) -> Self {
        Self::of_backend(Fate::NotSent, (http, code), message.to_owned())
    }

    /// The refusal with the HTTP status of its code in this table, if the backend refuses. What Towbar itself refuses keeps its status, which
    /// says more than the code, such as whether the call was sent.
    #[must_use]
    pub fn in_table(self, statuses: &Statuses) -> Self {
        let http = if self.reason.is_none() { statuses.of(self.code) } else { self.http };
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

    /// The details as callers see them: those of the backend, or [`Reason`] and fields of Towbar's own.
    pub(super) fn told_details(&self) -> Vec<Value> {
        let info = self.reason.map(|reason| {
            json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason.name(), "domain": DOMAIN })
        });
        info.into_iter().chain(self.details.iter().cloned()).collect()
    }

    /// What is wrong, where no field is.
    pub(super) fn defect(&self) -> Defect {
        self.reason.map_or(Defect::Other, Reason::defect)
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
