//! What needs no network: the codec, descriptors, routes and configuration as data, the rows of `src/`, the documents.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod codec_allocations;
mod codec_cases;
mod codec_editions;
mod codec_oracle;
mod config_schema;
mod configuration;
mod documents;
mod documents_style;
mod editions;
mod fuzz_faults;
mod imports;
mod inverse;
mod layers;
mod openapi;
mod reverse;
mod service_rules;
mod tuples;
mod words;

#[path = "../support/mod.rs"]
mod support;
