//! `/log`: the filter of the log, shown and replaced while the gateway runs.

use axum::extract::State;
use axum::http::StatusCode;

use super::pages::Pages;

pub(super) async fn shown(State(pages): State<Pages>) -> String {
    format!("{}\n", pages.log.shown())
}

/// Takes the body as the new filter, in the form of `TOWBAR_LOG`. It holds until the next one, or until the process ends.
pub(super) async fn replaced(State(pages): State<Pages>, body: String) -> Result<String, (StatusCode, String)> {
    let wanted = body.trim();
    let replaced = pages.log.replace(wanted);
    replaced.map_err(|problem| (StatusCode::BAD_REQUEST, format!("{problem}; nothing was changed\n")))?;
    let now = pages.log.shown();
    tracing::info!("the filter of the log is now {now}, as the admin port was asked");
    Ok(format!("{now}\n"))
}
