//! One request from its head to its answer.
//!
//! ```text
//! head -> route (method, path, query keys) -> body under its limit -> message -> backend -> reply | refusal
//! ```
//! Values move forward only. What is refused is refused before the backend hears of it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use http_body::Body as _;
use tokio::time::Instant;
use tower_http::catch_panic::{CatchPanic, CatchPanicLayer, ResponseForPanic};
use tower_layer::Layer as _;
use tower_service::Service;

use super::answer::{Body, Response};
use super::budget::{self, charged};
use super::call::Arrival;
use super::config::Config;
use super::error::Refusal;
use super::probe::Probe;
use super::request::head;
use super::request::inbound::{Inbound, RequestBody};
use super::state::Gateway;
use super::telemetry;
use crate::caller::Peer;
use crate::limits::memory::Account;
use crate::server::{Answerer, Arrived, Malformed};

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
    let (form, names) = (config.policy.errors.form, config.status_headers.clone());
    Arc::new(move |violation| {
        let mut response = Refusal::malformed(violation).into_text(form, names.as_ref());
        guard(response.headers_mut());
        response
    })
}

/// The answer after a fault of ours. The panic's text is in the log, where the panic hook put it.
#[derive(Clone)]
pub struct Panicked(pub(super) Arc<Config>);

impl ResponseForPanic for Panicked {
    type ResponseBody = Body;

    fn response_for_panic(&mut self, _: Box<dyn std::any::Any + Send>) -> Response {
        guarded(Refusal::internal().into_response(self.0.policy.errors.form, self.0.status_headers.as_ref()))
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
        let mut response = refusal.into_response(self.config.policy.errors.form, self.config.status_headers.as_ref());
        self.metadata.tell_caller(&metadata, response.headers_mut());
        response
    }
}
