//! All that requests are answered with: one for each worker, made of parts that all share.

use std::sync::Arc;

use super::config::Config;
use super::counted;
use super::error::{Timer, Whose};
use super::metadata::Metadata;
use super::observers::Observers;
use super::record::Sinks;
use crate::caller::Callers;
use crate::limits::memory::Share;
use crate::observe::metrics::Served;
use crate::route::{Route, Routes, Rpc};
use crate::schema::Schema;
use crate::server::Holder;
use crate::upstream::Upstream;

/// All that a request needs.
pub struct Gateway {
    /// Types of error details.
    pub schema: Arc<Schema>,
    /// Where requests go.
    pub routes: Arc<Routes>,
    /// Who answers them, by [`Rpc::upstream`].
    pub upstreams: Vec<Upstream>,
    /// What crosses with them.
    pub metadata: Arc<Metadata>,
    /// How they are read and answered.
    pub config: Arc<Config>,
    /// Who may call; without it nobody is asked.
    pub callers: Option<Arc<Callers>>,
    /// What bodies may have.
    pub(super) memory: Share,
    /// Waits for what its callers do not.
    pub(super) holder: Holder,
    /// Who is told of every request.
    observers: Observers,
    /// The labels of its metrics.
    served: Arc<Served>,
    /// What the ends of requests are told with.
    pub(super) sinks: Arc<Sinks>,
}

impl Gateway {
    /// All that a request needs, from its parts.
    #[must_use]
    pub fn new(schema: Schema, routes: Routes, upstreams: Vec<Upstream>, metadata: Metadata, config: Config) -> Self {
        let (schema, routes, metadata) = (Arc::new(schema), Arc::new(routes), Arc::new(metadata));
        let (memory, holder) = (Share::unbounded(), Holder::default());
        let observers = Observers::default();
        let sinks = Arc::new(Sinks::new(routes.clone(), Arc::default(), &observers));
        let (config, callers, served) = (Arc::new(config), None, Arc::default());
        Self { schema, routes, upstreams, metadata, config, callers, memory, holder, observers, served, sinks }
    }

    /// The same where callers are asked who they are.
    #[must_use]
    pub fn with_callers(self, callers: Option<Arc<Callers>>) -> Self {
        Self { callers, ..self }
    }

    /// Tells these of every request of the workers that are made from here on.
    pub fn observed_by(&mut self, observers: Observers) {
        self.served = Arc::new(counted::served(&self.routes, &observers.upstreams));
        self.observers = observers;
    }

    /// Who is told of every request.
    #[must_use]
    pub fn observers(&self) -> &Observers {
        &self.observers
    }

    /// The same with connections to the backend of its own, a share of the memory, and waited for by the `holder`.
    #[must_use]
    pub fn for_worker(&self, memory: &Share, holder: &Holder) -> Self {
        let Self { schema, routes, upstreams, metadata, config, callers, .. } = self;
        let (schema, routes) = (schema.clone(), routes.clone());
        let upstreams = upstreams.iter().map(|upstream| upstream.for_worker(memory)).collect();
        let (metadata, config, callers) = (metadata.clone(), config.clone(), callers.clone());
        let (memory, holder) = (memory.clone(), holder.clone());
        let (observers, served) = (self.observers.clone(), self.served.clone());
        let metrics = observers.requests.as_ref().map(|requests| requests.for_worker(&served));
        let sinks = Sinks::new(routes.clone(), self.sinks.refusals.clone(), &observers);
        let sinks = Arc::new(Sinks { metrics, ..sinks });
        Self { schema, routes, upstreams, metadata, config, callers, memory, holder, observers, served, sinks }
    }

    pub(super) fn upstream(&self, route: &Route) -> &Upstream {
        &self.upstreams[route.rpc.upstream]
    }

    /// How long a call of this rpc may take, if its caller does not say less.
    pub(super) fn timer(&self, rpc: &Rpc) -> Timer {
        match rpc.policy.deadline {
            Some(length) => Timer { whose: Whose::Route, length },
            None if rpc.streaming.is_unary() => {
                Timer { whose: Whose::Gateway, length: self.upstreams[rpc.upstream].deadline }
            }
            None => Timer { whose: Whose::Gateway, length: self.config.streams.deadline },
        }
    }

    /// The largest message of a reply of this rpc, in bytes.
    pub(super) fn reply_limit(&self, rpc: &Rpc) -> usize {
        rpc.policy.reply_limit.unwrap_or(self.upstreams[rpc.upstream].reply_limit)
    }
}
