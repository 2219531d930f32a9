//! `/openapi.json` and `/openapi.yaml`: the OpenAPI document of the routes that are served now.

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use serde_json::Value;

use super::pages::Pages;
use crate::app::openapi::{Api, document, to_yaml};
use crate::limits::offload;

/// A page with its content type.
type Page = ([(HeaderName, &'static str); 1], String);

pub(super) async fn json(State(pages): State<Pages>) -> Page {
    ([(CONTENT_TYPE, "application/json")], made(pages, |document| format!("{document:#}\n")).await)
}

pub(super) async fn yaml(State(pages): State<Pages>) -> Page {
    ([(CONTENT_TYPE, "application/yaml")], made(pages, to_yaml).await)
}

/// The document as text. Reading the descriptors again takes as long as at a start, so this runs outside the worker
/// threads.
async fn made(pages: Pages, written: fn(&Value) -> String) -> String {
    let live = pages.live.now();
    let place = offload::place().await;
    let make = move || {
        let remarks = live.descriptors.remarks();
        let (routes, config) = (&live.gateway.routes, &live.gateway.config);
        written(&document(&Api { routes, remarks: &remarks, config, certificate: live.certificate }))
    };
    place.run(make).await
}
