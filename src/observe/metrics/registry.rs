//! The registry of all metrics, with the counters of reloads and handshakes and the build information.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::exposition::{Exposition, as_prometheus};
use super::readings::{ReadingsCollector, Source};
use super::requests::RequestMetrics;

/// All metrics since the process started.
pub struct Metrics {
    registry: Registry,
    reloads: Labelled,
    is_current: Gauge,
    taken_over: Gauge<f64, AtomicU64>,
    handshakes: HandshakeCounts,
    requests: RequestMetrics,
    readings: Arc<OnceLock<Arc<dyn Source>>>,
}

/// Counts TLS handshakes with callers. Cheap to clone: clones share the counters.
#[derive(Debug, Clone, Default)]
pub struct HandshakeCounts {
    made: Labelled,
    failed: Labelled,
}

/// Counters with one label, whose values come from a fixed set.
type Labelled = Family<[(&'static str, &'static str); 1], Counter>;

/// Why a handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeFault {
    /// The handshake took too long.
    TimedOut,
    /// The caller closed the connection.
    Closed,
    /// The caller sent no certificate, or one that is not accepted.
    Certificate,
    /// The caller sent an alert; usually it does not accept our certificate.
    Refused,
    /// The caller does not speak TLS 1.2 or 1.3, or violates the protocol.
    Protocol,
}

impl HandshakeCounts {
    /// Counts a successful handshake with this TLS version.
    pub fn made(&self, version: &'static str) {
        self.made.get_or_create(&[("version", version)]).inc();
    }

    /// Counts a failed handshake.
    pub fn failed(&self, fault: HandshakeFault) {
        self.failed.get_or_create(&[fault.label()]).inc();
    }
}

impl HandshakeFault {
    const ALL: [Self; 5] = [Self::TimedOut, Self::Closed, Self::Certificate, Self::Refused, Self::Protocol];

    fn label(self) -> (&'static str, &'static str) {
        let reason = match self {
            Self::TimedOut => "timeout",
            Self::Closed => "closed",
            Self::Certificate => "certificate",
            Self::Refused => "refused_by_caller",
            Self::Protocol => "protocol",
        };
        ("reason", reason)
    }
}

impl Metrics {
    /// All counters are zero, and the current configuration counts as loaded now.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("towbar");
        let (reloads, is_current, taken_over) = (Family::default(), Gauge::default(), Gauge::default());
        registry.register("reloads", "Reloads of the configuration, by their result", reloads.clone());
        let help = "1 if the configuration that was read last is in use, 0 if it was rejected";
        registry.register("reload_is_current", help, is_current.clone());
        let help = "When the configuration in use was applied, in seconds since 1970";
        registry.register_with_unit("taken_over_timestamp", help, Unit::Seconds, taken_over.clone());
        let handshakes = HandshakeCounts::default();
        let help = "Failed TLS handshakes of clients, by reason";
        registry.register("failed_handshakes", help, handshakes.failed.clone());
        registry.register("handshakes", "TLS handshakes of clients, by version of TLS", handshakes.made.clone());
        let build: Family<[(&str, &str); 1], Gauge> = Family::default();
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("build_info", "1, with the version of Towbar", build);
        let (requests, readings) = (RequestMetrics::default(), Arc::default());
        registry.register_collector(Box::new(requests.clone()));
        registry.register_collector(Box::new(ReadingsCollector(Arc::clone(&readings))));
        let metrics = Self { registry, reloads, is_current, taken_over, handshakes, requests, readings };
        // Zero counters exist from the start, because an alert cannot be based on a counter that appears only when it
        // counts.
        for result in [DONE, REFUSED] {
            drop(metrics.reloads.get_or_create(&[result]));
        }
        for fault in HandshakeFault::ALL {
            drop(metrics.handshakes.failed.get_or_create(&[fault.label()]));
        }
        for version in ["1.2", "1.3"] {
            drop(metrics.handshakes.made.get_or_create(&[("version", version)]));
        }
        metrics.takes_over();
        metrics
    }

    /// Counts a reload that succeeded or was refused.
    pub fn reloaded(&self, is_done: bool) {
        self.reloads.get_or_create(&[if is_done { DONE } else { REFUSED }]).inc();
        if is_done {
            self.takes_over();
        } else {
            self.is_current.set(0);
        }
    }

    /// The counters of TLS handshakes with callers.
    #[must_use]
    pub fn handshakes(&self) -> HandshakeCounts {
        self.handshakes.clone()
    }

    /// The metrics of requests.
    #[must_use]
    pub fn requests(&self) -> RequestMetrics {
        self.requests.clone()
    }

    /// Sets the source of the readings; ignored if there is one already.
    pub fn read_from(&self, source: Arc<dyn Source>) {
        let _ = self.readings.set(source);
    }

    fn takes_over(&self) {
        self.is_current.set(1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.taken_over.set(now.as_secs_f64());
    }

    /// All metrics as text.
    #[must_use]
    pub fn text(&self, form: Exposition) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes every text");
        match form {
            Exposition::OpenMetrics => text,
            Exposition::Prometheus => as_prometheus(&text),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

const DONE: (&str, &str) = ("result", "done");
const REFUSED: (&str, &str) = ("result", "refused");

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_show_a_refused_reload_until_one_succeeds() {
        let metrics = Metrics::new();
        let shown = |name: &str| {
            let text = metrics.text(Exposition::OpenMetrics);
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().to_owned()
        };
        let all = || {
            [
                "towbar_reloads_total{result=\"done\"}",
                "towbar_reloads_total{result=\"refused\"}",
                "towbar_reload_is_current ",
            ]
            .map(shown)
        };
        assert_eq!(all(), ["0", "0", "1"]);
        metrics.reloaded(false);
        assert_eq!(all(), ["0", "1", "0"]);
        metrics.reloaded(false);
        metrics.reloaded(true);
        assert_eq!(all(), ["1", "2", "1"]);
        assert!(shown("towbar_taken_over_timestamp_seconds ").parse::<f64>().unwrap() > 1.7e9);
        assert!(metrics.text(Exposition::OpenMetrics).ends_with("# EOF\n"));
    }
}
