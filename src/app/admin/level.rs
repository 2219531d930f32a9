//! `/log`: shows the log filter, and replaces it while the gateway runs.

use axum::extract::State;
use axum::http::StatusCode;

use super::pages::Pages;

pub(super) async fn shown(State(pages): State<Pages>) -> String {
    format!("{}\n", pages.log.shown())
}

/// Takes the body as the new filter, in the syntax of `TOWBAR_LOG`. It applies until it is replaced or the process
/// ends.
pub(super) async fn replaced(State(pages): State<Pages>, body: String) -> Result<String, (StatusCode, String)> {
    let wanted = body.trim();
    let replaced = pages.log.replace(wanted);
    replaced.map_err(|problem| (StatusCode::BAD_REQUEST, format!("{problem}; nothing was changed\n")))?;
    let now = pages.log.shown();
    tracing::info!("the filter of the log is now {now}, as the admin port was asked");
    Ok(format!("{now}\n"))
}
