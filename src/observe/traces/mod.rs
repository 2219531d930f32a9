//! Traces: the spans of requests, on their way to a collector.
//!
//! ```text
//! config   which requests are traced, and how their spans are collected
//! queue    spans that wait for the exporter: bounded, so that nobody waits for the collector
//! otlp     the messages of OTLP, the protocol of the collector
//! ```
//!
//! `gateway` makes the spans of a request from its record; `app` sends them. What does not fit into the queue is dropped
//! and counted.

mod config;
pub mod otlp;
mod queue;

pub use config::{Config, Server, Tracer};
pub use queue::SpanQueue;
