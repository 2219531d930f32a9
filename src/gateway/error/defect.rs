//! What is wrong with a request, and in which of its fields.

use std::fmt;

use pbjson_types::Any;
use prost::Message as _;

use super::context::CallContext;
use super::reason::Reason;
use crate::codec::{BodyError, FieldProblem};
use crate::route::{EncodeError, QueryProblem, ValueProblem};
use crate::schema::generated::google::rpc;
use crate::schema::generated::google::rpc::bad_request::FieldViolation;

/// The kind of defect. Some error forms have a code for each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defect {
    /// A value is not valid for its field.
    Invalid,
    /// A required field is missing.
    Missing,
    /// A field is unknown, or not allowed in this place.
    Unexpected,
    /// The body as a whole is wrong.
    Body,
    /// A header is wrong.
    Header,
    /// Any other problem.
    Other,
}

impl Reason {
    /// The kind of defect that the request as a whole has.
    pub(super) fn defect(self) -> Defect {
        match self {
            Self::InvalidHeader
            | Self::IdempotencyKeyMissing
            | Self::IdempotencyKeyReused
            | Self::UnsupportedMediaType
            | Self::UnsupportedContentEncoding
            | Self::InvalidContentType
            | Self::RangeNotSatisfiable => Defect::Header,
            Self::BodyMissing
            | Self::BodyNotAllowed
            | Self::MalformedGzip
            | Self::MalformedJson
            | Self::MalformedForm
            | Self::InvalidBody
            | Self::UpdateMaskTooLong => Defect::Body,
            Self::UnknownQueryParameter | Self::UnknownField => Defect::Unexpected,
            Self::MissingField => Defect::Missing,
            Self::InvalidPathVariable
            | Self::InvalidQueryParameter
            | Self::InvalidField
            | Self::FieldConflict
            | Self::ValidationFailed => Defect::Invalid,
            _ => Defect::Other,
        }
    }
}

/// One wrong field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrongField {
    /// The field's name as the caller wrote it.
    pub(super) field: String,
    pub(super) description: String,
    pub(super) defect: Defect,
    /// The reason in `google.rpc.BadRequest`; empty if there is none.
    pub(super) reason: String,
}

impl WrongField {
    pub(super) fn new(field: &str, description: impl fmt::Display, defect: Defect) -> Self {
        Self { field: field.to_owned(), description: description.to_string(), defect, reason: String::new() }
    }
}

/// The reason why a request cannot be converted to a message.
pub(super) fn reason_of(error: &EncodeError) -> Reason {
    match error {
        EncodeError::Path { .. } => Reason::InvalidPathVariable,
        EncodeError::Query { problem, .. } => match problem {
            QueryProblem::Unknown { .. } => Reason::UnknownQueryParameter,
            _ => Reason::InvalidQueryParameter,
        },
        EncodeError::Form { problem, .. } => match problem {
            QueryProblem::Unknown { .. } => Reason::UnknownField,
            _ => Reason::InvalidField,
        },
        EncodeError::FormText(_) | EncodeError::FormIsJson => Reason::MalformedForm,
        EncodeError::Body(error) => of_body(error),
        EncodeError::Conflict { .. } => Reason::FieldConflict,
        EncodeError::MaskTooLong { .. } => Reason::UpdateMaskTooLong,
        EncodeError::BodyUnexpected { .. } => Reason::BodyNotAllowed,
        EncodeError::BodyMissing => Reason::BodyMissing,
    }
}

fn of_body(error: &BodyError) -> Reason {
    match &error.problem {
        FieldProblem::Json(_) => Reason::MalformedJson,
        FieldProblem::Required => Reason::MissingField,
        FieldProblem::Unknown { .. } => Reason::UnknownField,
        _ if error.field.is_empty() => Reason::InvalidBody,
        _ => Reason::InvalidField,
    }
}

/// The kind of defect of the field that the error names.
pub(super) fn of_field(error: &EncodeError) -> Defect {
    match error {
        EncodeError::Path { problem: ValueProblem::Field(problem), .. } => of_value(problem),
        EncodeError::Query { problem, .. } | EncodeError::Form { problem, .. } => match problem {
            QueryProblem::Unknown { .. } | QueryProblem::Body => Defect::Unexpected,
            QueryProblem::Field(problem) => of_value(problem),
            _ => Defect::Invalid,
        },
        EncodeError::Body(error) => of_value(&error.problem),
        EncodeError::MaskTooLong { .. } => Defect::Body,
        _ => Defect::Invalid,
    }
}

fn of_value(problem: &FieldProblem) -> Defect {
    match problem {
        FieldProblem::Required => Defect::Missing,
        FieldProblem::Unknown { .. } => Defect::Unexpected,
        FieldProblem::InText(error) => of_value(&error.problem),
        _ => Defect::Invalid,
    }
}

/// The error detail that lists these fields.
pub(super) fn bad_request(violations: &[WrongField]) -> rpc::BadRequest {
    let violation = |violation: &WrongField| FieldViolation {
        field: violation.field.clone(),
        description: violation.description.clone(),
        reason: violation.reason.clone(),
        ..Default::default()
    };
    rpc::BadRequest { field_violations: violations.iter().map(violation).collect() }
}

fn read(any: &Any) -> Option<rpc::BadRequest> {
    let name = any.type_url.rsplit('/').next();
    name.filter(|name| *name == "google.rpc.BadRequest").and_then(|_| rpc::BadRequest::decode(&*any.value).ok())
}

/// The most fields of one response that are renamed for the caller.
const MOST_NAMED: usize = 256;

/// The most bytes of the request body that are searched for the caller's spelling: its length, once per field.
pub(super) const MOST_SEARCHED: usize = 4 << 20;

/// Renames the fields in a backend's BadRequest detail to the names that the caller uses.
pub(super) fn name_for_caller(any: &mut Any, context: CallContext<'_>) {
    let Some(mut detail) = read(any) else { return };
    let count = detail.field_violations.len().min(MOST_NAMED);
    let json = context.json.filter(|json| json.len().saturating_mul(count) <= MOST_SEARCHED);
    for violation in detail.field_violations.iter_mut().take(MOST_NAMED) {
        let name = context.route.callers_name(&violation.field, context.query, json);
        violation.field = name.unwrap_or_else(|| std::mem::take(&mut violation.field));
    }
    any.value = detail.encode_to_vec().into();
}

/// The fields that a backend's BadRequest detail names.
pub(super) fn violations(any: &Any) -> Vec<WrongField> {
    let violation = |violation: FieldViolation| {
        let is = |word| violation.reason.contains(word);
        let defect = if is("MISSING") || is("REQUIRED") { Defect::Missing } else { Defect::Invalid };
        WrongField::new(&violation.field, violation.description, defect)
    };
    read(any).map_or_else(Vec::new, |detail| detail.field_violations.into_iter().map(violation).collect())
}
