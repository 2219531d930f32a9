//! An error response, independent of the form in which it is written.

use std::sync::Arc;

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use prost::Message as _;
use serde_json::{Value, json};
use tonic::Code;

use super::defect::{self, Defect, WrongField};
use super::detail::{self, Detail};
use super::reason::{DOMAIN, Party, Reason};
use crate::caller::Denied;
use crate::route::policy::{Form, Statuses};
use crate::upstream::Fate;

/// A response that is not the reply to the call.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub(super) http: StatusCode,
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) details: Vec<Detail>,
    /// The wrong fields that `details` names.
    pub(super) violations: Vec<WrongField>,
    /// The error form of the route; `None` while no route is known.
    pub(super) form: Option<Form>,
    /// Why Towbar refuses; `None` if the status is the backend's.
    pub(super) reason: Option<Reason>,
    /// Whether the response is the only line of a stream with grpc-gateway's framing.
    pub(super) is_only_line: bool,
    /// Whether this is the end of a call to the backend, which the log already reports.
    pub(super) is_of_call: bool,
    /// Why the caller is not admitted, if that is the reason. Only the log shows it.
    pub(super) denied: Option<Arc<Denied>>,
    /// What happened to the call.
    pub(super) fate: Fate,
    /// Response headers that Towbar adds.
    pub(super) headers: Box<HeaderMap>,
    /// The metadata of the backend. The configuration decides which of it becomes response headers.
    pub metadata: Box<HeaderMap>,
}

impl Refusal {
    /// The party that refuses.
    #[must_use]
    pub fn party(&self) -> Party {
        match (self.reason, self.is_of_call) {
            (None, _) => Party::Backend,
            (Some(_), true) => Party::Upstream,
            (Some(_), false) => Party::Gateway,
        }
    }

    /// Why Towbar refuses; `None` if the backend refuses.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// A refusal by Towbar, before anything was sent to the backend.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self::of(Fate::NotSent, reason, message)
    }

    /// A refusal by Towbar; `fate` says what happened to the call.
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

    /// Sets the error form.
    #[must_use]
    pub fn in_form(self, form: Form) -> Self {
        Self { form: Some(form), ..self }
    }

    /// A refusal by a backend, for tests.
    #[cfg(test)]
    pub(crate) fn status_of(http: StatusCode, code: Code, message: &str) -> Self {
        Self::of_backend(Fate::NotSent, (http, code), message.to_owned())
    }

    /// Sets the HTTP status from this table if the backend refuses. A refusal by Towbar keeps its status, which says
    /// more than the code, such as whether the call was sent.
    #[must_use]
    pub fn in_table(self, statuses: &Statuses) -> Self {
        let http = if self.reason.is_none() { statuses.of(self.code) } else { self.http };
        Self { http, ..self }
    }

    /// Adds a response header.
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
            self.details.extend(detail::known("type.googleapis.com/google.rpc.BadRequest", &detail));
        }
        self
    }

    /// The details as callers see them: those of the backend, or Towbar's own [`Reason`] and wrong fields.
    pub(super) fn told_details(&self) -> Vec<Value> {
        let info = self.reason.map(|reason| {
            json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason.name(), "domain": DOMAIN })
        });
        info.into_iter().chain(self.details.iter().map(|detail| detail.json.clone())).collect()
    }

    /// The kind of defect if no single field is wrong.
    pub(super) fn defect(&self) -> Defect {
        self.reason.map_or(Defect::Other, Reason::defect)
    }

    #[must_use]
    pub fn http_status(&self) -> StatusCode {
        self.http
    }

    /// What happened to the call: whether the backend may have acted on it.
    #[must_use]
    pub fn fate(&self) -> Fate {
        self.fate
    }

    /// Why the caller is not admitted, if that is the reason. Only the log shows it.
    pub(crate) fn why_denied(&self) -> Option<&Arc<Denied>> {
        self.denied.as_ref()
    }

    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// Makes this the only line of a stream with grpc-gateway's framing, in which the error is in a member `error`.
    #[must_use]
    pub fn as_only_line(self) -> Self {
        Self { is_only_line: true, ..self }
    }
}
