//! `traces`: which requests are traced, and how their spans are collected.

use std::sync::Arc;
use std::time::Duration;

use super::queue::SpanQueue;
use crate::observe::access::Share;

/// Configuration of traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The share of new traces that is recorded. A caller that continues a trace has decided already.
    pub sample: Share,
    /// The name of this service in traces.
    pub service: String,
    /// What else is said about this service: names and values.
    pub attributes: Vec<(String, String)>,
    /// How many spans may wait.
    pub queue: usize,
    /// How many spans are sent together at most.
    pub batch: usize,
    /// How long spans are collected before they are sent.
    pub interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sample: Share(100),
            service: "towbar".to_owned(),
            attributes: Vec::new(),
            queue: 4096,
            batch: 512,
            interval: Duration::from_secs(5),
        }
    }
}

/// Where the spans of requests go, and which requests have any. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tracer {
    pub queue: SpanQueue,
    pub sample: Share,
    /// The servers of the upstreams, by index. `None` for an upstream with several addresses.
    pub servers: Arc<[Option<Server>]>,
}

/// The server that calls of an upstream go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub host: String,
    pub port: u16,
}

impl Tracer {
    /// Decides at random whether to record a new trace.
    #[must_use]
    pub fn records_new(&self) -> bool {
        self.sample.has_this_one()
    }
}
