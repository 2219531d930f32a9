//! Requests that violate validation rules.

use super::buf;
use super::defect::{Defect, MOST_SEARCHED, WrongField};
use super::reason::Reason;
use super::refusal::Refusal;
use crate::codec::validate::{Violation, Violations};
use crate::route::{Query, Route};

impl Refusal {
    /// 400: the request message violates rules. Names each field as the caller does.
    #[must_use]
    pub(crate) fn violations(found: &Violations, route: &Route, query: &Query, json: Option<&[u8]>) -> Self {
        let count = found.list.len();
        let json = json.filter(|json| json.len().saturating_mul(count) <= MOST_SEARCHED);
        let wrong: Vec<WrongField> = found.list.iter().map(|violation| named(violation, route, query, json)).collect();
        let message = match wrong.as_slice() {
            [] => String::new(),
            [only] => text(only),
            [first, others @ ..] => {
                let (count, more) = (others.len(), if found.is_cut { " or more" } else { "" });
                let noun = if count == 1 { "violation" } else { "violations" };
                format!("{}; and {count}{more} further {noun} of validation rules", text(first))
            }
        };
        let mut refusal = Self::new(Reason::ValidationFailed, message).with_violations(wrong);
        if route.rpc.validation.as_ref().is_some_and(|validated| validated.tells_buf) {
            refusal.details.push(buf::detail(found, &route.rpc.input));
        }
        refusal
    }

    /// 500: a rule has no result, so that nobody knows whether the request is valid.
    #[must_use]
    pub(crate) fn not_validated() -> Self {
        let message = "the request cannot be validated; the call was not sent";
        Self::new(Reason::ValidationNotPossible, message.to_owned())
    }
}

fn text(WrongField { field, description, .. }: &WrongField) -> String {
    if field.is_empty() { description.clone() } else { format!("field \"{field}\": {description}") }
}

fn named(violation: &Violation, route: &Route, query: &Query, json: Option<&[u8]>) -> WrongField {
    // gRPC clients know fields by the names of the proto file.
    let name = if route.is_direct { None } else { route.callers_name(&violation.field, query, json) };
    let defect = if violation.is_missing() { Defect::Missing } else { Defect::Invalid };
    let wrong = WrongField::new(name.as_deref().unwrap_or(&violation.field), &violation.expected, defect);
    WrongField { reason: violation.reason(), ..wrong }
}
