//! `/`: links to all pages, and the response for paths without a page.

use axum::http::StatusCode;
use axum::response::Html;

const INDEX: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Towbar</title>
<h1>Towbar</h1>
<ul>
<li><a href=\"/ready\">/ready</a>: whether calls are welcome
<li><a href=\"/live\">/live</a>: whether the process answers
<li><a href=\"/metrics\">/metrics</a>: counters for Prometheus
<li><a href=\"/routes\">/routes</a>: every route, with its rpc and upstream
<li><a href=\"/upstreams\">/upstreams</a>: addresses of the backends, their health and connections
<li><a href=\"/config\">/config</a>: the configuration in effect, without secrets
<li><a href=\"/docs/\">/docs/</a>: the OpenAPI document of the routes as a page
<li><a href=\"/openapi.json\">/openapi.json</a>, <a href=\"/openapi.yaml\">/openapi.yaml</a>: the OpenAPI document as a file
<li><a href=\"/log\">/log</a>: the filter of the log; PUT replaces it
</ul>
</html>
";

pub(super) async fn index() -> Html<&'static str> {
    Html(INDEX)
}

/// The response to a path without a page.
pub(super) async fn not_found() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "no such page; GET / lists the pages of this port\n")
}
