//! Why a request cannot become a message.

use crate::codec::{BodyError, FieldProblem, Origin, RequestError};
use crate::format::multipart::{MultipartError, TextProblem};
use crate::format::quote::MOST_TWICE;
use crate::route::query::QueryError;
use crate::route::text::TextError;
/// Why a request cannot become a message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A value in the path cannot be decoded or is none of its field.
    #[error("at {field}: {problem}, in the path")]
    Path { field: String, problem: ValueProblem },
    /// A query key is none, or its value is none of its field.
    #[error("at {key}: {problem}, in the query")]
    Query { key: String, problem: QueryProblem },
    /// A key of a form is none, or its value is none of its field.
    #[error("at {key}: {problem}, in the form")]
    Form { key: String, problem: QueryProblem },
    /// A form that cannot be taken apart.
    #[error("{0}, in the form")]
    FormText(FormError),
    /// The body is no message.
    #[error(transparent)]
    Body(BodyError),
    /// The body gives another value to a field that the path binds.
    #[error("at {field}: the path and the body give it different values")]
    Conflict { field: String },
    /// The body names so many fields that the mask made of them would be too long.
    #[error(
        "at {mask}: the fields that the body gives would make a mask of more than {limit} bytes; send a shorter one in the query, as in \
         `?{mask}=title,author`, in which the name of a message stands for all that is in it"
    )]
    MaskTooLong { mask: String, limit: usize },
    /// A body where the rule takes none.
    #[error("expected no body, found one: {method} {path} takes none")]
    BodyUnexpected { method: String, path: String },
    /// No body where the rule takes one.
    #[error("expected a JSON body, found none: send {{}} to leave every field unset")]
    BodyMissing,
}

/// Why a form cannot be taken apart.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// More than ASCII stands escaped in a form.
    #[error("expected ASCII with escapes, found other bytes")]
    Bytes,
    /// A pair.
    #[error(transparent)]
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
    #[error("there is no such query key")]
    Unknown,
    /// The same in a form.
    #[error("there is no such field")]
    NoField,
    /// A map without one of its keys.
    #[error("expected a key of the map behind it, as in `{0}[key]`, found none")]
    Map(String),
    /// A map of messages.
    #[error("expected a map whose values one text can fill, found one of messages")]
    Messages,
    /// A message, which no text can fill.
    #[error("expected a field that one text can fill, found a message: name a field in it")]
    Message,
    /// A key in a `google.protobuf.Struct`, which is given as a whole.
    #[error("expected the google.protobuf.Struct as a whole, in JSON, as in `{0}={{\"key\":1}}`, found a key in it")]
    Struct(String),
    /// A list of messages.
    #[error("expected a field that one text can fill, found a list of messages: send it in a JSON body")]
    List,
    /// A second value for a field that takes one.
    #[error("is given twice")]
    Twice,
    /// The path has another value for the field.
    #[error("the path gives the field another value")]
    Path,
    /// The path has a field in this one.
    #[error("the path gives a field in it")]
    PathWithin,
    /// The body has the field.
    #[error("the field belongs to the body")]
    Body,
    /// A part of a form where a text is expected.
    #[error(transparent)]
    Text(TextProblem),
    /// The value.
    #[error(transparent)]
    Field(FieldProblem),
}

impl QueryProblem {
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
            Self::Query { key, problem: QueryProblem::Unknown }
            | Self::Form { key, problem: QueryProblem::NoField }
                if key.len() > MOST_TWICE =>
            {
                None
            }
            Self::Query { key, problem } | Self::Form { key, problem } => Some((key, problem.to_string())),
            Self::Body(BodyError { field, problem: FieldProblem::Unknown { .. }, .. }) if field.len() > MOST_TWICE => {
                None
            }
            Self::Body(error) if !error.field.is_empty() => Some((&error.field, error.problem.to_string())),
            Self::Conflict { field } => Some((field, "the path and the body give it different values".to_owned())),
            Self::MaskTooLong { mask, limit } => Some((mask, format!("would be longer than {limit} bytes"))),
            Self::Body(_) | Self::FormText(_) | Self::BodyUnexpected { .. } | Self::BodyMissing => None,
        }
    }
}
