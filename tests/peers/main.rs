//! Real programs on either side: nginx, HAProxy, Squid, Envoy, etcd, curl, Chromium, and the clients of others.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod callers;
mod compatibility;
mod curl;
mod doctor_between;
mod drain;
mod etcd;
mod google_client;
mod grpcio;
mod hop_nginx;
mod nginx;
mod openapi_page;
mod openapi_validators;
mod otlp;
mod prometheus;
mod protovalidate;
mod protovalidate_rules;
mod proxies;
mod streams_nginx;

#[path = "../support/mod.rs"]
mod support;
