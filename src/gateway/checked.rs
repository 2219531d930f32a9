//! What follows from violations of validation rules, and the check of each message of a stream.

use super::error::Refusal;
use crate::codec::validate::Violations;
use crate::route::policy::Validation;
use crate::route::{Query, Route, Validated};

/// How many violations a line of the log shows.
const MOST_LOGGED: usize = 8;

/// Checks a message of a call that streams or that a WebSocket opened.
///
/// # Errors
/// The message violates rules, and they are enforced.
pub(crate) fn check_streamed(route: &Route, message: &[u8]) -> Result<(), Refusal> {
    let Some(validated) = &route.rpc.validation else { return Ok(()) };
    let found = validated.checks.violations(message);
    if found.list.is_empty() {
        return Ok(());
    }
    decided(route, validated, &found, || Refusal::violations(&found, route, &Query::default(), None))
}

/// A refusal where rules are enforced; otherwise the violations are logged.
///
/// # Errors
/// The rules are enforced.
pub(super) fn decided(
    route: &Route,
    validated: &Validated,
    found: &Violations,
    refusal: impl FnOnce() -> Refusal,
) -> Result<(), Refusal> {
    match validated.mode {
        Validation::Enforce => Err(refusal()),
        Validation::Off | Validation::Report => {
            report(route, validated, found);
            Ok(())
        }
    }
}

/// Logs what would be rejected: rules and names of fields, no values.
fn report(route: &Route, validated: &Validated, found: &Violations) {
    let Some(left_out) = validated.reports.line() else { return };
    let shown = found.list.iter().map(|violation| format!("{} ({})", violation.field_without_keys(), violation.rule));
    let shown: Vec<String> = shown.take(MOST_LOGGED).collect();
    tracing::warn!(
        rpc = route.rpc.name,
        violations = found.list.len(),
        fields = shown.join(", "),
        "a request violates validation rules, which are not enforced{left_out}"
    );
}
