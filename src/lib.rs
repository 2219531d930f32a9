//! Towbar: accepts REST/JSON requests and calls gRPC backends over mutual TLS, by the `google.api.http` rules of the
//! descriptors.
//!
//! This library exists for the binary and its tests; no part of it is a public interface. A module uses only modules in
//! rows above its own (`tests/core/layers.rs` checks this):
//!
//! ```text
//! format                 bytes and text: JSON, protobuf's wire format, templates, multipart, compression
//! limits  observe        memory budget, long work, slow bodies; metrics and logs
//! schema                 compiled descriptors
//! codec                  JSON <-> wire
//! route                  method, path, query -> message
//! tls  caller            certificates, keys, trust anchors; identity of callers
//! upstream  server       calls to backends; listeners, workers, shutdown
//! gateway                a request, from its head to the last byte of its response
//! config                 the configuration file and the flags
//! app                    joins all parts; reload; the admin port
//! cli                    one file per command; the doctor; the sample bank
//! ```

pub mod app;
pub mod caller;
pub mod cli;
pub mod codec;
pub mod config;
pub mod format;
pub mod gateway;
pub mod limits;
pub mod observe;
pub mod route;
pub mod schema;
pub mod server;
pub mod tls;
pub mod upstream;
