//! Metrics, exported as text that Prometheus reads.
//!
//! ```text
//! requests    requests, durations, refusals and attempts: one shard per worker, with one cell per route and result
//! chain       the cells of a shard: found without a lock, created at first use
//! readings    values that other parts know: connections, memory, certificates; read at each scrape
//! registry    all metrics, and the counters that exist once per process
//! exposition  the text formats
//! ```
//!
//! Labels come from the schema, the configuration and fixed sets, never from a request, so their number is bounded.

mod chain;
mod exposition;
mod readings;
mod registry;
mod requests;

pub use exposition::Exposition;
pub use readings::{KeyReading, LimitReading, Readings, Source, StoreReading, UpstreamReading};
pub use registry::{HandshakeCounts, HandshakeFault, Metrics};
pub use requests::{Ended, RefusedBy, RequestMetrics, RouteLabels, Served, WorkerMetrics};
