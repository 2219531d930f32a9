//! Calls through a gateway that runs in the test, in front of a backend that does too.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod balancing;
mod bank_api;
mod caller_gone;
mod chunks;
mod compression;
mod conditional;
mod connect;
mod connect_get;
mod connect_streams;
mod cors;
mod deadlines;
mod dns;
mod dpop;
mod encodings;
mod errors;
mod every_way_in;
mod fetching;
mod forms;
mod grpc_web;
mod idempotency;
mod json_options;
mod known_faults;
mod known_faults_http2;
mod limits;
mod long_poll;
mod malformed;
mod metadata;
mod methods;
mod mistakes;
mod multipart;
mod native_grpc;
mod pins;
mod probe;
mod ranges;
mod rate_limits;
mod raw_bodies;
mod reflection;
mod refusals;
mod replies;
mod statuses;
mod streams;
mod streams_documented;
mod tokens;
mod trouble;
mod trouble_http2;
mod untouched;
mod uploads;
mod upstream;
mod upstreams;
mod websocket_ends;
mod websocket_handshakes;
mod websockets;

#[path = "../support/mod.rs"]
mod support;
