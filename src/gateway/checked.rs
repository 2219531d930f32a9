//! What follows from violations of validation rules, and the check of each message of a stream.

use super::error::Refusal;
use crate::codec::validate::{Checks, Failure, Violations};
use crate::limits::memory::Charge;
use crate::limits::offload::{self, LONG};
use crate::route::policy::Validation;
use crate::route::{Query, Route, Validated};
use crate::upstream::Outgoing;

/// How many violations a line of the log shows.
const MOST_LOGGED: usize = 8;

/// A message with its violations, and the memory that was held for it.
pub(super) struct Examined<M> {
    pub(super) found: Violations,
    pub(super) message: M,
    pub(super) held: Option<Charge>,
}

/// Messages from this many bytes are long for rules with CEL expressions.
const LONG_FOR_CEL: usize = LONG / 16;

/// Whether checking the message takes so long that other requests of the worker would have to wait.
pub(super) fn is_long(checks: &Checks, message: &impl AsRef<[u8]>) -> bool {
    message.as_ref().len() >= if checks.has_cel() { LONG_FOR_CEL } else { LONG }
}

/// Finds the violations of a message; those of a [long](is_long) one outside the worker thread. If the call ends meanwhile,
/// `held` keeps the memory of the message until the check has ended.
pub(super) async fn examine<M: AsRef<[u8]> + Send + 'static>(
    checks: &Checks,
    message: M,
    held: Option<Charge>,
) -> Examined<M> {
    let check =
        |checks: &Checks, message: M, held| Examined { found: checks.violations(message.as_ref()), message, held };
    if is_long(checks, &message) {
        let checks = checks.clone();
        offload::run(move || check(&checks, message, held)).await
    } else {
        check(checks, message, held)
    }
}

/// The message without the fields that only the backend sets.
///
/// # Errors
/// It is not in wire format.
pub(super) fn without_output_only<M: AsRef<[u8]> + From<Vec<u8>>>(route: &Route, message: M) -> Result<M, Refusal> {
    let Some(omission) = &route.rpc.behavior.requests else { return Ok(message) };
    match omission.without(message.as_ref()) {
        Ok(without) => Ok(without.map_or(message, M::from)),
        Err(error) => Err(Refusal::violations(&Violations::malformed(error), route, &Query::default(), None)),
    }
}

/// Checks a message of a call that streams or that a WebSocket opened, and returns it.
///
/// # Errors
/// The message violates rules, and they are enforced.
pub(crate) async fn check_streamed<M: AsRef<[u8]> + From<Vec<u8>> + Send + 'static>(
    route: &Route,
    message: M,
    outgoing: &mut Outgoing,
) -> Result<M, Refusal> {
    let message = without_output_only(route, message)?;
    let Some(validated) = &route.rpc.validation else { return Ok(message) };
    let held = is_long(&validated.checks, &message).then(|| outgoing.lend());
    let Examined { found, message, held } = examine(&validated.checks, message, held).await;
    if let Some(held) = held {
        outgoing.take_back(held);
    }
    decided(route, validated, &found, || Refusal::violations(&found, route, &Query::default(), None))?;
    Ok(message)
}

/// Nothing for a valid message. For another one, a refusal where rules are enforced; otherwise the violations are logged.
///
/// # Errors
/// The rules are enforced.
pub(super) fn decided(
    route: &Route,
    validated: &Validated,
    found: &Violations,
    refusal: impl FnOnce() -> Refusal,
) -> Result<(), Refusal> {
    if let Some(Failure { field, rule }) = &found.failed {
        tracing::error!(rpc = route.rpc.name, field, rule, "a validation rule has no result for a request");
        if found.list.is_empty() && validated.mode == Validation::Enforce {
            return Err(Refusal::not_validated());
        }
    }
    if found.list.is_empty() {
        return Ok(());
    }
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
