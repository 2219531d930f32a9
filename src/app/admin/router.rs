//! The routes of all admin pages, and the middleware around them.

use std::time::Duration;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, StatusCode, Uri};
use axum::routing::get;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use super::pages::Pages;
use super::{docs, index, level, openapi, probes, tables};

/// The largest request body, in bytes. The only body is a log filter, which is short.
const BODY_LIMIT: usize = 4 << 10;

/// The timeout of a request, including its body.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The default Content-Security-Policy: pages load nothing and cannot be framed. A page that needs more sets its own.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

pub(super) fn router(pages: Pages) -> Router {
    Router::new()
        .route("/", get(index::index))
        .route("/live", get(probes::live))
        .route("/ready", get(probes::ready))
        .route("/metrics", get(probes::metrics))
        .route("/routes", get(tables::routes))
        .route("/upstreams", get(tables::upstreams))
        .route("/config", get(tables::config))
        .route("/openapi.json", get(openapi::json))
        .route("/openapi.yaml", get(openapi::yaml))
        .route("/docs", get(docs::moved))
        .route("/docs/", get(docs::index))
        .route("/docs/{file}", get(docs::file))
        .route("/log", get(level::shown).put(level::replaced))
        .fallback(index::not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(pages)
        .layer(RequestBodyLimitLayer::new(BODY_LIMIT))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT))
        .layer(header(CACHE_CONTROL, "no-store"))
        .layer(header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(CONTENT_SECURITY_POLICY, POLICY))
}

/// Sets a header in every response that does not have it already.
fn header(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

async fn not_allowed(uri: Uri) -> (StatusCode, &'static str) {
    let text = match uri.path() {
        "/log" => "only GET, HEAD and PUT are answered here\n",
        _ => "only GET and HEAD are answered here\n",
    };
    (StatusCode::METHOD_NOT_ALLOWED, text)
}
