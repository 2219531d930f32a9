//! A value that is given as JSON text by itself: in a query or in a form, where a field has a JSON form that is no scalar.

use super::encoder::{Context, Encoder};
use super::error::RequestError;
use super::located::LocatedError;
use crate::codec::problem::{BodyError, FieldProblem, Found, OTHER_TEXT, expectation, quoted};
use crate::codec::scalar::Write;
use crate::format::json::Scanner;
use crate::schema::{FieldPath, WellKnown};

/// The wire format, with its tag, of the value that `text` has for the field at the end of `path`.
///
/// It is read as a member of a body would be, except that no field lies around it which `null` could leave unset.
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

/// What is wrong, with the place in the text, and without what must not be shown.
fn problem(path: &FieldPath, text: &str, fault: LocatedError) -> FieldProblem {
    let fault = path.fields().iter().fold(fault, |fault, field| fault.through(field.table()));
    match fault.into_error() {
        RequestError::Body(BodyError { problem: FieldProblem::Json(_), .. }) if !begins_as_json(text) => {
            let found = Found::new(quoted(text), OTHER_TEXT).hidden_if(path.is_redacted());
            FieldProblem::Unexpected { expected: expected(path), found }
        }
        RequestError::Body(error) => FieldProblem::InText(Box::new(error)),
        // Nothing is bound in the text.
        RequestError::Conflict { .. } | RequestError::Bound { .. } => FieldProblem::Twice,
    }
}

/// Whether what is no JSON was meant as such: a word, a date or nothing was not.
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
