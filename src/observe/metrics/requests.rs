//! Metrics of requests: how many, how long they took, how they ended.
//!
//! Each worker counts in its own [`Shard`], whose cache lines no other worker writes. A cell is found by the index of
//! its route and a short walk over the results that the route has had. A scrape adds up all shards. Shards of workers
//! that a reload has replaced are added to the totals of the past once nobody uses them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::chain::Chain;
use crate::format::grpc_code::CODES;

/// Upper bounds of the histogram buckets, in microseconds.
const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    30_000_000,
];

/// How many different results of one route are counted separately. There is a limit because a backend may choose HTTP
/// statuses freely.
const MOST_RESULTS: usize = 64;
/// Stands for all results beyond [`MOST_RESULTS`].
const OTHER: HttpResult = HttpResult { status: 0, code: NO_CODE };

/// How many reasons are counted separately; there are fewer reasons.
const MOST_REASONS: usize = 256;

/// The code of a request that made no call and was not refused. Its label is empty.
const NO_CODE: u8 = u8::MAX;

/// Metrics of all requests. Cheap to clone: clones share the counters.
#[derive(Debug, Clone, Default)]
pub struct RequestMetrics(Arc<All>);

#[derive(Debug, Default)]
struct All {
    shards: Mutex<Vec<Arc<Shard>>>,
    past: Mutex<Totals>,
}

/// The labels of everything that is served.
#[derive(Debug, Default)]
pub struct Served {
    /// By route index.
    pub routes: Vec<RouteLabels>,
    /// Names of the upstreams, by upstream index.
    pub upstreams: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct RouteLabels {
    /// The HTTP method of the rule.
    pub method: String,
    /// The path template.
    pub route: String,
    /// The rpc as `package.Service.Method`.
    pub rpc: String,
    /// Index of the upstream in [`Served::upstreams`].
    pub upstream: usize,
}

/// The metrics in which one worker counts.
#[derive(Debug)]
pub struct WorkerMetrics(Arc<Shard>);

#[derive(Debug)]
struct Shard {
    served: Arc<Served>,
    routes: Box<[Chain<HttpResult, Cell>]>,
    /// Results of requests that matched no route.
    unrouted: Chain<HttpResult, Cell>,
    refusals: Chain<RefusedBy, AtomicU64>,
    upstreams: Box<[Attempts]>,
    /// Requests whose message violates validation rules, by route index.
    invalid: Box<[AtomicU64]>,
    begun: AtomicU64,
    ended: AtomicU64,
}

/// How a request ended, as labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct HttpResult {
    /// The HTTP status; 0 if the caller went away before there was one.
    status: u16,
    code: u8,
}

/// Who refused a request, and why; both come from fixed sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedBy {
    /// Which party refused it.
    pub party: &'static str,
    pub reason: &'static str,
}

/// What is counted of a request that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// Index of its route; `None` if no route matched.
    pub route: Option<usize>,
    /// The HTTP status; 0 if the caller went away before there was one.
    pub status: u16,
    /// The number of the gRPC status code, if there was one.
    pub code: Option<u8>,
    /// Time from the head of the request to the last byte of the response.
    pub took: Duration,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the response body.
    pub bytes_out: u64,
    /// Who refused the request and why; `None` if it was not refused.
    pub refused: Option<RefusedBy>,
    /// How often its call was given to a connection, retries included.
    pub attempts: u32,
    /// Whether its message violates validation rules.
    pub is_invalid: bool,
}

#[derive(Debug, Default)]
struct Cell {
    /// One counter per bucket, and one for durations above all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

#[derive(Debug, Default)]
struct Attempts {
    calls: AtomicU64,
    attempts: AtomicU64,
}

impl RequestMetrics {
    /// Creates the metrics of a worker that serves `served`.
    #[must_use]
    pub fn for_worker(&self, served: &Arc<Served>) -> WorkerMetrics {
        self.retire();
        let shard = Arc::new(Shard {
            served: served.clone(),
            routes: served.routes.iter().map(|_| Chain::default()).collect(),
            unrouted: Chain::default(),
            refusals: Chain::default(),
            upstreams: served.upstreams.iter().map(|_| Attempts::default()).collect(),
            invalid: served.routes.iter().map(|_| AtomicU64::new(0)).collect(),
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        });
        lock(&self.0.shards).push(shard.clone());
        WorkerMetrics(shard)
    }

