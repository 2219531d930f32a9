//! `errors`, for all rpcs or for one: how they look, and which HTTP status a gRPC code has.

use super::reader::Value;
use super::value;
use crate::error::{ERRORS, Form, Statuses, code_name};

/// What is said of errors; that of all rpcs holds where one says nothing.
#[derive(Default)]
pub(super) struct Errors {
    pub(super) form: Option<Form>,
    pub(super) statuses: Statuses,
}

/// A form alone, or a map.
pub(super) fn errors(value: &Value) -> Errors {
    if !value.is_map() {
        return Errors { form: form(value), ..Errors::default() };
    }
    let Ok(section) = value.section(&["form", "statuses"]) else { return Errors::default() };
    Errors {
        form: section.value("form").and_then(|value| form(&value)),
        statuses: section.value("statuses").map_or_else(Statuses::default, |value| statuses(&value)),
    }
}

fn form(value: &Value) -> Option<Form> {
    value.parsed("the form of errors", value::form).ok()
}

fn statuses(value: &Value) -> Statuses {
    let Ok(section) = value.section(&ERRORS.map(code_name)) else { return Statuses::default() };
    let said = |code| {
        let value = section.value(code_name(code))?;
        Some((code, value.parsed("an HTTP status", value::error_status).ok()?))
    };
    let said = ERRORS.into_iter().filter_map(said);
    said.fold(Statuses::default(), |statuses, (code, status)| statuses.with(code, status))
}
