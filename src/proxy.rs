//! The handler: one request from its head to its answer.
//!
//! ```text
//! head -> route (method, path, query keys) -> body under its limit -> message -> backend -> reply | refusal
//! ```
//! Values move forward only. What is refused is refused before the backend hears of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{HeaderName, Method, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::Instant;
use tonic::Code;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::error::{self, Refusal};
use crate::listener::Malformed;
use crate::metadata::Metadata;
use crate::route::{Found, Miss, Query, Route, Routes};
use crate::schema::Schema;
use crate::upstream::{CallError, Upstream};

pub use crate::error::StatusHeaders;

/// Default of [`Config::body_limit`].
pub const BODY_LIMIT: usize = 1 << 20;

/// Default of the largest JSON of a reply, in bytes. It is another limit than that of the message: two bytes of wire format
/// can become a large object.
pub const JSON_LIMIT: usize = 16 << 20;

/// How requests are read and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Largest request body, in bytes.
    pub body_limit: usize,
    /// Media types besides `application/json` and `*+json` whose bodies are JSON; lower case, without parameters.
    pub json_types: Vec<String>,
    /// Whether `application/x-www-form-urlencoded` is taken.
    pub forms: bool,
    /// Headers that repeat the gRPC status.
    pub status_headers: Option<StatusHeaders>,
}

/// All that a request needs.
pub struct Gateway {
    /// Types of error details.
    pub schema: Arc<Schema>,
    /// Where requests go.
    pub routes: Arc<Routes>,
    /// Who answers them.
    pub upstream: Upstream,
    /// What crosses with them.
    pub metadata: Arc<Metadata>,
    /// How they are read and answered.
    pub config: Arc<Config>,
}

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    Json,
    Form,
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The service that answers every request.
pub fn service(gateway: Gateway) -> Router {
    // RFC 9111, section 5.2.2.5: what a bank answers is nobody else's to keep.
    let no_store = SetResponseHeaderLayer::if_not_present(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let no_sniff = HeaderName::from_static("x-content-type-options");
    let no_sniff = SetResponseHeaderLayer::overriding(no_sniff, HeaderValue::from_static("nosniff"));
    Router::new()
        .fallback(handle)
        .with_state(Arc::new(gateway))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(no_store)
        .layer(no_sniff)
}

/// The answers to what is no HTTP/1.1, for the listener: the service is not asked for them.
pub fn malformed(config: &Config) -> Malformed {
    let names = config.status_headers.clone();
    Arc::new(move |status| Refusal::malformed(status).into_text(names.as_ref()))
}

/// The answer after a fault of ours. The panic's text is in the log, where the panic hook put it.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    let message = "an internal error; the outcome of the call is unknown";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, message).into_response(None)
}

async fn handle(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let started = Instant::now();
    let names = gateway.config.status_headers.as_ref();
    let is_head = request.method() == Method::HEAD;
    let response = match gateway.answer(request, started).await {
        Ok(response) => response,
        Err(refusal) => {
            let metadata = refusal.metadata.clone();
            let mut response = refusal.into_response(names);
            gateway.reply_headers(response.headers_mut(), &metadata);
            response
        }
    };
    if is_head { without_body(response) } else { response }
}

/// RFC 9110, section 9.3.2: what GET would be answered, its length included, but for the body.
fn without_body(mut response: Response) -> Response {
    use http_body::Body as _;
    let body = std::mem::take(response.body_mut());
    if let Some(length) = body.size_hint().exact().filter(|_| response.status() != StatusCode::NO_CONTENT) {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

impl Gateway {
    /// The same with connections to the backend of its own.
    #[must_use]
    pub fn for_worker(&self) -> Self {
        let Self { schema, routes, upstream, metadata, config } = self;
        let (schema, routes) = (schema.clone(), routes.clone());
        Self { schema, routes, upstream: upstream.for_worker(), metadata: metadata.clone(), config: config.clone() }
    }

    async fn answer(&self, request: Request, started: Instant) -> Result<Response, Refusal> {
        let deadline = started + self.upstream.deadline;
        let (head, body) = request.into_parts();
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let query = query.map_err(|error| Refusal::query(&error))?;
        let Found { route, captures } = match self.routes.find(&head.method, head.uri.path(), &query) {
            Ok(found) => found,
            Err(Miss::Method { allowed }) if head.method == Method::OPTIONS => return Ok(Refusal::options(&allowed)),
            Err(miss) => return Err(Refusal::miss(miss)),
        };
        let body = self.read_body(route, &head.headers, body, deadline).await?;
        let message = match &body {
            Some((form, Media::Form)) => route.encode_form(&captures, &query, form),
            Some((json, Media::Json)) => route.encode(&captures, &query, Some(json)),
            None => route.encode(&captures, &query, None),
        };
        let message = message.map_err(|error| Refusal::encode(&error))?;
        let metadata =
            self.metadata.for_backend(&head.headers).map_err(|error| Refusal::bad_request(error.to_string()))?;
        let called = self.upstream.call(&route.rpc_path, metadata, &message, deadline).await;
        log(&head.method, route, called.as_ref().err(), started.elapsed());
        let reply = called.map_err(|error| Refusal::call(error, &self.schema))?;
        let json = route.decode(&reply.message, query.system()).map_err(|error| {
            tracing::error!(rpc = route.rpc, %error, "the backend's reply cannot be decoded");
            Refusal::undecodable()
        })?;
        Ok(self.success(json, &reply.metadata))
    }

    /// The body, if the request has one.
    async fn read_body(
        &self,
        route: &Route,
        headers: &HeaderMap,
        body: Body,
        deadline: Instant,
    ) -> Result<Option<(Bytes, Media)>, Refusal> {
        use http_body::Body as _;
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

    fn success(&self, json: Vec<u8>, metadata: &HeaderMap) -> Response {
        let mut response = Body::from(json).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(names) = &self.config.status_headers {
            error::status_headers(headers, names, Code::Ok, "");
        }
        self.reply_headers(headers, metadata);
        response
    }

    fn reply_headers(&self, headers: &mut HeaderMap, metadata: &HeaderMap) {
        for (name, value) in self.metadata.for_caller(metadata) {
            headers.append(name, value.clone());
        }
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

/// One line a call: the template, never the path or the query, which hold account numbers and tokens.
fn log(method: &Method, route: &Route, error: Option<&CallError>, took: Duration) {
    let template = route.template.split('?').next().unwrap_or_default();
    let (rpc, ms) = (&route.rpc, took.as_millis());
    match error {
        None => tracing::debug!(%method, template, rpc, ms, "answered"),
        Some(error @ CallError::Status { .. }) => tracing::debug!(%method, template, rpc, ms, %error, "refused"),
        Some(error) => tracing::warn!(%method, template, rpc, ms, %error, "failed"),
    }
}
