//! `/docs/`: the page that shows the OpenAPI document, and the files that it loads.

use axum::extract::Path;
use axum::http::header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Redirect, Response};

use super::index::not_found;
use crate::app::openapi::page;

/// Redirects to the path with a slash at its end, since the page's links are relative to that.
pub(super) async fn moved() -> Redirect {
    Redirect::permanent("/docs/")
}

pub(super) async fn index() -> Response {
    file(Path(page::INDEX.to_owned())).await
}

pub(super) async fn file(Path(name): Path<String>) -> Response {
    let Some(file) = page::on_admin_port().into_iter().find(|file| file.name == name) else {
        return not_found().await.into_response();
    };
    let headers = [(CONTENT_TYPE, file.media_type), (CONTENT_SECURITY_POLICY, page::POLICY)];
    let mut response = (headers, file.body).into_response();
    if file.is_compressed {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
