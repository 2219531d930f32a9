//! The state that requests are answered with: one [`Gateway`] per worker, most of whose parts all workers share.

use std::sync::Arc;

use super::config::Config;
use super::counted;
use super::error::{Timer, Whose};
use super::idempotency::outcome::Outcome;
use super::idempotency::shared::{SettleCounts, SharedKeys};
use super::idempotency::store::Store;
use super::metadata::Metadata;
use super::observers::Observers;
use super::rate::limits::RateLimits;
use super::record::Sinks;
use super::static_files::StaticFiles;
use crate::caller::Callers;
use crate::caller::hop::Hop;
use crate::limits::memory::Share;
use crate::observe::metrics::{KeyReading, LimitReading, Served};
use crate::route::{Route, Routes, Rpc};
use crate::schema::Schema;
use crate::server::Holder;
use crate::upstream::Upstream;
use crate::upstream::redis::Redis;

/// Everything that a request needs.
pub struct Gateway {
    /// The types of error details.
    pub schema: Arc<Schema>,
    pub routes: Arc<Routes>,
    /// The upstreams, by [`Rpc::upstream`].
    pub upstreams: Vec<Upstream>,
    /// Which headers cross between caller and backend.
    pub metadata: Arc<Metadata>,
    /// How requests are read and answered.
    pub config: Arc<Config>,
    /// Which callers may call; `None` if no tokens are checked.
    pub callers: Option<Arc<Callers>>,
    /// The proxy that passes on client certificates; `None` if they come in the TLS handshake.
    pub(super) hop: Option<Arc<Hop>>,
    /// Fixed files that are served beside the routes; `None` if there are none.
    pub files: Option<Arc<StaticFiles>>,
    /// How often callers may call; `None` without limits.
    pub(super) limits: Option<Arc<RateLimits>>,
    /// The server that several gateways share; `None` if it is not configured.
    pub store: Option<Redis>,
    /// The outcomes of calls with idempotency keys.
    pub(super) idempotency: Arc<Store<Outcome>>,
    /// The idempotency keys that several gateways share; `None` if they are in the memory of this one.
    pub(super) shared_keys: Option<Arc<SharedKeys>>,
    /// The worker's share of the memory budget.
    pub(super) memory: Share,
    /// Keeps a stopping gateway waiting for calls that outlive their callers.
    pub(super) holder: Holder,
    /// Where every request is reported.
    observers: Observers,
    /// The labels of the metrics.
    served: Arc<Served>,
    /// Where the records of this worker's requests are reported.
    pub(super) sinks: Arc<Sinks>,
}

impl Gateway {
    /// Builds a gateway from its parts.
    #[must_use]
    pub fn new(schema: Schema, routes: Routes, upstreams: Vec<Upstream>, metadata: Metadata, config: Config) -> Self {
        let (schema, routes, metadata) = (Arc::new(schema), Arc::new(routes), Arc::new(metadata));
        let (memory, holder) = (Share::unbounded(), Holder::default());
        let observers = Observers::default();
        let sinks = Arc::new(Sinks::new(routes.clone(), Arc::default(), &observers));
        let idempotency = Arc::new(Store::new(config.idempotency_memory));
        let shared_keys = None;
        let limits = RateLimits::new(&config.limits).map(Arc::new);
        let (config, callers, hop, files, store) = (Arc::new(config), None, None, None, None);
        let served = Arc::default();
        Self {
            schema,
            routes,
            upstreams,
            metadata,
            config,
            callers,
            hop,
            files,
            store,
            idempotency,
            shared_keys,
            limits,
            memory,
            holder,
            observers,
            served,
            sinks,
        }
    }

    /// Sets which callers may call.
    #[must_use]
    pub fn with_callers(self, callers: Option<Arc<Callers>>) -> Self {
        Self { callers, ..self }
    }

    /// Takes client certificates from this proxy in front.
    #[must_use]
    pub fn behind(self, hop: Option<Arc<Hop>>) -> Self {
        Self { hop, ..self }
    }

    /// Serves these fixed files beside the routes.
    #[must_use]
    pub fn with_files(self, files: Option<Arc<StaticFiles>>) -> Self {
        Self { files, ..self }
    }

    /// Shares what is configured so with other gateways, through this server.
    #[must_use]
    pub fn with_store(self, store: Option<Redis>) -> Self {
        Self { store, ..self }
    }

