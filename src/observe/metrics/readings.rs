//! Values that other parts of the process know, read at each scrape.

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Provides the readings.
pub trait Source: Send + Sync {
    /// The current values.
    fn readings(&self) -> Readings;
}

/// Values read at a scrape.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// One entry per upstream.
    pub upstreams: Vec<UpstreamReading>,
    /// When the certificate shown to callers expires, in seconds since 1970.
    pub listener_certificate: Option<i64>,
    /// When the client certificate shown to upstreams expires, in seconds since 1970; the earliest if there are
    /// several.
    pub upstream_certificate: Option<i64>,
    /// Size of the memory budget in bytes.
    pub memory_budget: usize,
    /// How many bytes of the memory budget are in use.
    pub memory_used: usize,
    /// How many lines of the access log were dropped.
    pub dropped_lines: u64,
    /// How many spans the collector of traces accepted.
    pub exported_spans: u64,
    /// How many spans were lost on the way to it.
    pub dropped_spans: u64,
    /// One entry per rate limit.
    pub limits: Vec<LimitReading>,
    /// The shared store, if there is one.
    pub store: Option<StoreReading>,
    /// The idempotency keys in the shared store, if they are there.
    pub keys: Option<KeyReading>,
}

/// Values of the idempotency keys in the shared store.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyReading {
    /// How many ends of calls the store does not know yet.
    pub waiting: usize,
    /// How many it has stored.
    pub settled: u64,
    /// How many it never learned.
    pub given_up: u64,
    /// How often the store had lost a key whose call was in flight.
    pub lost: u64,
}

/// Values of the shared store.
#[derive(Debug, Clone, Default)]
pub struct StoreReading {
    /// Whether there is a connection.
    pub is_up: bool,
    /// How many connections were made.
    pub connected: u64,
    /// How many attempts to connect failed.
    pub unconnected: u64,
    /// How many commands wait for an answer.
    pub in_flight: usize,
    /// How many commands had each result.
    pub commands: Vec<(&'static str, u64)>,
    /// The sum of the latencies of answered commands, in seconds.
    pub seconds: f64,
    /// How many answers came within each upper bound in seconds, and not within the one before.
    pub latencies: Vec<(f64, u64)>,
}

/// Values of one rate limit.
#[derive(Debug, Clone, Default)]
pub struct LimitReading {
    pub name: String,
    /// Whether requests above it are refused.
    pub is_enforced: bool,
    /// How many requests were above it.
    pub exceeded: u64,
    /// How many requests were decided without the store; `None` for a limit that is not shared.
    pub without_store: Option<u64>,
}

/// Values of one upstream.
#[derive(Debug, Clone, Default)]
pub struct UpstreamReading {
    pub name: String,
    /// How many addresses the upstream resolves to.
    pub addresses: usize,
    /// How many addresses failed their last health check.
    pub unhealthy: usize,
    /// How many addresses are ejected: they get no calls for now.
    pub ejected: usize,
    /// How many connections are open.
    pub connections: usize,
    /// How many unary calls may be in flight.
    pub most_in_flight: usize,
    /// How many connections were established since the start.
    pub connected: u64,
    /// How many connection attempts failed.
    pub unconnected: u64,
    /// How many times an address was ejected.
    pub ejections: u64,
}

/// Exports the readings. Everything is zero until a source is set.
pub(super) struct ReadingsCollector(pub(super) Arc<OnceLock<Arc<dyn Source>>>);

impl fmt::Debug for ReadingsCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadingsCollector")
    }
}

/// A gauge of an upstream: its name, its help text, and how to read its value.
struct UpstreamGauge(&'static str, &'static str, fn(&UpstreamReading) -> usize);

const GAUGES: [UpstreamGauge; 5] = [
    UpstreamGauge("upstream_addresses", "Addresses that an upstream is resolved to", |it| it.addresses),
    UpstreamGauge("upstream_unhealthy_addresses", "Addresses whose last health check failed", |it| it.unhealthy),
    UpstreamGauge(
        "upstream_ejected_addresses",
        "Addresses that get no calls for now, because calls to them failed",
        |it| it.ejected,
    ),
    UpstreamGauge("upstream_connections", "Open connections to an upstream", |it| it.connections),
    UpstreamGauge(
        "upstream_in_flight_limit",
        "Unary calls that may be in flight to an upstream, as configured or as adapted to it",
        |it| it.most_in_flight,
    ),
];

