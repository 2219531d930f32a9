//! `errors`, for all rpcs or for one: how they look, which HTTP status a gRPC code has, and what of a status callers see.

use super::reader::Value;
use super::value;
use crate::gateway::error::{ERRORS, Form, Statuses, code_name};

/// What is said of errors; that of all rpcs holds where one says nothing.
#[derive(Default)]
pub(super) struct Errors {
    pub(super) form: Option<Form>,
    pub(super) statuses: Statuses,
    pub(super) hides_internal_messages: Option<bool>,
    pub(super) shows_unknown_details: Option<bool>,
}

const KEYS: &[&str] = &["form", "statuses", "hide_internal_messages", "show_unknown_details"];

/// A form alone, or a map.
pub(super) fn errors(value: &Value) -> Errors {
    if !value.is_map() {
        return Errors { form: form(value), ..Errors::default() };
    }
    let Ok(section) = value.section(KEYS) else { return Errors::default() };
    let truth = |key| section.value(key).and_then(|value| value.truth().ok());
    Errors {
        form: section.value("form").and_then(|value| form(&value)),
        statuses: section.value("statuses").map_or_else(Statuses::default, |value| statuses(&value)),
        hides_internal_messages: truth("hide_internal_messages"),
        shows_unknown_details: truth("show_unknown_details"),
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