    /// Stores idempotency keys where other gateways have theirs.
    #[must_use]
    pub fn with_shared_keys(self, keys: Option<SharedKeys>) -> Self {
        Self { shared_keys: keys.map(Arc::new), ..self }
    }

    /// Reports every request to these observers, for workers that are created after this.
    pub fn observed_by(&mut self, observers: Observers) {
        self.served = Arc::new(counted::served(&self.routes, &observers.upstreams));
        self.observers = observers;
    }

    /// Where every request is reported.
    #[must_use]
    pub fn observers(&self) -> &Observers {
        &self.observers
    }

    /// The gateway of one worker: with its own connections to the backends and its share of the memory. `holder` waits
    /// for its calls.
    #[must_use]
    pub fn for_worker(&self, memory: &Share, holder: &Holder) -> Self {
        let Self { schema, routes, upstreams, metadata, config, callers, hop, files, .. } = self;
        let (schema, routes) = (schema.clone(), routes.clone());
        let upstreams = upstreams.iter().map(|upstream| upstream.for_worker(memory)).collect();
        let (metadata, config, callers) = (metadata.clone(), config.clone(), callers.clone());
        let (idempotency, limits) = (self.idempotency.clone(), self.limits.clone());
        let (hop, files, memory, holder) = (hop.clone(), files.clone(), memory.clone(), holder.clone());
        let (store, shared_keys) = (self.store.clone(), self.shared_keys.clone());
        let (observers, served) = (self.observers.clone(), self.served.clone());
        let metrics = observers.requests.as_ref().map(|requests| requests.for_worker(&served));
        let sinks = Sinks::new(routes.clone(), self.sinks.refusals.clone(), &observers);
        let sinks = Arc::new(Sinks { metrics, ..sinks });
        Self {
            schema,
            routes,
            upstreams,
            metadata,
            config,
            callers,
            hop,
            files,
            store,
            idempotency,
            shared_keys,
            limits,
            memory,
            holder,
            observers,
            served,
            sinks,
        }
    }

    /// Takes over the idempotency store of `old`. Both gateways share it while `old` still serves. Rate limits go on from what
    /// `old` has counted.
    pub fn remember(&mut self, old: &Self) {
        self.idempotency = old.idempotency.clone();
        self.idempotency.set_limit(self.config.idempotency_memory);
        if let (Some(store), Some(old)) = (&self.store, &old.store) {
            store.go_on_from(old);
        }
        if let (Some(keys), Some(old)) = (&self.shared_keys, &old.shared_keys) {
            keys.go_on_from(old);
        }
        if let Some(old) = &old.limits {
            self.limits = RateLimits::new(&self.config.limits).map(|limits| Arc::new(limits.going_on_from(old)));
        }
    }

    /// The values of the rate limits for the metrics.
    #[must_use]
    pub fn limit_readings(&self) -> Vec<LimitReading> {
        self.limits.as_ref().map_or_else(Vec::new, |limits| limits.readings())
    }

    /// The store of the idempotency keys; `None` if they are in the memory of this gateway.
    #[must_use]
    pub fn key_store(&self) -> Option<&Redis> {
        self.store.as_ref().filter(|_| self.shared_keys.is_some())
    }

    /// The counts of the shared idempotency keys for the metrics; `None` if they are not shared.
    #[must_use]
    pub fn key_reading(&self) -> Option<KeyReading> {
        let SettleCounts { waiting, settled, given_up, lost } = self.shared_keys.as_ref()?.settle_counts();
        Some(KeyReading { waiting, settled, given_up, lost })
    }

    pub(super) fn upstream(&self, route: &Route) -> &Upstream {
        &self.upstreams[route.rpc.upstream]
    }

    /// The timeout of a call of this rpc, unless its caller asks for a shorter one.
    pub(super) fn timer(&self, rpc: &Rpc) -> Timer {
        match rpc.policy.deadline {
            Some(length) => Timer { whose: Whose::Route, length },
            None if rpc.streaming.is_unary() => {
                Timer { whose: Whose::Gateway, length: self.upstreams[rpc.upstream].deadline }
            }
            None => Timer { whose: Whose::Gateway, length: self.config.streams.deadline },
        }
    }

    /// The largest reply message of this rpc, in bytes.
    pub(super) fn reply_limit(&self, rpc: &Rpc) -> usize {
        rpc.policy.reply_limit.unwrap_or(self.upstreams[rpc.upstream].reply_limit)
    }
}
