//! All that requests are answered with: one for each worker, made of parts that all share.

use std::sync::Arc;

use super::config::Config;
use super::metadata::Metadata;
use super::settings::{self, Settings};
use crate::limits::memory::Share;
use crate::observe::seldom::Seldom;
use crate::route::{Route, Routes};
use crate::schema::Schema;
use crate::server::Holder;
use crate::upstream::Upstream;

/// All that a request needs.
pub struct Gateway {
    /// Types of error details.
    pub schema: Arc<Schema>,
    /// Where requests go.
    pub routes: Arc<Routes>,
    /// Who answers them, by [`Route::upstream`].
    pub upstreams: Vec<Upstream>,
    /// What crosses with them.
    pub metadata: Arc<Metadata>,
    /// How they are read and answered.
    pub config: Arc<Config>,
    /// What holds on each route, in their order.
    pub(super) settings: Arc<[Settings]>,
    /// What bodies may have.
    pub(super) memory: Share,
    /// Waits for what its callers do not.
    pub(super) holder: Holder,
    /// When the log had its last line about a refused request: there is one a second at most.
    pub(super) refusals: Arc<Seldom>,
}

impl Gateway {
    /// All that a request needs, from its parts.
    #[must_use]
    pub fn new(schema: Schema, routes: Routes, upstreams: Vec<Upstream>, metadata: Metadata, config: Config) -> Self {
        let settings = settings::of_routes(&routes, &upstreams, &config).into();
        let (schema, routes, metadata) = (Arc::new(schema), Arc::new(routes), Arc::new(metadata));
        let (memory, holder) = (Share::unbounded(), Holder::default());
        let refusals = Arc::default();
        Self { schema, routes, upstreams, metadata, config: Arc::new(config), settings, memory, holder, refusals }
    }

    /// The same with connections to the backend of its own, a share of the memory, and waited for by the `holder`.
    #[must_use]
    pub fn for_worker(&self, memory: &Share, holder: &Holder) -> Self {
        let Self { schema, routes, upstreams, metadata, config, settings, .. } = self;
        let (schema, routes, settings) = (schema.clone(), routes.clone(), settings.clone());
        let upstreams = upstreams.iter().map(|upstream| upstream.for_worker(memory)).collect();
        let (metadata, config) = (metadata.clone(), config.clone());
        let (memory, holder) = (memory.clone(), holder.clone());
        let refusals = self.refusals.clone();
        Self { schema, routes, upstreams, metadata, config, settings, memory, holder, refusals }
    }

    pub(super) fn upstream(&self, route: &Route) -> &Upstream {
        &self.upstreams[route.rpc.upstream]
    }
}
