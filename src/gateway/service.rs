//! Handles one request, from its head to its response.
//!
//! ```text
//! head -> route (method, path, query keys) -> body under its limit -> message -> backend -> reply | refusal
//! ```
//! Values move forward only. Whatever can be refused is refused before the backend is called.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use http_body::Body as _;

use super::answer::Response;
use super::budget::{self, charged};
use super::call::{Arrival, Intake};
use super::connect::{ConnectStream, ConnectUnary};
use super::cors;
use super::error::{Reason, Refusal};
use super::exchange::{Exchange, Recorded};
use super::grpc::{Grpc, GrpcWeb};
use super::probe::Probe;
use super::protocols::Protocol;
use super::request::inbound::{Inbound, RequestBody};
use super::request::{head, id, limits};
use super::rest::Rest;
use super::spoken::{Paths, Spoken};
use super::state::Gateway;
use super::unserved::Unserved;
use crate::server::{Answerer, Arrived, Malformed};

/// The service that answers every request with this gateway.
#[must_use]
pub fn service(gateway: Gateway) -> Door {
    Door(Arc::new(gateway))
}

/// A gateway as the service of a listener. Cheap to clone.
#[derive(Clone)]
pub struct Door(Arc<Gateway>);

/// The future of a response.
type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Recorded>, Infallible>> + Send>>;

impl Answerer for Door {
    type Body = Recorded;
    type Answer = Answer;

    fn answer(&self, Arrived { request, peer, account }: Arrived) -> Answer {
        let arrival = Arrival::new(&self.0, request.headers(), peer, account);
        self.answer_to(request, arrival)
    }
}

impl Door {
    pub(super) fn answer_to<B: RequestBody>(&self, request: Request<B>, arrival: Arrival) -> Answer {
        let gateway = self.0.clone();
        let (mut head, body) = request.into_parts();
        let mut body = Inbound::new(body);
        let spoken = gateway.spoken(&head);
        let (method, peer) = (head.method.clone(), arrival.peer.clone());
        let mut exchange = Exchange::begin(gateway.sinks.clone(), method, peer, arrival.started);
        exchange.speaks(spoken);
        exchange.traced(&head.headers);
        let request_id = gateway.config.request_id.as_ref().map(|name| id::taken_or_made(name, &mut head.headers));
        if let Some(id) = &request_id {
            exchange.identified(id.clone());
        }
        // A block that borrows the body: an async function stores its arguments twice in the future of each caller that
        // passes them on.
        //
        // Allocated first; otherwise the whole future, unused parts included, would be copied from the stack.
        let answer = Box::write(Box::new_uninit(), async move {
            let answered = {
                let (head, body, exchange) = (&mut head, &mut body, &mut exchange);
                let mut answer = pin!(async {
                    match spoken {
                        Spoken::Rest => gateway.handle::<Rest, _>(head, body, &arrival, exchange).await,
                        // Boxed; otherwise the future of every request would be as large as these.
                        Spoken::Grpc => Box::pin(gateway.handle::<Grpc, _>(head, body, &arrival, exchange)).await,
                        Spoken::GrpcWeb => Box::pin(gateway.handle::<GrpcWeb, _>(head, body, &arrival, exchange)).await,
                        Spoken::Connect => {
                            Box::pin(gateway.handle::<ConnectUnary, _>(head, body, &arrival, exchange)).await
                        }
                        Spoken::ConnectJsonStream => {
                            Box::pin(gateway.handle::<ConnectStream<true>, _>(head, body, &arrival, exchange)).await
                        }
                        Spoken::ConnectStream => {
                            Box::pin(gateway.handle::<ConnectStream<false>, _>(head, body, &arrival, exchange)).await
                        }
                        Spoken::Preflight if arrival.is_permitted => Box::pin(gateway.preflight(head, body)).await,
                        Spoken::Preflight => Box::pin(gateway.handle::<Rest, _>(head, body, &arrival, exchange)).await,
                        Spoken::Other => Box::pin(gateway.handle::<Unserved, _>(head, body, &arrival, exchange)).await,
                    }
                });
                // `AssertUnwindSafe`: whatever a panic leaves inconsistent is dropped with the request.
                poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
                    Ok(polled) => polled.map(Some),
                    Err(_) => Poll::Ready(None),
                })
                .await
            };
            // The panic hook has logged the panic's text.
            let mut response =
                answered.unwrap_or_else(|| gateway.refused_as(spoken, Refusal::internal(), &mut exchange));
            if let Some(cors) = &gateway.config.cors {
                cors.tell(&head.headers, &mut response);
            }
            if let (Some(name), Some(id)) = (&gateway.config.request_id, request_id) {
                response.headers_mut().insert(name, id);
            }
            Ok(exchange.carry(response))
        });
        Box::into_pin(answer)
    }
}

/// The responses to requests that break a rule of HTTP/1.1. The listener sends them without calling the service.
pub fn malformed(gateway: &Gateway) -> Malformed {
    let (form, names) = (gateway.config.policy.errors.form, gateway.config.status_headers.clone());
    let sinks = gateway.sinks.clone();
    Arc::new(move |violation| {
        let refusal = Refusal::malformed(violation);
        Exchange::malformed(sinks.clone(), &refusal);
        let mut response = refusal.into_text(form, names.as_ref());
        Rest::guard(response.headers_mut());
        response
    })
}

async fn probed<B: RequestBody>(probe: &Probe, head: &Parts, body: &mut Inbound<B>) -> Response {
    let response = probe.answer(Request::from_parts(head.clone(), body.take().0)).await;
    body.closing(shown::<Rest>(response, head), head).await
}

