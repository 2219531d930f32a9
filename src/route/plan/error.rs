//! Why a request cannot become a message.

use crate::codec::{BodyError, FieldProblem, Origin, RequestError};
use crate::format::multipart::{MultipartError, TextProblem};
use crate::format::quote::MOST_TWICE;
use crate::format::suggestion::did_you_mean;
use crate::route::query::QueryError;
use crate::route::text::TextError;

/// Why a request cannot become a message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A value in the path cannot be decoded or is none of its field.
    #[error("path variable \"{field}\": {problem}")]
    Path { field: String, problem: ValueProblem },
    /// A query key is none, or its value is none of its field.
    #[error("{}", problem.of("query parameter", key))]
    Query { key: String, problem: QueryProblem },
    /// A key of a form is none, or its value is none of its field.
    #[error("{}", problem.of("form field", key))]
    Form { key: String, problem: QueryProblem },
    /// A form that cannot be taken apart.
    #[error("the form is malformed: {0}")]
    FormText(FormError),
    /// JSON under the content type of a form.
    #[error(
        "the body looks like JSON, but Content-Type is application/x-www-form-urlencoded; send Content-Type: application/json"
    )]
    FormIsJson,
    /// The body is no message.
    #[error(transparent)]
    Body(BodyError),
    /// The body gives another value to a field that the path binds.
    #[error("field \"{field}\": {CONFLICT}")]
    Conflict { field: String },
    /// The body names so many fields that the mask made of them would be too long.
    #[error(
        "the update mask made from the fields of the body would be longer than {limit} bytes; send a shorter one in the query, for \
         example ?{mask}=title,author (the name of a message includes all of its fields)"
    )]
    MaskTooLong { mask: String, limit: usize },
    /// A body where the rule takes none.
    #[error("{method} {path} takes no body, but the request has one; send the values as query parameters instead")]
    BodyUnexpected { method: String, path: String },
    /// No body where the rule takes one.
    #[error("the request needs a JSON body; send {{}} to leave every field unset")]
    BodyMissing,
}

const CONFLICT: &str =
    "the path and the body have different values for it; leave it out of the body, or send the same value";

/// Why a form cannot be taken apart.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// More than ASCII stands escaped in a form.
    #[error("it contains bytes that are not ASCII; percent-encode them")]
    Bytes,
    /// A pair.
    #[error("{}", .0.to_string().replacen("query parameter", "field", 1))]
    Pairs(QueryError),
    /// Its parts.
    #[error(transparent)]
    Parts(MultipartError),
}

/// What is wrong with a text in the path.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueProblem {
    /// Its escapes.
    #[error(transparent)]
    Text(TextError),
    /// Its meaning.
    #[error(transparent)]
    Field(FieldProblem),
}

/// What is wrong with a query key or its value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryProblem {
    /// The request has no such field.
    #[error("no such field{}", did_you_mean(near.as_deref()))]
    Unknown { near: Option<String> },
    /// A map without one of its keys.
    #[error("this is a map; write one of its keys in brackets, for example {0}[key]")]
    Map(String),
    /// A map of messages.
    #[error("this is a map of messages, which can only be sent in a JSON body")]
    Messages,
    /// A message, which no text can fill.
    #[error(
        "this is a message; set one of its fields instead{}",
        example.as_ref().map(|example| format!(", for example {example}")).unwrap_or_default()
    )]
    Message { example: Option<String> },
    /// A key in a `google.protobuf.Struct`, which is given as a whole.
    #[error("a google.protobuf.Struct is sent whole, as JSON, for example {0}={{\"key\":1}}")]
    Struct(String),
    /// A list of messages.
    #[error("this is a list of messages, which can only be sent in a JSON body")]
    List,
    /// A second value for a field that takes one.
    #[error("repeated, but it takes only one value")]
    Twice,
    /// The path has another value for the field.
    #[error("the path has a different value for it; leave it out of the query, or send the same value")]
    Path,
    /// The path has a field in this one.
    #[error("the path already sets a field inside it")]
    PathWithin,
    /// The body has the field.
    #[error("send it in the body, not in the query")]
    Body,
    /// A part of a form where a text is expected.
    #[error(transparent)]
    Text(TextProblem),
    /// The value.
    #[error(transparent)]
    Field(FieldProblem),
}

impl QueryProblem {
    /// The problem of this key of a `kind`, which is a query parameter or a field of a form.
    fn of(&self, kind: &str, key: &str) -> String {
        match self {
            Self::Unknown { near } => format!("unknown {kind} \"{key}\"{}", did_you_mean(near.as_deref())),
            problem => format!("{kind} \"{key}\": {problem}"),
        }
    }

    /// What is wrong, by this name: of the key, and where it is something in a JSON text, of the place in that.
    pub(crate) fn below(&self, key: String) -> String {
        match self {
            Self::Field(FieldProblem::InText(error)) if error.field.starts_with('[') => key + &error.field,
            Self::Field(FieldProblem::InText(error)) if !error.field.is_empty() => format!("{key}.{}", error.field),
            _ => key,
        }
    }
}

impl From<RequestError> for EncodeError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Body(error) => Self::Body(error),
            // The query never gets to fields of the body.
            RequestError::Conflict { field, .. } => Self::Conflict { field },
            RequestError::Bound { field, origin: Origin::Path, problem } => {
                Self::Path { field, problem: ValueProblem::Field(problem) }
            }
            RequestError::Bound { field, origin: Origin::Query, problem } => {
                Self::Query { key: field, problem: QueryProblem::Field(problem) }
            }
        }
    }
}

impl EncodeError {
    /// The field that is wrong, as the request spells it, and what is wrong with it. No field: the request as a whole, or a long name
    /// that no field has; the text of the error has that.
    #[must_use]
    pub fn violation(&self) -> Option<(&str, String)> {
        match self {
            Self::Path { field, problem } => Some((field, problem.to_string())),
            Self::Query { key, problem: QueryProblem::Unknown { .. } }
            | Self::Form { key, problem: QueryProblem::Unknown { .. } }
                if key.len() > MOST_TWICE =>
            {
                None
            }
            Self::Query { key, problem } | Self::Form { key, problem } => Some((key, problem.to_string())),
            Self::Body(BodyError { field, problem: FieldProblem::Unknown { .. }, .. }) if field.len() > MOST_TWICE => {
                None
            }
            Self::Body(error) if !error.field.is_empty() => Some((&error.field, error.problem.to_string())),
            Self::Conflict { field } => Some((field, CONFLICT.to_owned())),
            Self::MaskTooLong { mask, limit } => Some((mask, format!("it would be longer than {limit} bytes"))),
            Self::Body(_) | Self::FormText(_) | Self::FormIsJson | Self::BodyUnexpected { .. } | Self::BodyMissing => {
                None
            }
        }
    }
}
