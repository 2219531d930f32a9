//! The state that all admin pages share.

use std::sync::Arc;

use super::live::Live;
use crate::observe::filter::LogFilter;
use crate::observe::metrics::Metrics;
use crate::server::Stop;

/// What the pages show, and the log filter that one of them changes. Cheap to clone.
#[derive(Clone)]
pub struct Pages {
    pub metrics: Arc<Metrics>,
    /// Shows whether the gateway is stopping.
    pub stop: Stop,
    /// The state that is served now; it follows reloads.
    pub live: Arc<Live>,
    /// The log filter.
    pub log: Arc<dyn LogFilter>,
}