/// Finishes a response for the caller.
fn shown<P: Protocol>(response: Response, head: &Parts) -> Response {
    guarded::<P>(if head.method == Method::HEAD { without_body(response) } else { response })
}

/// Adds headers against caching and content sniffing, which every response has.
fn guarded<P: Protocol>(mut response: Response) -> Response {
    P::guard(response.headers_mut());
    response
}

/// RFC 9110, section 9.3.2: HEAD gets the response to GET, including its length, without the body.
fn without_body(mut response: Response) -> Response {
    let body = std::mem::take(response.body_mut());
    if let Some(length) = body.size_hint().exact().filter(|_| !is_bare(response.status())) {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

/// RFC 9110, section 8.6: responses with these statuses have no Content-Length.
fn is_bare(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

impl Gateway {
    fn spoken(&self, head: &Parts) -> Spoken {
        match &self.config.cors {
            Some(_) if cors::is_preflight(head) => Spoken::Preflight,
            _ => {
                let rpc = |path: &str| self.routes.find_direct(path).map(|route| route.is_shared);
                self.config.protocols.of(head, Paths { rpc, rule: |path: &str| self.routes.has_path(path) })
            }
        }
    }

    /// The answer to a CORS preflight, which calls no rpc.
    async fn preflight<B: RequestBody>(&self, head: &Parts, body: &mut Inbound<B>) -> Response {
        let response = self.config.cors.as_ref().map(|cors| cors.preflight(head)).unwrap_or_default();
        body.closing(guarded::<Rest>(response), head).await
    }

    fn refused_as(&self, spoken: Spoken, refusal: Refusal, exchange: &mut Exchange) -> Response {
        match spoken {
            Spoken::Rest | Spoken::Preflight => guarded::<Rest>(self.refused::<Rest>(refusal, exchange)),
            Spoken::Grpc => guarded::<Grpc>(self.refused::<Grpc>(refusal, exchange)),
            Spoken::GrpcWeb => guarded::<GrpcWeb>(self.refused::<GrpcWeb>(refusal, exchange)),
            Spoken::Connect => guarded::<ConnectUnary>(self.refused::<ConnectUnary>(refusal, exchange)),
            Spoken::ConnectJsonStream => {
                guarded::<ConnectStream<true>>(self.refused::<ConnectStream<true>>(refusal, exchange))
            }
            Spoken::ConnectStream => {
                guarded::<ConnectStream<false>>(self.refused::<ConnectStream<false>>(refusal, exchange))
            }
            Spoken::Other => guarded::<Unserved>(self.refused::<Unserved>(refusal, exchange)),
        }
    }

    /// What all protocols have in common, around the steps of `P`.
    async fn handle<P: Protocol, B: RequestBody>(
        self: &Arc<Self>,
        head: &mut Parts,
        body: &mut Inbound<B>,
        arrival: &Arrival,
        exchange: &mut Exchange,
    ) -> Response {
        if !arrival.is_permitted {
            let refusal = Refusal::new(Reason::AddressNotAllowed, "the address of the caller may not call this API");
            return Box::pin(body.closing(shown::<P>(self.refused::<P>(refusal, exchange), head), head)).await;
        }
        if let Some(probe) = self.config.probe.as_ref().filter(|probe| probe.takes(head.uri.path())) {
            // Boxed, as below; otherwise the future of every request would be as large as this one.
            return Box::pin(probed(probe, head, body)).await;
        }
        if let Some(files) = self.files.as_ref().filter(|files| files.take(head.uri.path())) {
            let answered = files.answer(head).unwrap_or_else(|refusal| self.refused::<P>(refusal, exchange));
            return Box::pin(body.closing(shown::<P>(answered, head), head)).await;
        }
        let unproved = arrival.unproved.clone().map(Refusal::unproved);
        let faulty = unproved.or_else(|| head::check(&mut head.headers).err()).map(Box::new);
        let head = &*head;
        let memory = match budget::call(&self.memory, &arrival.account) {
            Some(memory) => memory,
            None => match Box::pin(budget::room(&self.memory, &arrival.account)).await {
                Ok(memory) => memory,
                Err(refusal) => {
                    return Box::pin(body.closing(guarded::<P>(self.refused::<P>(refusal, exchange)), head)).await;
                }
            },
        };
        let answered = match faulty {
            None => {
                let intake = &mut Intake { head, body, arrival, memory: &memory, exchange };
                // Boxed; otherwise the future of every request would be larger by a refusal.
                match self.checked(intake).map_err(Box::new) {
                    Ok(()) => P::answer(self, intake).await,
                    Err(refusal) => Err(*refusal),
                }
            }
            Some(refusal) => Err(*refusal),
        };
        let response = answered.unwrap_or_else(|refusal| self.refused::<P>(refusal, exchange));
        let response = shown::<P>(response, head);
        let response = charged(response, memory, head.version);
        if body.is_left(&response, head) { Box::pin(body.closing(response, head)).await } else { response }
    }

    /// Checks the size of the head, and reserves memory for it.
    fn checked<B>(&self, intake: &Intake<'_, B>) -> Result<(), Refusal> {
        let size = limits::check_headers(&intake.head.headers, self.config.policy.header_limit)?;
        budget::head(intake.memory, size)
    }

    fn refused<P: Protocol>(&self, refusal: Refusal, exchange: &mut Exchange) -> Response {
        exchange.refused(&refusal);
        P::refuse(self, refusal)
    }
}
