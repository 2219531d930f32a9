//! Values given as JSON text in a query or a form, for fields whose JSON form is not a scalar.

use super::encoder::{Context, Encoder};
use super::error::RequestError;
use super::located::LocatedError;
use crate::codec::problem::{BodyError, FieldProblem, Found, OTHER_TEXT, expectation, quoted};
use crate::codec::scalar::Write;
use crate::format::json::Scanner;
use crate::schema::{FieldPath, WellKnown};

/// Encodes `text` as the value of the field at the end of `path`, with its tag.
///
/// The text is read like a member of a body, except that `null` cannot leave a field unset here.
pub(super) fn encode(path: &FieldPath, text: &str, json_depth: usize) -> Result<Vec<u8>, FieldProblem> {
    let leaf = path.leaf();
    let scanner = Scanner::new(text.as_bytes(), json_depth).map_err(|error| FieldProblem::Json(error.problem))?;
    let mut encoder = Encoder::new(leaf.tables(), scanner, Vec::new(), path.fields().len());
    let nothing = Context { node: None, ignored: None };
    let read = encoder.value(leaf.table(), Write::of(leaf.table().shape), nothing);
    let ended = read.and_then(|()| encoder.scanner.end_of("the end of the text").map_err(LocatedError::from));
    match ended {
        Ok(()) => Ok(encoder.out),
        Err(fault) => Err(problem(path, text, fault)),
    }
}

/// Converts an error into a problem with its position in the text, without content that must not be shown.
fn problem(path: &FieldPath, text: &str, fault: LocatedError) -> FieldProblem {
    let fault = path.fields().iter().fold(fault, |fault, field| fault.through(field.table()));
    match fault.into_error() {
        RequestError::Body(BodyError { problem: FieldProblem::Json(_), .. }) if !begins_as_json(text) => {
            let found = Found::new(quoted(text), OTHER_TEXT).hidden_if(path.is_redacted());
            FieldProblem::Unexpected { expected: expected(path), found }
        }
        RequestError::Body(error) => FieldProblem::InText(Box::new(error)),
        // Nothing is bound inside the text.
        RequestError::Conflict { .. } | RequestError::Bound { .. } => FieldProblem::Twice,
    }
}

/// Whether invalid JSON was probably meant as JSON; a word, a date or an empty text was not.
fn begins_as_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"'])
}

fn expected(path: &FieldPath) -> String {
    let leaf = path.leaf();
    match leaf.message() {
        Some(message) if message.table().known == WellKnown::Value => {
            "JSON (write a string in double quotes, for example \"word\")".to_owned()
        }
        _ => expectation(leaf.tables(), leaf.table().kind),
    }
}
