//! The trace of a call: `traceparent` and `tracestate` of W3C Trace Context, Level 1.

use std::fmt;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::value::{NotMetadata, check};

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What to do with a caller's trace context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TraceContext {
    /// Pass it on unchanged.
    #[default]
    Pass,
    /// Pass a valid one on; replace an invalid or missing one by a new trace.
    Create,
}

/// The id of a trace: 32 lower-case hexadecimal digits, not all 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceId([u8; 32]);

impl TraceId {
    /// The trace id of `traceparent`, if there is exactly one and it is valid.
    #[must_use]
    pub fn of(metadata: &HeaderMap) -> Option<Self> {
        let parent = Parent::parse(only(metadata, &TRACEPARENT)?.as_bytes())?;
        parent.fields[3..35].try_into().ok().map(Self)
    }

    /// The id of a new trace. Random bits are enough, even if they are predictable: an id is not a secret.
    pub(super) fn new() -> Self {
        let (mut digits, number) = ([0; 32], fastrand::u128(1..));
        write_hex(&mut digits, &number.to_be_bytes());
        Self(digits)
    }

    /// The 16 bytes of the id.
    #[must_use]
    pub fn bytes(&self) -> [u8; 16] {
        u128::from_str_radix(self.as_str(), 16).unwrap_or_default().to_be_bytes()
    }

    /// The digits of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The span of the caller, by its `traceparent`.
pub(super) struct CallerSpan {
    pub(super) trace: TraceId,
    /// Never 0.
    pub(super) span: u64,
    pub(super) is_sampled: bool,
}

impl CallerSpan {
    /// The span that these headers name, if there is exactly one `traceparent` and it is valid.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let parent = Parent::parse(only(headers, &TRACEPARENT)?.as_bytes())?;
        let trace = TraceId(parent.fields[3..35].try_into().ok()?);
        let span = std::str::from_utf8(&parent.fields[36..52]).ok()?;
        Some(Self { trace, span: u64::from_str_radix(span, 16).ok()?, is_sampled: parent.is_sampled() })
    }
}

/// The `traceparent` of this span, version 00.
pub(super) fn traceparent(trace: &TraceId, span: u64, is_sampled: bool) -> Option<HeaderValue> {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    text[3..35].copy_from_slice(&trace.0);
    write_hex(&mut text[36..52], &span.to_be_bytes());
    text[54] = b'0' + u8::from(is_sampled);
    HeaderValue::from_bytes(&text).ok()
}

/// Writes two lower-case digits for each byte.
fn write_hex(digits: &mut [u8], bytes: &[u8]) {
    let digit = |half: u8| char::from_digit(half.into(), 16).map_or(b'0', |digit| digit as u8);
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
    }
}

/// Adds the trace context of these headers, or a new one, to `metadata` (section 4, "Processing Model").
///
/// # Errors
/// gRPC cannot carry the value of `tracestate`.
pub(super) fn carry(headers: &HeaderMap, metadata: &mut HeaderMap) -> Result<(), NotMetadata> {
    let Some(parent) = only(headers, &TRACEPARENT).and_then(kept) else {
        // `tracestate` belongs to the old `traceparent`, so it is dropped with it.
        metadata.extend(created().map(|parent| (TRACEPARENT, parent)));
        return Ok(());
    };
    metadata.insert(TRACEPARENT, parent);
    for state in headers.get_all(TRACESTATE) {
        check(&TRACESTATE, state)?;
        metadata.append(TRACESTATE, state.clone());
    }
    Ok(())
}

/// The value of this header if there is exactly one (section 3.2).
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// The `traceparent` to pass on; `None` if the value is not valid.
fn kept(value: &HeaderValue) -> Option<HeaderValue> {
    let parent = Parent::parse(value.as_bytes())?;
    if parent.is_known() {
        return Some(value.clone());
    }
    // A later version: pass on the ids and the one known flag, as version 00.
    let ids = std::str::from_utf8(&parent.fields[2..53]).ok()?;
    HeaderValue::from_str(&format!("00{ids}0{}", u8::from(parent.is_sampled()))).ok()
}

/// A new trace. Its parent id is not a span that anybody recorded. So it is not marked as sampled (section 3.2.2.5):
/// whoever creates the first span decides. Section 3.2.2: neither id may be 0.
fn created() -> Option<HeaderValue> {
    traceparent(&TraceId::new(), fastrand::u64(1..), false)
}

/// A valid `traceparent`.
struct Parent<'a> {
    /// The fields `version "-" trace-id "-" parent-id "-" trace-flags`.
    fields: &'a [u8; 55],
}

