//! The handler: one request from its head to its answer.
//!
//! ```text
//! head -> route (method, path, query keys) -> body under its limit -> message -> backend -> reply | refusal
//! ```
//! Values move forward only. What is refused is refused before the backend hears of it.

mod request;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Request, StatusCode};
use http_body::Body as _;
use tokio::time::Instant;
use tonic::Code;
use tower_http::catch_panic::{CatchPanic, CatchPanicLayer};
use tower_layer::Layer as _;
use tower_service::Service;

use crate::answer::{Body, Response};
use crate::error::{self, Refusal};
use crate::listener::Malformed;
use crate::metadata::Metadata;
use crate::route::{Found, Miss, Query, Route, Routes};
use crate::schema::Schema;
use crate::upstream::{CallError, Upstream};
use request::Media;

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

/// A request's body as a connection gives it.
pub trait Incoming: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static {}

impl<B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static> Incoming for B {}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The service that answers every request.
#[must_use]
pub fn service(gateway: Gateway) -> CatchPanic<Front, Panicked> {
    CatchPanicLayer::custom(panicked as Panicked).layer(Front(Arc::new(gateway)))
}

/// Answers every request with its gateway.
#[derive(Clone)]
pub struct Front(Arc<Gateway>);

impl<B: Incoming> Service<Request<B>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let gateway = Arc::clone(&self.0);
        Box::pin(async move { Ok(handle(&gateway, request).await) })
    }
}

/// The answers to what is no HTTP/1.1, for the listener: the service is not asked for them.
pub fn malformed(config: &Config) -> Malformed {
    let names = config.status_headers.clone();
    Arc::new(move |status| Refusal::malformed(status).into_text(names.as_ref()))
}

/// What [`panicked`] is, as a type.
pub type Panicked = fn(Box<dyn std::any::Any + Send>) -> Response;

/// The answer after a fault of ours. The panic's text is in the log, where the panic hook put it.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    let message = "an internal error; the outcome of the call is unknown";
    guarded(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, message).into_response(None))
}

async fn handle<B: Incoming>(gateway: &Gateway, request: Request<B>) -> Response {
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
    guarded(if is_head { without_body(response) } else { response })
}

/// What every answer says to those that pass it on or show it.
fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    // RFC 9111, section 5.2.2.5: what a bank answers is nobody else's to keep, unless it says so itself.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// RFC 9110, section 9.3.2: what GET would be answered, its length included, but for the body.
fn without_body(mut response: Response) -> Response {
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

    async fn answer<B: Incoming>(&self, request: Request<B>, started: Instant) -> Result<Response, Refusal> {
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

    fn success(&self, json: Vec<u8>, metadata: &HeaderMap) -> Response {
        let mut response = Response::new(Body::from(json));
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
