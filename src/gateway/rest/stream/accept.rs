//! Chooses the format of a stream by `Accept` (RFC 9110, section 12.5.1).

use std::cmp::Reverse;

use http::HeaderMap;
use http::header::ACCEPT;

use super::frames::Format;

/// One media range, with its quality.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// The quality in thousandths.
    quality: u16,
}

/// What a caller asks for, apart from `Accept`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// The whole stream.
    Stream,
    /// A part of the stream, as an array.
    Poll,
}

/// The format that `headers` ask for, or `None` if they accept none. The highest quality wins, then `default`, then the
/// format named first. With [`Format::GrpcGateway`] as the default, that format replaces the array. It also applies if
/// nothing is accepted, because grpc-gateway has no 406.
///
/// Libraries send `application/json` together with `*/*` for any response. So beside `*/*` with the same quality,
/// `application/json` does not count as a request for the array, unless the caller is `asking` for an array in another
/// way.
#[must_use]
pub fn chosen(headers: &HeaderMap, default: Format, asking: Asking) -> Option<Format> {
    let values: Vec<&str> = headers.get_all(ACCEPT).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    if values.is_empty() {
        return Some(default);
    }
    let ranges: Vec<Range<'_>> = values.iter().flat_map(|value| value.split(',')).filter_map(range).collect();
    let any = ranges.iter().filter(|range| range.kind == "*").map(|range| range.quality).max().unwrap_or(0);
    let is_grpc_gateway = default == Format::GrpcGateway;
    let forms = Format::ALL.map(|format| if is_grpc_gateway && format == Format::Array { default } else { format });
    let wanted = forms.into_iter().rev().filter_map(|format| {
        let Match { place, precision, quality } = best(&ranges, format)?;
        let is_any = format == Format::Array && asking == Asking::Stream && any >= quality;
        let by_name = precision == 2 && !is_any;
        (quality > 0).then_some((format, (quality, by_name, !by_name && format == default, Reverse(place))))
    });
    wanted.max_by_key(|(_, key)| *key).map(|(format, _)| format).or(is_grpc_gateway.then_some(default))
}

/// A media range that includes a format.
struct Match {
    /// The index of the range.
    place: usize,
    /// 2 for a named type, 1 for `type/*`, 0 for `*/*`.
    precision: u8,
    quality: u16,
}

/// The most precise range that includes the format.
fn best(ranges: &[Range<'_>], format: Format) -> Option<Match> {
    let precision = |range: &Range<'_>| format.media_types().iter().filter_map(|name| range.precision(name)).max();
    let matching = ranges.iter().enumerate();
    let matching = matching
        .filter_map(|(place, range)| Some(Match { place, precision: precision(range)?, quality: range.quality }));
    matching.max_by_key(|found| (found.precision, Reverse(found.place)))
}

impl Range<'_> {
    /// How precisely the range matches this media type (2 for a named type, 1 for `type/*`, 0 for `*/*`); `None` if it
    /// does not match.
    fn precision(&self, media_type: &str) -> Option<u8> {
        let (kind, subtype) = media_type.split_once('/')?;
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (_, "*") if self.kind.eq_ignore_ascii_case(kind) => Some(1),
            _ if self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype) => Some(2),
            _ => None,
        }
    }
}

fn range(text: &str) -> Option<Range<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let (kind, subtype) = parts.next()?.split_once('/')?;
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some(Range { kind, subtype, quality: quality.map_or(1000, thousandths) })
}

/// A quality (RFC 9110, section 12.4.2) in thousandths. An invalid one counts as 0.
fn thousandths(text: &str) -> u16 {
    let value: f32 = text.parse().unwrap_or_default();
    (value.clamp(0.0, 1.0) * 1000.0) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_stream_format_with_the_highest_weight_in_accept_is_chosen() {
        use Format::{Array, GrpcGateway, Ndjson, Sse};
        for (accept, default, expected) in [
            (&[][..], Ndjson, Some(Ndjson)),
            (&[], Sse, Some(Sse)),
            (&["*/*"], Array, Some(Array)),
            (&["text/event-stream"], Ndjson, Some(Sse)),
            (&["Text/Event-Stream"], Ndjson, Some(Sse)),
            (&["application/json"], Ndjson, Some(Array)),
            (&["application/x-ndjson"], Sse, Some(Ndjson)),
            (&["application/jsonl"], Sse, Some(Ndjson)),
            (&["application/json, text/event-stream"], Ndjson, Some(Array)),
            (&["text/event-stream", "application/json"], Ndjson, Some(Sse)),
            (&["application/json;q=0.5, text/event-stream;q=0.9"], Ndjson, Some(Sse)),
            (&["application/json, */*"], Ndjson, Some(Ndjson)),
            (&["application/json, */*"], Array, Some(Array)),
            (&["application/json, text/plain, */*"], Ndjson, Some(Ndjson)),
            (&["application/json, text/plain, */*"], Sse, Some(Sse)),
            (&["*/*", "application/json"], Sse, Some(Sse)),
            (&["application/json, */*;q=0.9"], Ndjson, Some(Array)),
            (&["application/json;q=0.9, */*;q=0.8"], Ndjson, Some(Array)),
            (&["application/json, text/event-stream, */*"], Ndjson, Some(Sse)),
            (&["application/json, application/*"], Ndjson, Some(Array)),
            (&["application/x-ndjson, */*"], Sse, Some(Ndjson)),
            (&["application/json;q=0.1, */*"], Ndjson, Some(Ndjson)),
            (&["application/*"], Sse, Some(Ndjson)),
            (&["application/*"], Array, Some(Array)),
            (&["text/*"], Ndjson, Some(Sse)),
            (&["*/*, application/x-ndjson;q=0"], Ndjson, Some(Sse)),
            (&["text/html"], Ndjson, None),
            (&["application/json;q=0"], Ndjson, None),
            (&["nonsense"], Ndjson, None),
            (&["application/json;q=much"], Ndjson, None),
            (&[], GrpcGateway, Some(GrpcGateway)),
            (&["*/*"], GrpcGateway, Some(GrpcGateway)),
            (&["application/json"], GrpcGateway, Some(GrpcGateway)),
            (&["application/json, text/plain, */*"], GrpcGateway, Some(GrpcGateway)),
            (&["text/html"], GrpcGateway, Some(GrpcGateway)),
            (&["text/event-stream"], GrpcGateway, Some(Sse)),
            (&["application/x-ndjson"], GrpcGateway, Some(Ndjson)),
        ] {
            let headers = accept.iter().map(|value| (ACCEPT, HeaderValue::from_static(value))).collect();
            assert_eq!(chosen(&headers, default, Asking::Stream), expected, "{accept:?} {default:?}");
        }
        let any = [(ACCEPT, HeaderValue::from_static("application/json, text/plain, */*"))].into_iter().collect();
        assert_eq!(chosen(&any, Ndjson, Asking::Poll), Some(Array));
    }
}
