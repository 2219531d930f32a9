//! What is counted, as the text that Prometheus reads.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// The form of [`Metrics::text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format 0.0.4 of Prometheus, which some tools read only.
    Prometheus,
}

impl Exposition {
    /// The form for whoever accepts this: the older one only where it is asked for and the newer one is not.
    #[must_use]
    pub fn accepted_by(accept: &str) -> Self {
        let has = |media_type: &str| accept.split(',').any(|part| part.trim().starts_with(media_type));
        if has("text/plain") && !has("application/openmetrics-text") { Self::Prometheus } else { Self::OpenMetrics }
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Everything that is counted, since the process began.
pub struct Metrics {
    registry: Registry,
    reloads: Family<[(&'static str, &'static str); 1], Counter>,
    is_current: Gauge,
    taken_over: Gauge<f64, AtomicU64>,
    failed_handshakes: FailedHandshakes,
}

/// TLS handshakes of callers that failed. Cheap to clone: the clones are one.
#[derive(Debug, Clone, Default)]
pub struct FailedHandshakes(Family<[(&'static str, &'static str); 1], Counter>);

/// Why a handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeFault {
    /// It took too long.
    TimedOut,
    /// The caller ended the connection.
    Closed,
    /// The caller shows no certificate, or one that is not accepted.
    Certificate,
    /// The caller refused with an alert: mostly, it does not accept our certificate.
    Refused,
    /// The caller does not speak TLS 1.2 or 1.3, or not as the standards have it.
    Protocol,
}

impl FailedHandshakes {
    /// Counts one more.
    pub fn count(&self, fault: HandshakeFault) {
        self.0.get_or_create(&[fault.label()]).inc();
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
    /// Everything zero, and what is served now taken over now.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("towbar");
        let (reloads, is_current, taken_over) = (Family::default(), Gauge::default(), Gauge::default());
        registry.register("reloads", "Times that everything was read anew, by what came of it", reloads.clone());
        let help = "1 while what was read last is served, 0 while it was refused";
        registry.register("reload_is_current", help, is_current.clone());
        let help = "When what is served was taken over, as seconds since 1970";
        registry.register_with_unit("taken_over_timestamp", help, Unit::Seconds, taken_over.clone());
        let failed_handshakes = FailedHandshakes::default();
        let help = "TLS handshakes of callers that failed, by the reason";
        registry.register("failed_handshakes", help, failed_handshakes.0.clone());
        let metrics = Self { registry, reloads, is_current, taken_over, failed_handshakes };
        // A counter that is not there until it counts cannot be alerted on.
        for result in [DONE, REFUSED] {
            drop(metrics.reloads.get_or_create(&[result]));
        }
        for fault in HandshakeFault::ALL {
            drop(metrics.failed_handshakes.0.get_or_create(&[fault.label()]));
        }
        metrics.takes_over();
        metrics
    }

    /// Counts a reload, which was taken over or refused.
    pub fn reloaded(&self, is_done: bool) {
        self.reloads.get_or_create(&[if is_done { DONE } else { REFUSED }]).inc();
        if is_done {
            self.takes_over();
        } else {
            self.is_current.set(0);
        }
    }

    /// Where TLS handshakes of callers that fail are counted.
    #[must_use]
    pub fn failed_handshakes(&self) -> FailedHandshakes {
        self.failed_handshakes.clone()
    }

    fn takes_over(&self) {
        self.is_current.set(1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.taken_over.set(now.as_secs_f64());
    }

    /// All of it.
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

/// The same in the text format 0.0.4: a counter has the name of its sample, and there are neither units nor an end.
fn as_prometheus(text: &str) -> String {
    let mut counters = HashSet::new();
    for line in text.lines() {
        if let Some(("counter", name)) =
            line.strip_prefix("# TYPE ").and_then(|rest| Some((rest.rsplit(' ').next()?, rest.split(' ').next()?)))
        {
            counters.insert(name);
        }
    }
    let mut converted = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF") {
        match line.strip_prefix("# ").map(|rest| rest.splitn(3, ' ').collect::<Vec<_>>()).as_deref() {
            Some([kind, name, rest]) if counters.contains(name) => {
                converted.extend(["# ", kind, " ", name, "_total ", rest]);
            }
            _ => converted.push_str(line),
        }
        converted.push('\n');
    }
    converted
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
    fn a_refused_reload_is_told_until_one_is_taken_over() {
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
