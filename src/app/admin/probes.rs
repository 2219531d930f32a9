//! `/live`, `/ready` and `/metrics`: pages for monitoring.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use axum::response::IntoResponse;

use super::pages::Pages;
use crate::observe::metrics::Exposition;
use crate::server::Phase;

pub(super) async fn live() -> &'static str {
    "live\n"
}

/// Whether this gateway should get requests. A backend that is down does not matter here: another gateway could not
/// answer better, and the error response for it comes from this one.
pub(super) async fn ready(State(pages): State<Pages>) -> (StatusCode, &'static str) {
    match pages.stop.phase() {
        Phase::Serving => (StatusCode::OK, "ready\n"),
        Phase::Notice | Phase::Draining | Phase::Over => {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready: stopping, as a signal asked\n")
        }
    }
}

pub(super) async fn metrics(State(pages): State<Pages>, headers: HeaderMap) -> impl IntoResponse {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = Exposition::accepted_by(accepted);
    ([(CONTENT_TYPE, form.media_type())], pages.metrics.text(form))
}
