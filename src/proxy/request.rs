//! The body of a request: of a type that is taken, under its limit, in time.

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::Instant;
use tonic::Code;

use super::{Gateway, Incoming};
use crate::error::Refusal;
use crate::route::Route;

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Form,
}

const FORM: &str = "application/x-www-form-urlencoded";

impl Gateway {
    /// The body, if the request has one.
    pub(super) async fn read_body<B: Incoming>(
        &self,
        route: &Route,
        headers: &HeaderMap,
        body: B,
        deadline: Instant,
    ) -> Result<Option<(Bytes, Media)>, Refusal> {
        if body.is_end_stream() {
            return Ok(None);
        }
        let limit = self.config.body_limit;
        let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > limit as u64) {
            return Err(too_large(limit));
        }
        let read = tokio::time::timeout_at(deadline, Limited::new(body, limit).collect()).await;
        let read = read.map_err(|_| {
            Refusal::new(StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded, "the body did not arrive in time")
        })?;
        let bytes = read.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => too_large(limit),
            None => Refusal::bad_request("the body broke off"),
        })?;
        let bytes = bytes.to_bytes();
        if bytes.is_empty() {
            return Ok(None);
        }
        if !route.takes_body() {
            return Err(Refusal::encode(&route.body_unexpected()));
        }
        let media = self.media(route, headers)?;
        check_encoding(headers)?;
        Ok(Some((bytes, media)))
    }

    fn media(&self, route: &Route, headers: &HeaderMap) -> Result<Media, Refusal> {
        let mut values = headers.get_all(CONTENT_TYPE).iter();
        let (first, second) = (values.next(), values.next());
        let text = first.and_then(|value| value.to_str().ok()).filter(|_| second.is_none());
        let media_type = text.map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        let is_json = media_type.as_deref().is_some_and(|media_type| {
            media_type == "application/json"
                || media_type.ends_with("+json")
                || self.config.json_types.iter().any(|json| json == media_type)
        });
        if is_json {
            return Ok(Media::Json);
        }
        if self.config.forms && route.takes_form() && media_type.as_deref() == Some(FORM) {
            return Ok(Media::Form);
        }
        let found = media_type.map_or_else(|| "none".to_owned(), |media_type| format!("`{media_type}`"));
        let message = format!("expected Content-Type application/json, found {found}");
        Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message))
    }
}

/// RFC 9110, section 15.5.16: a coding that is not taken is 415 too, and `Accept-Encoding` would say which is.
fn check_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let codings = headers.get_all(CONTENT_ENCODING).iter();
    if codings.into_iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    let message = "expected a body without Content-Encoding, found one with it";
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message))
}

fn too_large(limit: usize) -> Refusal {
    let message = format!("expected a body of at most {limit} bytes, found more");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted, message)
}
