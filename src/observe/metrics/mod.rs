//! What is counted, as the text that Prometheus reads.
//!
//! ```text
//! requests    requests, durations, refusals and attempts: a shard for each worker, with a cell for each route and result
//! chain       the cells of a shard: found without a lock, made when first used
//! readings    what others count: connections, memory, certificates; asked for at each scrape
//! registry    all metrics, and what is counted once for the process
//! exposition  the forms in which they are read
//! ```
//!
//! Labels come from the schema, the configuration and fixed sets, never from a request, so that their number is bounded.

mod chain;
mod exposition;
mod readings;
mod registry;
mod requests;

pub use exposition::Exposition;
pub use readings::{Readings, Source, UpstreamReading};
pub use registry::{HandshakeCounts, HandshakeFault, Metrics};
pub use requests::{Ended, RefusedBy, RequestMetrics, RouteLabels, Served, WorkerMetrics};