impl<'a> Parent<'a> {
    /// Parses version 00 (section 3.2.2), or a later version (3.2.4): it begins with the same fields, followed by a
    /// dash.
    fn parse(value: &'a [u8]) -> Option<Self> {
        let (fields, rest) = value.split_first_chunk::<55>()?;
        let is_right = |(at, byte): (usize, &u8)| match at {
            2 | 35 | 52 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        };
        let has_id = |id: &[u8]| id.iter().any(|byte| *byte != b'0');
        let parent = Self { fields };
        let ends = if parent.is_known() { rest.is_empty() } else { rest.is_empty() || rest.starts_with(b"-") };
        let is_valid = fields.iter().enumerate().all(is_right) && has_id(&fields[3..35]) && has_id(&fields[36..52]);
        (is_valid && ends && !fields.starts_with(b"ff")).then_some(parent)
    }

    /// Whether this is version 00.
    fn is_known(&self) -> bool {
        self.fields.starts_with(b"00")
    }

    /// Whether the sampled flag, the lowest bit, is set.
    fn is_sampled(&self) -> bool {
        char::from(self.fields[54]).to_digit(16).is_some_and(|flags| flags & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn carried(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let headers =
            pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut metadata = HeaderMap::new();
        carry(&headers.collect(), &mut metadata).unwrap();
        metadata
    }

    #[test]
    fn a_valid_traceparent_is_forwarded_and_a_later_version_as_version_00() {
        for (sent, goes_on) in [
            (VALID, VALID),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            ),
            // A flag that Level 2 defines.
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03",
            ),
            (
                "00-00000000000000000000000000000001-0000000000000001-ff",
                "00-00000000000000000000000000000001-0000000000000001-ff",
            ),
            ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", VALID),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-more", VALID),
            ("fe-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-", VALID),
            (
                "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe-1-01",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            ),
        ] {
            let metadata = carried(&[("traceparent", sent), ("tracestate", "a=1"), ("tracestate", "b=2")]);
            assert_eq!(metadata[TRACEPARENT], goes_on, "{sent}");
            assert_eq!(metadata.get_all(TRACESTATE).iter().collect::<Vec<_>>(), ["a=1", "b=2"], "{sent}");
        }
    }

    #[test]
    fn an_invalid_traceparent_is_replaced_and_its_tracestate_dropped() {
        for sent in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0A",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0-4bf92f3577b34da6a3ce929d0e0e47361-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-012",
            "cc-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "\u{e9}",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, HeaderValue::from_bytes(sent.as_bytes()).unwrap());
            headers.insert(TRACESTATE, HeaderValue::from_static("a=1"));
            let mut metadata = HeaderMap::new();
            carry(&headers, &mut metadata).unwrap();
            assert_new(&metadata, sent);
        }
    }

    #[test]
    fn a_missing_or_repeated_traceparent_is_replaced_by_a_new_one() {
        for pairs in [
            &[][..],
            &[("tracestate", "a=1")],
            &[("traceparent", VALID), ("traceparent", VALID), ("tracestate", "a=1")],
        ] {
            assert_new(&carried(pairs), &format!("{pairs:?}"));
        }
    }

    /// Asserts that each new trace is different, valid and not sampled, and that no other metadata is present.
    fn assert_new(metadata: &HeaderMap, input: &str) {
        let first = metadata[TRACEPARENT].to_str().unwrap();
        let second = created().unwrap();
        assert_eq!((metadata.len(), first.len()), (1, 55), "{input}");
        for parent in [first, second.to_str().unwrap()] {
            assert!(Parent::parse(parent.as_bytes()).is_some(), "{input}: {parent}");
            assert!(parent.starts_with("00-") && parent.ends_with("-00"), "{input}: {parent}");
        }
        assert_ne!(first[3..35], second.to_str().unwrap()[3..35], "{input}");
        assert_ne!(first[36..52], second.to_str().unwrap()[36..52], "{input}");
    }

    #[test]
    fn the_trace_id_is_taken_from_a_single_valid_traceparent() {
        for (parents, id) in [
            (&[VALID][..], Some(TRACE)),
            (&["cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"], Some(TRACE)),
            (&[], None),
            (&["secret"], None),
            (&[VALID, VALID], None),
        ] {
            let metadata = parents.iter().map(|parent| (TRACEPARENT, HeaderValue::from_static(parent))).collect();
            assert_eq!(TraceId::of(&metadata).map(|id| id.to_string()).as_deref(), id, "{parents:?}");
        }
    }
}
