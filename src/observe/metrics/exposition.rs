//! The forms in which metrics are read.

use std::collections::HashSet;

/// The form of [`Metrics::text`](super::Metrics::text).
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

/// The same in the text format 0.0.4: a counter has the name of its sample, and there are neither units nor an end.
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
