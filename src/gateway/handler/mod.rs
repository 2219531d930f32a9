//! The handler: one request from its head to its answer.
//!
//! ```text
//! head -> route (method, path, query keys) -> body under its limit -> message -> backend -> reply | refusal
//! ```
//! Values move forward only. What is refused is refused before the backend hears of it.

mod budget;
mod compression;
mod conditional;
mod convert;
mod deadline;
mod head;
mod inbound;
mod lasting;
mod limits;
mod long_poll;
mod outcome;
mod ranges;
mod request;
mod settings;
mod streaming;
#[cfg(test)]
mod tests;
mod websocket;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderName, Method, Request, StatusCode};
use http_body::Body as _;
use tokio::time::Instant;
use tonic::Code;
use tower_http::catch_panic::{CatchPanic, CatchPanicLayer, ResponseForPanic};
use tower_layer::Layer as _;
use tower_service::Service;

use crate::caller::{Admitted, Peer, admit};
use crate::format::compression::Choice;
use crate::gateway::answer::{Body, Response};
use crate::gateway::error::{self, Exposure, Form, Refusal, Statuses};
use crate::gateway::metadata::{Metadata, TraceId};
use crate::gateway::probe::Probe;
use crate::gateway::stream;
use crate::gateway::telemetry::{self, Which};
use crate::gateway::websocket::is_handshake;
use crate::limits::memory::{Account, Charge, Share};
use crate::limits::pace::Rate;
use crate::observe::seldom::Seldom;
use crate::route::{Found, Limits, Miss, Query, Route, Routes};
use crate::schema::Schema;
use crate::server::{Answerer, Arrived, Holder, Malformed, Upgrade};
use crate::upstream::{Outbound, Terms, Upstream};
use budget::charged;
use deadline::Deadline;
use inbound::Inbound;
pub use lasting::CallerGone;
use settings::Settings;

pub use crate::gateway::error::StatusHeaders;
pub use limits::{HEADER_LIMIT, MOST_HEADERS};
pub use settings::{ByRpc, Exceptions, misplaced};

/// Default of [`Config::body_limit`].
pub const BODY_LIMIT: usize = 1 << 20;

/// Default of the times that a compressed body may become as large.
pub const GZIP_RATIO: usize = 100;

/// Default of the largest JSON of a reply, in bytes. It is another limit than that of the message: two bytes of wire format
/// can become a large object.
pub const JSON_LIMIT: usize = 16 << 20;

/// How requests are read and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Largest request body, in bytes.
    pub body_limit: usize,
    /// Largest size of all headers of a request, in bytes, as lines of HTTP/1.1.
    pub header_limit: usize,
    /// How much the query of any request may have.
    pub query: Limits,
    /// Media types besides `application/json` and `*+json` whose bodies are JSON; lower case, without parameters.
    pub json_types: Vec<String>,
    /// Whether a body without a media type is JSON.
    pub untyped_json: bool,
    /// Whether `application/x-www-form-urlencoded` and `multipart/form-data` are taken.
    pub forms: bool,
    /// How calls of several messages are answered.
    pub streams: stream::Config,
    /// Whether bodies of `Content-Encoding: gzip` are taken, and how many times as large they may become.
    pub gzip: Option<usize>,
    /// Whether replies are compressed for callers that take gzip.
    pub compression: bool,
    /// The rate at which bodies have to come, if at any.
    pub least_rate: Option<Rate>,
    /// The header in which callers say how long a call may take, besides `grpc-timeout`.
    pub timeout_header: Option<HeaderName>,
    /// What becomes of a call whose caller goes away.
    pub caller_gone: CallerGone,
    /// The form of errors; also of those whose route is not known.
    pub errors: Form,
    /// The HTTP statuses of what the backend refuses.
    pub statuses: Statuses,
    /// What callers get to see of it.
    pub exposure: Exposure,
    /// Headers that repeat the gRPC status.
    pub status_headers: Option<StatusHeaders>,
    /// What is otherwise for single rpcs.
    pub exceptions: ByRpc,
    /// Where `towbar doctor` is answered, if it is.
    pub probe: Option<Probe>,
}

