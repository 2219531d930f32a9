//! Why a request cannot become a request message.

use crate::codec::{BodyError, FieldProblem, Origin, RequestError};
use crate::format::multipart::{MultipartError, TextProblem};
use crate::format::quote::MOST_TWICE;
use crate::format::suggestion::did_you_mean;
use crate::route::query::QueryError;
use crate::route::text::TextError;

/// Why a request cannot become a request message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A path variable cannot be decoded, or is not a valid value of its field.
    #[error("path variable \"{field}\": {problem}")]
    Path { field: String, problem: ValueProblem },
    /// A query parameter is unknown, or its value is not valid for its field.
    #[error("{}", problem.of("query parameter", key))]
    Query { key: String, problem: QueryProblem },
    /// A form field is unknown, or its value is not valid.
    #[error("{}", problem.of("form field", key))]
    Form { key: String, problem: QueryProblem },
    /// The form cannot be parsed.
    #[error("the form is malformed: {0}")]
    FormText(FormError),
    /// The body is JSON, but its content type is that of a form.
    #[error(
        "the body looks like JSON, but Content-Type is application/x-www-form-urlencoded; send Content-Type: application/json"
    )]
    FormIsJson,
    /// The body is not a valid message.
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
    /// The request has a body, but the rule takes none.
    #[error("{method} {path} takes no body, but the request has one; send the values as query parameters instead")]
    BodyUnexpected { method: String, path: String },
    /// The request has no body, but the rule takes one.
    #[error("the request needs a JSON body; send {{}} to leave every field unset")]
    BodyMissing,
}

const CONFLICT: &str =
    "the path and the body have different values for it; leave it out of the body, or send the same value";

/// Why a form cannot be parsed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A URL-encoded form contains bytes that are not ASCII and not percent-encoded.
    #[error("it contains bytes that are not ASCII; percent-encode them")]
    Bytes,
    /// A key and value cannot be decoded, or there are too many.
    #[error("{}", .0.to_string().replacen("query parameter", "field", 1))]
    Pairs(QueryError),
    /// The parts of a multipart form are malformed.
    #[error(transparent)]
    Parts(MultipartError),
}

/// Why the text of a path variable is not valid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueProblem {
    /// The text cannot be percent-decoded.
    #[error(transparent)]
    Text(TextError),
    /// The text is not a valid value of the field.
    #[error(transparent)]
    Field(FieldProblem),
}

/// Why a query parameter or form field is not valid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryProblem {
    /// The message has no such field.
    #[error("no such field{}", did_you_mean(near.as_deref()))]
    Unknown { near: Option<String> },
    /// The key names a map, without the key of an entry.
    #[error("this is a map; write one of its keys in brackets, for example {0}[key]")]
    Map(String),
    /// The key names a map of messages.
    #[error("this is a map of messages, which can only be sent in a JSON body")]
    Messages,
    /// The key names a message, which no text can fill.
    #[error(
        "this is a message; set one of its fields instead{}",
        example.as_ref().map(|example| format!(", for example {example}")).unwrap_or_default()
    )]
    Message { example: Option<String> },
    /// The key names something inside a `google.protobuf.Struct`, which is only taken whole.
    #[error("a google.protobuf.Struct is sent whole, as JSON, for example {0}={{\"key\":1}}")]
    Struct(String),
    /// The key names a list of messages.
    #[error("this is a list of messages, which can only be sent in a JSON body")]
    List,
    /// The field has a second value, but takes only one.
    #[error("repeated, but it takes only one value")]
    Twice,
    /// The path sets the field to another value.
    #[error("the path has a different value for it; leave it out of the query, or send the same value")]
    Path,
    /// The path sets a field inside this one.
    #[error("the path already sets a field inside it")]
    PathWithin,
    /// The body sets the field.
    #[error("send it in the body, not in the query")]
    Body,
    /// A part of a multipart form is not valid text.
    #[error(transparent)]
    Text(TextProblem),
    /// The value is not valid for the field.
    #[error(transparent)]
    Field(FieldProblem),
}

impl QueryProblem {
    /// The whole error text for this key. `kind` is `query parameter` or `form field`.
    fn of(&self, kind: &str, key: &str) -> String {
        match self {
            Self::Unknown { near } => format!("unknown {kind} \"{key}\"{}", did_you_mean(near.as_deref())),
            problem => format!("{kind} \"{key}\": {problem}"),
        }
    }

    /// The name of what is wrong: the key, and the place inside its JSON value if that is where the problem is.
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
            // Query parameters cannot set fields of the body, so the conflict is with the path.
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
    /// The wrong field as the request spells it, and what is wrong with it. `None` if the request as a whole is wrong,
    /// or if a long unknown name is: the text of the error names it.
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
