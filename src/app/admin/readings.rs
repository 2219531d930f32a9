//! The values that are read at each scrape of the metrics.

use std::sync::Arc;

use super::live::Live;
use crate::limits::memory::Budget;
use crate::observe::access::AccessLog;
use crate::observe::metrics::{Readings, Source, StoreReading, UpstreamReading};
use crate::observe::traces::SpanQueue;
use crate::upstream::redis::{RedisCounts, RedisResult};
use crate::upstream::{ConnectCounts, Upstream};

/// The sources of the values.
pub struct Gauges {
    /// The state that is served now.
    pub live: Arc<Live>,
    /// The memory budget of connections and bodies.
    pub memory: Budget,
    /// The access log, if there is one.
    pub access: Option<AccessLog>,
    /// The spans on their way to the collector.
    pub spans: SpanQueue,
}

impl Source for Gauges {
    fn readings(&self) -> Readings {
        let live = self.live.now();
        let upstreams = live.gateway.upstreams.iter().enumerate();
        Readings {
            upstreams: upstreams.map(|(place, upstream)| reading(live.upstream(place), upstream)).collect(),
            listener_certificate: live.listener_certificate,
            upstream_certificate: live.upstream_certificate,
            memory_budget: self.memory.size(),
            memory_used: self.memory.used(),
            limits: live.gateway.limit_readings(),
            keys: live.gateway.key_reading(),
            store: live.gateway.store.as_ref().map(|store| store_reading(store.counts())),
            exported_spans: self.spans.exported(),
            dropped_spans: self.spans.dropped(),
            dropped_lines: self.access.as_ref().map_or(0, AccessLog::dropped),
        }
    }
}

fn store_reading(counts: RedisCounts) -> StoreReading {
    let RedisCounts { commands, connected, unconnected, is_up, in_flight, micros, latencies } = counts;
    StoreReading {
        is_up,
        connected,
        unconnected,
        in_flight,
        commands: RedisResult::ALL.iter().map(|result| result.label()).zip(commands).collect(),
        seconds: micros as f64 / 1e6,
        latencies: latencies.to_vec(),
    }
}

fn reading(name: &str, upstream: &Upstream) -> UpstreamReading {
    let ConnectCounts { connected, unconnected, ejections } = upstream.connects();
    let endpoints = upstream.endpoints();
    UpstreamReading {
        name: name.to_owned(),
        addresses: endpoints.len(),
        unhealthy: endpoints.iter().filter(|endpoint| !endpoint.is_healthy).count(),
        ejected: endpoints.iter().filter(|endpoint| endpoint.is_ejected).count(),
        connections: endpoints.iter().map(|endpoint| endpoint.connections).sum(),
        most_in_flight: upstream.most_in_flight(),
        connected,
        unconnected,
        ejections,
    }
}