/// All that a request needs.
pub struct Gateway {
    /// Types of error details.
    pub schema: Arc<Schema>,
    /// Where requests go.
    pub routes: Arc<Routes>,
    /// Who answers them, by [`Route::upstream`].
    pub upstreams: Vec<Upstream>,
    /// What crosses with them.
    pub metadata: Arc<Metadata>,
    /// How they are read and answered.
    pub config: Arc<Config>,
    /// What holds on each route, in their order.
    settings: Arc<[Settings]>,
    /// What bodies may have.
    memory: Share,
    /// Waits for what its callers do not.
    holder: Holder,
    /// When the log had its last line about a refused request: there is one a second at most.
    refusals: Arc<Seldom>,
}

/// A request's body as a connection gives it.
pub trait RequestBody: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static {}

impl<B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static> RequestBody for B {}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request whose route is found.
#[derive(Clone, Copy)]
struct Call<'a> {
    head: &'a Parts,
    query: &'a Query,
    route: &'a Arc<Route>,
    captures: &'a [&'a str],
    peer: &'a Peer,
    started: Instant,
    deadline: &'a Deadline,
    admitted: &'a Admitted<'a>,
    terms: Terms<'a>,
    memory: &'a Charge,
}

/// The service that answers every request.
#[must_use]
pub fn service(gateway: Gateway) -> Door {
    Door { panicked: Panicked(gateway.config.clone()), gateway: Arc::new(gateway) }
}

/// A gateway as what answers the requests of a listener. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    gateway: Arc<Gateway>,
    panicked: Panicked,
}

impl Answerer for Door {
    type Body = <CatchPanic<Front, Panicked> as Answerer>::Body;
    type Answer = <CatchPanic<Front, Panicked> as Answerer>::Answer;

    fn answer(&self, Arrived { request, peer, account }: Arrived) -> Self::Answer {
        let front = Front { gateway: self.gateway.clone(), peer, account };
        CatchPanicLayer::custom(self.panicked.clone()).layer(front).call(request)
    }
}

/// Answers the requests of one connection.
#[derive(Clone)]
pub struct Front {
    gateway: Arc<Gateway>,
    peer: Arc<Peer>,
    account: Arc<Account>,
}

/// When a request came, and on which connection.
struct Arrival {
    started: Instant,
    peer: Arc<Peer>,
    account: Arc<Account>,
}

impl<B: RequestBody> Service<Request<B>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { gateway, peer, account } = self.clone();
        let arrival = Arrival { started: Instant::now(), peer, account };
        if let Some(probe) = gateway.config.probe.as_ref().filter(|probe| probe.takes(request.uri().path())) {
            let probe = probe.clone();
            return Box::pin(async move { Ok(probed(&probe, request).await) });
        }
        // A block, and the body lent: what an async function is given has its place twice in the future of each that hands it on.
        let (mut head, body) = request.into_parts();
        let mut body = Inbound::new(body);
        Box::pin(async move { Ok(gateway.handle(&mut head, &mut body, arrival).await) })
    }
}

/// The answers to requests that break a rule of HTTP/1.1, for the listener: the service is not asked for them.
pub fn malformed(config: &Config) -> Malformed {
    let (form, names) = (config.errors, config.status_headers.clone());
    Arc::new(move |violation| {
        let mut response = Refusal::malformed(violation).into_text(form, names.as_ref());
        guard(response.headers_mut());
        response
    })
}

/// The answer after a fault of ours. The panic's text is in the log, where the panic hook put it.
#[derive(Clone)]
pub struct Panicked(Arc<Config>);

impl ResponseForPanic for Panicked {
    type ResponseBody = Body;

    fn response_for_panic(&mut self, _: Box<dyn std::any::Any + Send>) -> Response {
        guarded(Refusal::internal().into_response(self.0.errors, self.0.status_headers.as_ref()))
    }
}