impl Collector for ReadingsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let readings = self.0.get().map(|source| source.readings()).unwrap_or_default();
        for UpstreamGauge(name, help, value) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for upstream in &readings.upstreams {
                let labels = [("upstream", upstream.name.as_str())];
                gauge(value(upstream)).encode(family.encode_family(&labels)?)?;
            }
        }
        counters(&readings, &mut encoder)?;
        let help =
            "Expiry of the certificate shown to clients or upstreams, in seconds since 1970; of several, the earliest";
        let unit = Some(&Unit::Seconds);
        let mut family = encoder.encode_descriptor("certificate_expiry_timestamp", help, unit, MetricType::Gauge)?;
        for (side, until) in [("listener", readings.listener_certificate), ("upstream", readings.upstream_certificate)]
        {
            if let Some(until) = until {
                ConstGauge::new(until).encode(family.encode_family(&[("side", side)])?)?;
            }
        }
        for (name, help, value) in [
            ("memory_budget", "Memory for connections and bodies", readings.memory_budget),
            ("memory_used", "Memory in use by connections and bodies", readings.memory_used),
        ] {
            let encoder = encoder.encode_descriptor(name, help, Some(&Unit::Bytes), MetricType::Gauge)?;
            gauge(value).encode(encoder)?;
        }
        limits(&readings, &mut encoder)?;
        readings.store.as_ref().map_or(Ok(()), |reading| store(reading, &mut encoder))?;
        readings.keys.map_or(Ok(()), |reading| keys(reading, &mut encoder))?;
        let help = "Lines of the access log that were dropped because its output was too slow";
        let lines = encoder.encode_descriptor("access_log_dropped_lines", help, None, MetricType::Counter)?;
        ConstCounter::new(readings.dropped_lines).encode(lines)?;
        let help = "Spans for the collector of traces, by what became of them";
        let mut family = encoder.encode_descriptor("trace_spans", help, None, MetricType::Counter)?;
        for (result, count) in [("exported", readings.exported_spans), ("dropped", readings.dropped_spans)] {
            ConstCounter::new(count).encode(family.encode_family(&[("result", result)])?)?;
        }
        Ok(())
    }
}

fn counters(readings: &Readings, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "Attempts to connect to an upstream, by their result";
    let mut family = encoder.encode_descriptor("upstream_connects", help, None, MetricType::Counter)?;
    for upstream in &readings.upstreams {
        for (result, count) in [("ok", upstream.connected), ("failed", upstream.unconnected)] {
            let labels = [("upstream", upstream.name.as_str()), ("result", result)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
    }
    let help = "How often an address of an upstream was ejected: it got no calls for a while";
    let mut family = encoder.encode_descriptor("upstream_ejections", help, None, MetricType::Counter)?;
    for upstream in &readings.upstreams {
        let labels = [("upstream", upstream.name.as_str())];
        ConstCounter::new(upstream.ejections).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn limits(readings: &Readings, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "Requests above a limit of rate or of requests in progress, by its mode: refused, or only reported";
    let mut family = encoder.encode_descriptor("rate_limit_exceeded", help, None, MetricType::Counter)?;
    for LimitReading { name, is_enforced, exceeded, .. } in &readings.limits {
        let labels = [("limit", name.as_str()), ("mode", if *is_enforced { "enforce" } else { "report" })];
        ConstCounter::new(*exceeded).encode(family.encode_family(&labels)?)?;
    }
    let help = "Requests for which a shared limit was decided without the store, because it was away";
    let mut family = encoder.encode_descriptor("rate_limit_without_store", help, None, MetricType::Counter)?;
    for LimitReading { name, without_store, .. } in &readings.limits {
        if let Some(count) = without_store {
            ConstCounter::new(*count).encode(family.encode_family(&[("limit", name.as_str())])?)?;
        }
    }
    Ok(())
}

fn store(store: &StoreReading, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "1 if there is a connection to the shared store";
    let up = encoder.encode_descriptor("store_up", help, None, MetricType::Gauge)?;
    gauge(store.is_up.into()).encode(up)?;
    let help = "Commands that wait for an answer of the shared store";
    let in_flight = encoder.encode_descriptor("store_commands_in_flight", help, None, MetricType::Gauge)?;
    gauge(store.in_flight).encode(in_flight)?;
    let help = "Attempts to connect to the shared store, by their result";
    let mut family = encoder.encode_descriptor("store_connects", help, None, MetricType::Counter)?;
    for (result, count) in [("ok", store.connected), ("failed", store.unconnected)] {
        ConstCounter::new(count).encode(family.encode_family(&[("result", result)])?)?;
    }
    let help = "Commands for the shared store, by their result";
    let mut family = encoder.encode_descriptor("store_commands", help, None, MetricType::Counter)?;
    for (result, count) in &store.commands {
        ConstCounter::new(*count).encode(family.encode_family(&[("result", *result)])?)?;
    }
    let help = "Time from a command for the shared store to its answer";
    let unit = Some(&Unit::Seconds);
    let mut latency = encoder.encode_descriptor("store_command_duration", help, unit, MetricType::Histogram)?;
    let answered = ["ok", "refused"];
    let count = store.commands.iter().filter(|(result, _)| answered.contains(result)).map(|(_, count)| count).sum();
    let mut buckets = store.latencies.clone();
    let within: u64 = buckets.iter().map(|(_, count)| count).sum();
    buckets.push((f64::MAX, u64::saturating_sub(count, within)));
    latency.encode_histogram::<NoLabelSet>(store.seconds, count, &buckets, None)
}

fn keys(keys: KeyReading, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "Calls with an idempotency key that have ended, by whether the shared store knows it";
    let mut family = encoder.encode_descriptor("idempotency_settled", help, None, MetricType::Counter)?;
    for (result, count) in [("stored", keys.settled), ("given_up", keys.given_up), ("lost_key", keys.lost)] {
        ConstCounter::new(count).encode(family.encode_family(&[("result", result)])?)?;
    }
    let help = "Calls with an idempotency key that have ended, which the shared store does not know yet";
    let waiting = encoder.encode_descriptor("idempotency_unsettled", help, None, MetricType::Gauge)?;
    gauge(keys.waiting).encode(waiting)
}

fn gauge(value: usize) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}
