//! Applies the HTTP status and `Location` that a backend sets for a successful call.

use http::StatusCode;
use http::header::{CONTENT_TYPE, LOCATION};

use crate::gateway::answer::{Body, Response};
use crate::gateway::metadata::Outcome;
use crate::route::Route;

/// Applies `outcome` to the response.
pub(super) fn apply(outcome: Outcome, route: &Route, response: &mut Response) {
    for name in &outcome.ignored {
        tracing::warn!(rpc = route.rpc.name, %name, "ignored this metadata of the backend: its value does not fit a successful response");
    }
    if let Some(location) = outcome.location {
        response.headers_mut().insert(LOCATION, location);
    }
    let Some(status) = outcome.status else { return };
    *response.status_mut() = status;
    // RFC 9110, sections 15.3.5 and 15.3.6: responses with these statuses have no content.
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
        *response.body_mut() = Body::default();
        response.headers_mut().remove(CONTENT_TYPE);
    }
}
