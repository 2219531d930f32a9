//! Towbar: REST/JSON calls in, gRPC over mutual TLS out, by the `google.api.http` rules of the descriptors.
//!
//! This library exists for the binary and its own tests; nothing of it is a public interface. A module uses only rows
//! above its own (`tests/layers.rs` holds them in place):
//!
//! ```text
//! problem  protos  block  template  answer  compress  multipart  metrics  forwarded  memory  offload  quote  secret  seldom
//!                                        bytes, text, counters, generated code; addresses that proxies name; long work
//! json  wire  pem                        the two notations; files of certificates and keys
//! schema                                 descriptors, compiled
//! codec                                  JSON <-> wire
//! route                                  method, path, query -> message
//! tls  metadata                          parts
//! upstream  listener  certs              the two ends; certificates as files
//! telemetry  probe  media                what is told of a call; a request as it arrived; what a body is written in
//! error  reflection                      every refusal -> status and body; descriptors from a server
//! stream                                 calls of several messages
//! websocket                              such calls over WebSockets
//! proxy  explain                         the handler; a request taken apart and not sent
//! config                                 the file
//! app  bank                              all joined; the sample bank
//! reload  admin                          all read anew while it serves; the port of who runs it
//! doctor                                 a connection tried, step by step
//! cli                                    commands
//! ```

pub mod admin;
pub mod answer;
pub mod app;
pub mod bank;
pub mod block;
pub mod certs;
pub mod cli;
pub mod codec;
pub mod compress;
pub mod config;
pub mod doctor;
pub mod error;
pub mod explain;
pub mod forwarded;
pub mod json;
pub mod listener;
pub mod media;
pub mod memory;
pub mod metadata;
pub mod metrics;
pub mod multipart;
pub mod offload;
pub mod pace;
pub mod pem;
pub mod probe;
pub mod problem;
pub mod protos;
pub mod proxy;
pub mod quote;
pub mod reflection;
pub mod reload;
pub mod route;
pub mod schema;
pub mod secret;
pub mod seldom;
pub mod stream;
pub mod telemetry;
pub mod template;
pub mod tls;
pub mod upstream;
pub mod websocket;
pub mod wire;
