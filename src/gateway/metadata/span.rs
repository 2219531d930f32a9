//! The ids of the spans of one request: the span of the request itself, and that of its call.

use http::header::HeaderMap;

use super::trace::{CallerSpan, TRACEPARENT, TraceId, traceparent};

/// The ids of the spans of a traced request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanIds {
    pub(crate) trace: TraceId,
    /// The caller's span; `None` if the trace begins here.
    pub(crate) parent: Option<u64>,
    /// The span of the request.
    pub(crate) server: u64,
    /// The span of the call, whose parent is the span of the request.
    pub(crate) client: u64,
}

impl SpanIds {
    /// The spans of a request with these headers, if it is traced. Its caller decides that if it sends a valid
    /// `traceparent`; for a new trace, `is_recorded` does.
    pub(crate) fn of(headers: &HeaderMap, is_recorded: impl FnOnce() -> bool) -> Option<Self> {
        let caller = CallerSpan::of(headers);
        if !caller.as_ref().map_or_else(is_recorded, |caller| caller.is_sampled) {
            return None;
        }
        let (trace, parent) = caller.map_or_else(|| (TraceId::new(), None), |it| (it.trace, Some(it.span)));
        let new = || fastrand::u64(1..);
        Some(Self { trace, parent, server: new(), client: new() })
    }

    /// Makes the span of the call the parent of what the backend does.
    pub(crate) fn lead(&self, metadata: &mut HeaderMap) {
        if let Some(parent) = traceparent(&self.trace, self.client, true) {
            metadata.insert(TRACEPARENT, parent);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0";

    fn headers(parents: &[&str]) -> HeaderMap {
        parents.iter().map(|parent| (TRACEPARENT, HeaderValue::from_str(parent).unwrap())).collect()
    }

    #[test]
    fn the_caller_of_a_trace_decides_whether_it_is_recorded_and_chance_decides_for_a_new_one() {
        let (sampled, unsampled) = (format!("{PARENT}1"), format!("{PARENT}0"));
        for (parents, by_chance, is_recorded, continues) in [
            (&[sampled.as_str()][..], false, true, true),
            (&[&unsampled], true, false, true),
            (&[], true, true, false),
            (&[], false, false, false),
            (&["00-malformed"], true, true, false),
            (&["00-malformed"], false, false, false),
            (&[&sampled, &sampled], false, false, false),
        ] {
            let spans = SpanIds::of(&headers(parents), || by_chance);
            assert_eq!(spans.is_some(), is_recorded, "{parents:?}");
            let Some(SpanIds { trace, parent, server, client }) = spans else { continue };
            assert_eq!(trace.as_str() == "4bf92f3577b34da6a3ce929d0e0e4736", continues, "{parents:?}");
            assert_eq!(parent, continues.then_some(0x00f0_67aa_0ba9_02b7), "{parents:?}");
            assert!(server != client && server != 0 && client != 0, "{parents:?}");
        }
    }

    #[test]
    fn the_backend_gets_the_span_of_the_call_as_its_parent() {
        let spans = SpanIds::of(&headers(&[&format!("{PARENT}1")]), || false).unwrap();
        let mut metadata = headers(&[&format!("{PARENT}1")]);
        SpanIds { client: 0xab, ..spans }.lead(&mut metadata);
        let parents: Vec<&HeaderValue> = metadata.get_all(TRACEPARENT).iter().collect();
        assert_eq!(parents, ["00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000ab-01"]);
    }
}
