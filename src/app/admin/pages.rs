//! What all pages are made of.

use std::sync::Arc;

use super::live::Live;
use crate::observe::filter::LogFilter;
use crate::observe::metrics::Metrics;
use crate::server::Stop;

/// What the pages show, and the filter that one of them changes. Cheap to clone.
#[derive(Clone)]
pub struct Pages {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether the gateway is stopping.
    pub stop: Stop,
    /// What is served; it follows reloads.
    pub live: Arc<Live>,
    /// What is logged.
    pub log: Arc<dyn LogFilter>,
}