    /// Adds shards that nobody uses any more to the totals of the past.
    fn retire(&self) {
        let (mut shards, mut past) = (lock(&self.0.shards), lock(&self.0.past));
        shards.retain(|shard| {
            let is_used = Arc::strong_count(shard) > 1;
            if !is_used {
                past.add(shard);
            }
            is_used
        });
    }

    fn totals(&self) -> Totals {
        self.retire();
        let shards = lock(&self.0.shards);
        let mut totals = lock(&self.0.past).clone();
        shards.iter().for_each(|shard| totals.add(shard));
        totals
    }
}

impl WorkerMetrics {
    /// Counts a request that begins.
    pub fn begun(&self) {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that has ended.
    pub fn ended(&self, ended: &Ended) {
        let Shard { served, routes, unrouted, refusals, upstreams, .. } = &*self.0;
        self.0.ended.fetch_add(1, Ordering::Relaxed);
        let result = HttpResult { status: ended.status, code: ended.code.unwrap_or(NO_CODE) };
        let chain = ended.route.and_then(|route| routes.get(route)).unwrap_or(unrouted);
        let cell = chain.cell(result, MOST_RESULTS, OTHER);
        let micros = u64::try_from(ended.took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        cell.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        cell.micros.fetch_add(micros, Ordering::Relaxed);
        cell.bytes_in.fetch_add(ended.bytes_in, Ordering::Relaxed);
        cell.bytes_out.fetch_add(ended.bytes_out, Ordering::Relaxed);
        if let Some(refused) = ended.refused {
            let other = RefusedBy { party: refused.party, reason: "OTHER" };
            refusals.cell(refused, MOST_REASONS, other).fetch_add(1, Ordering::Relaxed);
        }
        let invalid = ended.route.filter(|_| ended.is_invalid).and_then(|route| self.0.invalid.get(route));
        if let Some(invalid) = invalid {
            invalid.fetch_add(1, Ordering::Relaxed);
        }
        let upstream = ended.route.and_then(|route| upstreams.get(served.routes.get(route)?.upstream));
        if let Some(counts) = upstream.filter(|_| ended.attempts > 0) {
            counts.calls.fetch_add(1, Ordering::Relaxed);
            counts.attempts.fetch_add(ended.attempts.into(), Ordering::Relaxed);
        }
    }
}

/// The sum of all shards.
#[derive(Debug, Clone, Default)]
struct Totals {
    results: BTreeMap<(RouteKey, HttpResult), Sums>,
    refusals: BTreeMap<RefusedBy, u64>,
    /// Calls and attempts, by upstream name.
    upstreams: BTreeMap<String, [u64; 2]>,
    /// Requests that violate validation rules, by rpc.
    invalid: BTreeMap<String, u64>,
    in_flight: u64,
}

/// The labels of a route without its upstream index, which a reload may change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct RouteKey {
    method: String,
    route: String,
    rpc: String,
}

#[derive(Debug, Clone, Default)]
struct Sums {
    buckets: [u64; BOUNDS.len() + 1],
    micros: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl Totals {
    fn add(&mut self, shard: &Shard) {
        let Shard { served, routes, unrouted, refusals, upstreams, invalid, begun, ended } = shard;
        self.add_results(&RouteKey::default(), unrouted);
        for (labels, chain) in served.routes.iter().zip(routes) {
            if chain.iter().next().is_some() {
                let RouteLabels { method, route, rpc, .. } = labels.clone();
                self.add_results(&RouteKey { method, route, rpc }, chain);
            }
        }
        for (labels, count) in served.routes.iter().zip(invalid) {
            match count.load(Ordering::Relaxed) {
                0 => {}
                count => *self.invalid.entry(labels.rpc.clone()).or_default() += count,
            }
        }
        for (refused, count) in refusals.iter() {
            *self.refusals.entry(refused).or_default() += count.load(Ordering::Relaxed);
        }
        for (name, counts) in served.upstreams.iter().zip(upstreams) {
            let [calls, attempts] = self.upstreams.entry(name.clone()).or_default();
            *calls += counts.calls.load(Ordering::Relaxed);
            *attempts += counts.attempts.load(Ordering::Relaxed);
        }
        // `begun` is read after `ended`, and a request may begin in between.
        let ended = ended.load(Ordering::Relaxed);
        self.in_flight += begun.load(Ordering::Relaxed).saturating_sub(ended);
    }

    fn add_results(&mut self, key: &RouteKey, chain: &Chain<HttpResult, Cell>) {
        for (result, cell) in chain.iter() {
            let sums = self.results.entry((key.clone(), result)).or_default();
            for (sum, count) in sums.buckets.iter_mut().zip(&cell.buckets) {
                *sum += count.load(Ordering::Relaxed);
            }
            sums.micros += cell.micros.load(Ordering::Relaxed);
            sums.bytes_in += cell.bytes_in.load(Ordering::Relaxed);
            sums.bytes_out += cell.bytes_out.load(Ordering::Relaxed);
        }
    }
}

impl Collector for RequestMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let totals = self.totals();
        durations(&totals, &mut encoder)?;
        bytes(&totals, &mut encoder)?;
        let help = "Requests whose answers are not complete yet";
        let in_flight = encoder.encode_descriptor("requests_in_flight", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::try_from(totals.in_flight).unwrap_or(i64::MAX)).encode(in_flight)?;
        let help = "Rejected requests, by who rejected them and the reason";
        let mut family = encoder.encode_descriptor("refusals", help, None, MetricType::Counter)?;
        for (RefusedBy { party, reason }, count) in &totals.refusals {
            ConstCounter::new(*count).encode(family.encode_family(&[("by", *party), ("reason", *reason)])?)?;
        }
        let help = "Requests whose only message violates validation rules, enforced or not, by rpc";
        let mut family = encoder.encode_descriptor("invalid_requests", help, None, MetricType::Counter)?;
        for (rpc, count) in &totals.invalid {
            ConstCounter::new(*count).encode(family.encode_family(&[("rpc", rpc.as_str())])?)?;
        }
        for (place, name, help) in [
            (0, "upstream_calls", "Calls that were given to a connection to an upstream"),
            (1, "upstream_attempts", "Attempts at calls to an upstream, retries included"),
        ] {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (upstream, counts) in &totals.upstreams {
                ConstCounter::new(counts[place]).encode(family.encode_family(&[("upstream", upstream.as_str())])?)?;
            }
        }
        Ok(())
    }
}

fn labels<'a>(key: &'a RouteKey, status: &'a str, code: &'a str) -> [(&'static str, &'a str); 5] {
    let RouteKey { method, route, rpc } = key;
    [("method", method), ("route", route), ("rpc", rpc), ("status", status), ("code", code)]
}

