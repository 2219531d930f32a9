//! The text formats in which metrics are exported.

use std::collections::HashSet;

/// The format of [`Metrics::text`](super::Metrics::text).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The Prometheus text format 0.0.4; some tools read nothing else.
    Prometheus,
}

impl Exposition {
    /// Chooses the format by `Accept`: the older one only if it is accepted and the newer one is not mentioned.
    #[must_use]
    pub fn accepted_by(accept: &str) -> Self {
        let has = |media_type: &str| accept.split(',').any(|part| part.trim().starts_with(media_type));
        if has("text/plain") && !has("application/openmetrics-text") { Self::Prometheus } else { Self::OpenMetrics }
    }

    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Converts OpenMetrics text to the Prometheus text format 0.0.4: counters are named like their samples, and units and
/// the end marker are left out.
pub(super) fn as_prometheus(text: &str) -> String {
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
