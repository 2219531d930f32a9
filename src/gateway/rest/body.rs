//! Reads a request body: its media type from Content-Type, and its decompressed bytes.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};

use super::media::{Media, MediaError, Types, check_charset, media_type};
use super::stream::Reading;
use crate::format::compression::Bounds;
use crate::format::json::Series;
use crate::gateway::call::Call;
use crate::gateway::error::Refusal;
use crate::gateway::request::gzip::unzipped;
use crate::gateway::state::Gateway;
use crate::route::Route;

/// A decompressed body and its media type.
pub(super) struct Decoded {
    pub(super) bytes: Bytes,
    pub(super) media: Media,
}

impl Gateway {
    /// Decompresses the body of a unary request and determines its media type.
    pub(super) async fn decoded(&self, call: &Call<'_>, bytes: Bytes) -> Result<Decoded, Refusal> {
        let Call { head, route, memory, .. } = *call;
        let media = media_of(self.types(), route, content_type(&head.headers))?;
        let bytes = match self.ratio(&head.headers)? {
            None => bytes,
            // Boxed; otherwise the future of every request would be as large as this one.
            Some(ratio) => {
                let bounds = Bounds { size: route.rpc.policy.body_limit, ratio };
                Box::pin(unzipped(bytes, bounds, memory)).await?
            }
        };
        let media = self.types().seen(media, &bytes);
        Ok(Decoded { bytes, media })
    }

    fn types(&self) -> Types<'_> {
        Types { json: &self.config.json_types, forms: self.config.forms, untyped: self.config.untyped_json }
    }

    /// How to read the body of a streaming request.
    pub(super) fn reading(&self, route: &Route, headers: &HeaderMap, is_empty: bool) -> Result<Reading, Refusal> {
        // Compressed bodies are not supported here: a stream is read as it arrives.
        let is_coded = || {
            headers.get_all(CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
        };
        if route.takes_body() && is_coded() {
            return Err(Refusal::coding(false));
        }
        reading_of(self.types(), route, content_type(headers), is_empty)
    }

    /// How many times its length the body may expand to; `None` if it is not compressed.
    fn ratio(&self, headers: &HeaderMap) -> Result<Option<usize>, Refusal> {
        let mut codings = headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes);
        let is = |coding: &[u8], name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
        match (codings.next(), codings.next(), self.config.gzip) {
            (None, ..) => Ok(None),
            (Some(coding), None, _) if is(coding, "identity") => Ok(None),
            (Some(coding), None, Some(ratio)) if is(coding, "gzip") || is(coding, "x-gzip") => Ok(Some(ratio)),
            (_, _, gzip) => Err(Refusal::coding(gzip.is_some())),
        }
    }
}

/// The media type of a unary request's body, as far as `Content-Type` determines it.
///
/// # Errors
/// The route takes no body, or not this type.
pub(super) fn media_of(types: Types<'_>, route: &Route, content_type: Option<&str>) -> Result<Media, Refusal> {
    if !route.takes_body() {
        return Err(Refusal::encode(&route.body_unexpected()));
    }
    types.media(route, content_type).map_err(|error| Refusal::media(&error))
}

/// How to read the body of a streaming request with this `Content-Type`.
///
/// # Errors
/// The route takes no body, or not this type.
pub(super) fn reading_of(
    types: Types<'_>,
    route: &Route,
    content_type: Option<&str>,
    is_empty: bool,
) -> Result<Reading, Refusal> {
    if !route.takes_body() {
        return match is_empty {
            true => Ok(Reading::Nothing),
            false => Err(Refusal::encode(&route.body_unexpected())),
        };
    }
    if route.is_raw_request {
        return Ok(Reading::Raw(content_type.unwrap_or_default().to_owned()));
    }
    let (media_type, limit) = (content_type.map(media_type), route.rpc.policy.body_limit);
    let of = |series| {
        let checked = check_charset(content_type).map_err(|error| Refusal::media(&error));
        checked.map(|()| Reading::Json(series, limit))
    };
    match media_type.as_deref() {
        // An empty body needs no media type.
        None if is_empty => Ok(Reading::Json(Series::Lines, limit)),
        Some("application/x-ndjson" | "application/ndjson" | "application/jsonl") => of(Series::Lines),
        json if types.is_json(json) => of(Series::Json),
        _ => {
            let expected = "application/json or application/x-ndjson";
            Err(Refusal::media(&MediaError::Unsupported { expected, found: media_type }))
        }
    }
}

/// The `Content-Type`; a value that is not text counts as an empty one. Repeated headers were refused with the head.
fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default())
}
