//! `/routes`, `/upstreams` and `/config`: the routes, upstreams and configuration that are served now.

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use serde_json::{Value, json};

use super::live::Snapshot;
use super::pages::Pages;
use crate::route::{BodyRule, Route};
use crate::upstream::{EndpointState, Upstream};

/// A JSON page with its content type.
type Json = ([(HeaderName, &'static str); 1], String);

pub(super) async fn routes(State(pages): State<Pages>) -> Json {
    let live = pages.live.now();
    let routes: Vec<Value> = live.gateway.routes.all().iter().map(|route| shown_route(route, &live)).collect();
    page(&json!({ "routes": routes }))
}

pub(super) async fn upstreams(State(pages): State<Pages>) -> Json {
    let live = pages.live.now();
    let all = live.gateway.upstreams.iter().enumerate();
    let upstreams: Vec<Value> = all.map(|(place, upstream)| shown_upstream(live.upstream(place), upstream)).collect();
    page(&json!({ "upstreams": upstreams }))
}

pub(super) async fn config(State(pages): State<Pages>) -> String {
    pages.live.now().config.clone()
}

fn shown_route(route: &Route, live: &Snapshot) -> Value {
    let body = match &route.body {
        BodyRule::None if route.rpc.policy.accept_body => Some("*".to_owned()),
        BodyRule::None => None,
        BodyRule::Whole => Some("*".to_owned()),
        BodyRule::Field(field) => Some(field.to_string()),
    };
    let keys: Vec<&str> = route.declared_keys().collect();
    json!({
        "method": route.method,
        "path": route.path(),
        "rpc": route.rpc.name,
        "upstream": live.upstream(route.rpc.upstream),
        "body": body,
        "queryKeys": keys,
        "clientStreaming": route.rpc.streaming.client,
        "serverStreaming": route.rpc.streaming.server,
        "idempotent": route.rpc.may_repeat,
    })
}

fn shown_upstream(name: &str, upstream: &Upstream) -> Value {
    let shown = |EndpointState { name, is_healthy, is_ejected, connections }: EndpointState| json!({ "address": name, "healthy": is_healthy, "ejected": is_ejected, "connections": connections });
    let endpoints: Vec<Value> = upstream.endpoints().into_iter().map(shown).collect();
    json!({
        "name": name,
        "configured": upstream.place(),
        "problem": upstream.problem(),
        "addresses": endpoints,
    })
}

fn page(value: &Value) -> Json {
    ([(CONTENT_TYPE, "application/json")], format!("{value:#}\n"))
}
