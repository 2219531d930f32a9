//! The `towbar` command as an operator runs it: its commands, certificates, start, reload and stop.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod access_log;
mod admin;
mod canaries;
mod certs;
mod clients;
mod commands;
mod config_command;
mod demo;
mod descriptors;
mod doctor;
mod doctor_chain;
mod documentation;
mod explain;
mod idempotency_faults;
mod idempotency_store;
mod metrics;
mod openapi_command;
mod openapi_on_listener;
mod reload;
mod service_unit;
mod shells;
mod startup;
mod stopping;
mod supervised;
mod token_keys;
mod token_servers;
mod traces;

#[path = "../support/mod.rs"]
mod support;
