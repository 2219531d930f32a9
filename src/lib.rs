//! Towbar: REST/JSON calls in, gRPC over mutual TLS out, by the `google.api.http` rules of the descriptors.
//!
//! This library exists for the binary and its own tests; nothing of it is a public interface. A module uses only rows
//! above its own (`tests/core/layers.rs` holds them in place):
//!
//! ```text
//! format                 bytes and text: JSON, protobuf's wire format, templates, multipart, compression
//! limits  observe        memory, long work, slow bodies; counters and rare log lines
//! schema                 descriptors, compiled
//! codec                  JSON <-> wire
//! route                  method, path, query -> message
//! tls  caller            certificates, keys, trust; who calls
//! upstream  server       the two ends
//! gateway                a request from its head to the last byte of its answer
//! config                 the file
//! app                    all joined; read again while it serves; the operator's port
//! cli                    one file a command; the doctor; the sample bank
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