fn durations(totals: &Totals, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help =
        "Time from a request's head to the last byte of its answer, by route template, rpc, HTTP status and gRPC code";
    let unit = Some(&Unit::Seconds);
    let mut family = encoder.encode_descriptor("request_duration", help, unit, MetricType::Histogram)?;
    for ((key, result), sums) in &totals.results {
        let status = status(*result);
        let labels = labels(key, &status, CODES.get(usize::from(result.code)).copied().unwrap_or_default());
        let bounds = BOUNDS.iter().map(|bound| *bound as f64 / 1e6).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(sums.buckets).collect();
        let (sum, count) = (sums.micros as f64 / 1e6, sums.buckets.iter().sum());
        family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
    }
    Ok(())
}

fn bytes(totals: &Totals, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    // Adds up the bytes of all results of a route.
    let mut routes: BTreeMap<&RouteKey, [u64; 2]> = BTreeMap::new();
    for ((key, _), sums) in &totals.results {
        let [read, sent] = routes.entry(key).or_default();
        *read += sums.bytes_in;
        *sent += sums.bytes_out;
    }
    for (place, name, help) in [
        (0, "request_body", "Bytes of request bodies that were read"),
        (1, "response_body", "Bytes of answer bodies that were sent"),
    ] {
        let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Bytes), MetricType::Counter)?;
        for (RouteKey { method, route, rpc }, sums) in &routes {
            let labels = [("method", method.as_str()), ("route", route.as_str()), ("rpc", rpc.as_str())];
            ConstCounter::new(sums[place]).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn status(result: HttpResult) -> String {
    match result {
        OTHER => "other".to_owned(),
        HttpResult { status: 0, .. } => "none".to_owned(),
        HttpResult { status, .. } => status.to_string(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    fn served() -> Arc<Served> {
        let labels = |route: &str| RouteLabels {
            method: "GET".to_owned(),
            route: route.to_owned(),
            rpc: "shop.Get".to_owned(),
            upstream: 0,
        };
        Arc::new(Served { routes: vec![labels("/a"), labels("/b")], upstreams: vec!["default".to_owned()] })
    }

    fn ended(route: Option<usize>, status: u16) -> Ended {
        let took = Duration::from_micros(700);
        let refused = (status >= 400).then_some(RefusedBy { party: "gateway", reason: "FIELD" });
        Ended {
            route,
            status,
            code: Some(0),
            took,
            bytes_in: 1,
            bytes_out: 10,
            refused,
            attempts: 2,
            is_invalid: false,
        }
    }

    fn text(metrics: &RequestMetrics) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register_collector(Box::new(metrics.clone()));
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn metrics_of_workers_are_summed_and_kept_when_workers_are_replaced() {
        let metrics = RequestMetrics::default();
        let workers = [metrics.for_worker(&served()), metrics.for_worker(&served())];
        for worker in &workers {
            for (route, status) in [(Some(0), 200), (Some(0), 200), (Some(1), 400), (None, 404)] {
                worker.begun();
                worker.ended(&ended(route, status));
            }
        }
        workers[0].begun();
        let expected = [
            r#"request_duration_seconds_count{method="",route="",rpc="",status="404",code="OK"} 2"#,
            r#"request_duration_seconds_bucket{le="0.0005",method="GET",route="/a",rpc="shop.Get",status="200",code="OK"} 0"#,
            r#"request_duration_seconds_bucket{le="0.001",method="GET",route="/a",rpc="shop.Get",status="200",code="OK"} 4"#,
            r#"request_duration_seconds_bucket{le="+Inf",method="GET",route="/a",rpc="shop.Get",status="200",code="OK"} 4"#,
            r#"request_duration_seconds_sum{method="GET",route="/a",rpc="shop.Get",status="200",code="OK"} 0.0028"#,
            r#"request_body_bytes_total{method="GET",route="/a",rpc="shop.Get"} 4"#,
            r#"response_body_bytes_total{method="GET",route="/b",rpc="shop.Get"} 20"#,
            r#"refusals_total{by="gateway",reason="FIELD"} 4"#,
            r#"upstream_calls_total{upstream="default"} 6"#,
            r#"upstream_attempts_total{upstream="default"} 12"#,
        ];
        let before = text(&metrics);
        for line in expected.iter().chain(&["requests_in_flight 1"]) {
            assert!(before.lines().any(|shown| shown == *line), "{line}\n{before}");
        }
        workers[0].ended(&ended(Some(1), 500));
        drop(workers);
        let worker = metrics.for_worker(&served());
        worker.ended(&ended(Some(1), 500));
        let after = text(&metrics);
        for line in expected[..7].iter().filter(|line| !line.contains("/b")) {
            assert!(after.lines().any(|shown| shown == *line), "{line}\n{after}");
        }
        assert!(after.contains("status=\"500\",code=\"OK\"} 2\n"), "{after}");
        assert_eq!(lock(&metrics.0.shards).len(), 1, "the shards of workers that are gone");
    }

    #[test]
    fn any_number_of_statuses_is_counted_under_a_limited_number_of_labels() {
        let metrics = RequestMetrics::default();
        let worker = metrics.for_worker(&served());
        (200..999).for_each(|status| worker.ended(&ended(Some(0), status)));
        let text = text(&metrics);
        let counts = text.lines().filter(|line| line.starts_with("request_duration_seconds_count")).count();
        assert_eq!(counts, MOST_RESULTS + 1);
        assert!(text.contains("status=\"other\",code=\"\"} 735\n"), "{text}");
    }
}