async fn probed<B: RequestBody>(probe: &Probe, request: Request<B>) -> Response {
    let (head, body) = request.into_parts();
    let mut body = Inbound::new(body);
    let response = probe.answer(Request::from_parts(head.clone(), body.take())).await;
    let response = guarded(if head.method == Method::HEAD { without_body(response) } else { response });
    body.closing(response, &head).await
}

/// What every answer says to those that pass it on or show it.
fn guarded(mut response: Response) -> Response {
    guard(response.headers_mut());
    response
}

fn guard(headers: &mut HeaderMap) {
    // RFC 9111, section 5.2.2.5: what a bank answers is nobody else's to keep, unless it says so itself.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// RFC 9110, section 9.3.2: what GET would be answered, its length included, but for the body.
fn without_body(mut response: Response) -> Response {
    let body = std::mem::take(response.body_mut());
    if let Some(length) = body.size_hint().exact().filter(|_| !is_bare(response.status())) {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

/// RFC 9110, section 8.6: these have no length of their own.
fn is_bare(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

impl Gateway {
    /// All that a request needs, from its parts.
    #[must_use]
    pub fn new(schema: Schema, routes: Routes, upstreams: Vec<Upstream>, metadata: Metadata, config: Config) -> Self {
        let settings = settings::of_routes(&routes, &upstreams, &config).into();
        let (schema, routes, metadata) = (Arc::new(schema), Arc::new(routes), Arc::new(metadata));
        let (memory, holder) = (Share::unbounded(), Holder::default());
        let refusals = Arc::default();
        Self { schema, routes, upstreams, metadata, config: Arc::new(config), settings, memory, holder, refusals }
    }

    /// The same with connections to the backend of its own, a share of the memory, and waited for by the `holder`.
    #[must_use]
    pub fn for_worker(&self, memory: &Share, holder: &Holder) -> Self {
        let Self { schema, routes, upstreams, metadata, config, settings, .. } = self;
        let (schema, routes, settings) = (schema.clone(), routes.clone(), settings.clone());
        let upstreams = upstreams.iter().map(|upstream| upstream.for_worker(memory)).collect();
        let (metadata, config) = (metadata.clone(), config.clone());
        let (memory, holder) = (memory.clone(), holder.clone());
        let refusals = self.refusals.clone();
        Self { schema, routes, upstreams, metadata, config, settings, memory, holder, refusals }
    }

    async fn handle<B: RequestBody>(
        self: &Arc<Self>,
        head: &mut Parts,
        body: &mut Inbound<B>,
        arrival: Arrival,
    ) -> Response {
        // Boxed, as below, or every request would have the memory for it.
        let faulty = head::check(&mut head.headers).err().map(Box::new);
        let head = &*head;
        let memory = match budget::call(&self.memory, &arrival.account) {
            Some(memory) => memory,
            None => match Box::pin(budget::room(&self.memory, &arrival.account)).await {
                Ok(memory) => memory,
                Err(refusal) => return Box::pin(body.closing(guarded(self.refused(head, refusal)), head)).await,
            },
        };
        let answered = match faulty {
            None => self.answer(head, body, &arrival, &memory).await,
            Some(refusal) => Err(*refusal),
        };
        let response = answered.unwrap_or_else(|refusal| self.refused(head, refusal));
        let response = guarded(if head.method == Method::HEAD { without_body(response) } else { response });
        let response = charged(response, memory, head.version);
        if body.is_left(&response, head) { Box::pin(body.closing(response, head)).await } else { response }
    }

    fn refused(&self, head: &Parts, refusal: Refusal) -> Response {
        if let Some((status, code, route)) = refusal.refused()
            && let Some(left_out) = self.refusals.line()
        {
            let rpc = route.map(|place| self.routes.all()[place].rpc.name.as_str());
            telemetry::refused(&head.method, rpc, (status.as_u16(), code as i32), left_out);
        }
        let metadata = refusal.metadata.clone();
        let mut response = refusal.into_response(self.config.errors, self.config.status_headers.as_ref());
        self.reply_headers(response.headers_mut(), &metadata);
        response
    }

    async fn answer<B: RequestBody>(
        self: &Arc<Self>,
        head: &Parts,
        body: &mut Inbound<B>,
        arrival: &Arrival,
        memory: &Charge,
    ) -> Result<Response, Refusal> {
        let size = limits::check_headers(&head.headers, self.config.header_limit)?;
        budget::head(memory, size)?;
        let raw_query = head.uri.query().unwrap_or_default();
        let query = Query::within(raw_query, &self.config.query).map_err(|error| Refusal::query(&error))?;
        let (found, upgrade) = match self.found(head, &query) {
            Ok(found) => found,
            Err(Miss::Method { allowed }) if head.method == Method::OPTIONS => return Ok(Refusal::options(&allowed)),
            Err(miss) => return Err(Refusal::miss(miss)),
        };
        let route = found.route;
        let answered = match self.call(found, &query, (head, body), (arrival, upgrade), memory).await {
            Ok(response) if upgrade.is_none() => self.shortened(head, route, response),
            answered => answered.map(|response| (response, None)),
        };
        let answered = match answered {
            // Boxed, or every request would have the memory for it.
            Ok((response, Some(choice))) => Ok(Box::pin(compression::compressed(response, choice)).await),
            answered => answered.map(|(response, _)| response),
        };
        let Settings { errors, statuses, .. } = &self.settings[route.index];
        answered.map_err(|refusal| refusal.in_form(*errors).in_table(statuses).on_route(route.index))
    }

    /// The route of a request, and the way of its connection to another protocol where the request asks for that and the route
    /// has it. Elsewhere it is answered as if it did not ask (RFC 9110, section 7.8).
    fn found<'a>(&'a self, head: &'a Parts, query: &Query) -> Result<(Found<'a>, Option<&'a Upgrade>), Miss> {
        let path = head.uri.path();
        // Requests that ask for nothing have no extensions, or not this one.
        if let Some(upgrade) = head.extensions.get::<Upgrade>().filter(|_| is_handshake(head)) {
            match self.routes.find_websocket(path, query) {
                Ok(found) => return Ok((found, Some(upgrade))),
                Err(miss @ Miss::Keys(_)) => return Err(miss),
                Err(_) => {}
            }
        }
        self.routes.find(&head.method, path, query).map(|found| (found, None))
    }

    /// The answer, made as short as what the caller has lets it be, and how it is to be compressed.
    fn shortened(
        &self,
        head: &Parts,
        route: &Route,
        response: Response,
    ) -> Result<(Response, Option<Choice>), Refusal> {
        let varies = self.settings[route.index].compression && compression::is_fit(&response);
        let choice = || compression::choice(&head.headers);
        // RFC 9110, section 13.2.2: first what the caller has, then the part that it wants.
        let mut response = if self.metadata.tells_etag() { conditional::checked(head, response) } else { response };
        if route.is_raw_reply {
            response = ranges::part(head, response, || !varies || choice() != Choice::GzipOnly)?;
        }
        match response.status() {
            _ if !varies => {}
            // RFC 9110, sections 15.3.7 and 15.4.5: what 200 would say to caches.
            StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED => {
                compression::mark(response.headers_mut(), false);
            }
            _ => return Ok((response, Some(choice()))),
        }
        Ok((response, None))
    }

    async fn call<B: RequestBody>(
        self: &Arc<Self>,
        found: Found<'_>,
        query: &Query,
        (head, body): (&Parts, &mut Inbound<B>),
        (arrival, upgrade): (&Arrival, Option<&Upgrade>),
        memory: &Charge,
    ) -> Result<Response, Refusal> {
        let Found { route, captures } = found;
        let Arrival { started, ref peer, .. } = *arrival;
        let settings = &self.settings[route.index];
        if settings.header_limit < self.config.header_limit {
            limits::check_headers(&head.headers, settings.header_limit)?;
        }
        route.check_query(head.uri.query().unwrap_or_default()).map_err(|error| Refusal::query(&error))?;
        let admitted = admit(peer, &route.rpc);
        let deadline = Deadline::of(&head.headers, self.config.timeout_header.as_ref(), &settings.deadline, started)?;
        let (deadline_at, reply_limit, may_repeat) = (deadline.at, settings.reply_limit, route.rpc.may_repeat);
        let terms = Terms { deadline: deadline_at, reply_limit, may_repeat, account: memory.account() };
        let (captures, deadline, admitted) = (&captures[..], &deadline, &admitted);
        let call = &Call { head, query, route, captures, peer, started, deadline, admitted, terms, memory };
        if let Some(upgrade) = upgrade {
            // Boxed, or every request would have the memory of a handshake.
            let has_body = !body.is_read();
            Box::pin(self.websocket(call, has_body, upgrade)).await
        } else if !route.rpc.streaming.is_unary() {
            // The same, of a stream's.
            Box::pin(self.stream(call, body)).await
        } else {
            self.unary(call, body).await
        }
    }

    fn upstream(&self, route: &Route) -> &Upstream {
        &self.upstreams[route.rpc.upstream]
    }

    /// What the caller asked with, for errors.
    fn named<'a>(&'a self, call: &Call<'a>, json: Option<&'a [u8]>) -> error::Asked<'a> {
        let Call { route, query, deadline, .. } = *call;
        let exposure = self.settings[route.index].exposure;
        error::Asked { schema: &self.schema, route, query, json, timer: &deadline.timer, exposure }
    }

    async fn unary<B: RequestBody>(
        self: &Arc<Self>,
        call: &Call<'_>,
        body: &mut Inbound<B>,
    ) -> Result<Response, Refusal> {
        let Call { head, route, started, .. } = *call;
        let (message, json) = self.message(call, body).await?;
        let metadata = self.metadata(call)?;
        let which = Which { method: &head.method, route, trace: TraceId::of(&metadata) };
        let called = match self.settings[route.index].caller_gone {
            CallerGone::Cancel => {
                let outbound = Outbound::new(call.admitted, metadata, call.terms);
                self.upstream(route).call(outbound, &message).await
            }
            CallerGone::Finish => self.lasting(call, metadata, message).await,
        };
        telemetry::called(which, called.as_ref().err(), started);
        let reply = called.map_err(|error| Refusal::call(error, self.named(call, json.as_deref())))?;
        drop(json);
        // Boxed, or every request would have the memory for it.
        if convert::is_long(route, &reply) {
            Box::pin(self.long_reply(call, reply)).await
        } else {
            self.reply(call, &reply)
        }
    }

    fn metadata(&self, call: &Call<'_>) -> Result<HeaderMap, Refusal> {
        let Call { head, peer, .. } = *call;
        self.metadata.for_backend(&head.headers, peer).map_err(|error| Refusal::header(error.to_string()))
    }

    fn success(&self, route: &Route, content_type: HeaderValue, body: Bytes, metadata: &HeaderMap) -> Response {
        let mut response = Response::new(Body::Whole(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, content_type);
        if let Some(names) = &self.config.status_headers {
            error::status_headers(headers, names, Code::Ok, "");
        }
        self.reply_headers(headers, metadata);
        outcome::apply(self.metadata.outcome(metadata), route, &mut response);
        response
    }

    fn reply_headers(&self, headers: &mut HeaderMap, metadata: &HeaderMap) {
        for (name, value) in self.metadata.for_caller(metadata) {
            // Of this there can be one, and the backend's goes before the one that its `RetryInfo` makes.
            match name == RETRY_AFTER {
                true => drop(headers.insert(name, value.clone())),
                false => drop(headers.append(name, value.clone())),
            }
        }
    }
}
