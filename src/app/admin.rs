//! A port for those who run the gateway: its metrics, and whether it lives and is ready. Not for callers, and off unless it is
//! configured.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use tower_service::Service;

use crate::format::problem::Problem;
use crate::gateway::answer::{Body, Response};
use crate::observe::metrics::{MEDIA_TYPE, Metrics};
use crate::server::{Listener, Phase, Plain, Stop};

/// A port that is held and not served yet.
pub struct Admin {
    listener: Listener,
    /// The port's address.
    pub address: SocketAddr,
}

impl Admin {
    /// Takes the port: `host:port`.
    ///
    /// # Errors
    /// The port is taken, or the address is not one of this machine's.
    pub async fn bind(address: &str) -> Result<Self, Problem> {
        let bound = Listener::bind(address, None, Plain::Http1).await;
        let bound = bound.and_then(|listener| listener.address().map(|address| (listener, address)));
        let (listener, held) = bound.map_err(|error| {
            Problem::at(address, format!("cannot listen there: {error}; choose another address as `admin.address`"))
        })?;
        Ok(Self { listener, address: held })
    }

    /// Serves until it is dropped.
    pub async fn serve(self, metrics: Arc<Metrics>, stop: Stop) {
        self.listener.serve(Pages { metrics, stop }, std::future::pending()).await;
    }
}

#[derive(Clone)]
struct Pages {
    metrics: Arc<Metrics>,
    stop: Stop,
}

impl<B> Service<Request<B>> for Pages {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let mut response = match request.uri().path() {
            "/metrics" | "/live" | "/ready" if !is_read => {
                let text = "only GET and HEAD are answered here\n".to_owned();
                let mut refused = page(StatusCode::METHOD_NOT_ALLOWED, TEXT, text);
                refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                refused
            }
            "/metrics" => page(StatusCode::OK, MEDIA_TYPE, self.metrics.text()),
            "/live" => page(StatusCode::OK, TEXT, "live\n".to_owned()),
            "/ready" => self.readiness(),
            _ => {
                page(StatusCode::NOT_FOUND, TEXT, "the pages of this port are /live, /ready and /metrics\n".to_owned())
            }
        };
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        ready(Ok(response))
    }
}

impl Pages {
    /// Whether calls are to be sent here. A backend that is down does not count: the answer that says so comes from here, and no
    /// other gateway has a better one.
    fn readiness(&self) -> Response {
        match self.stop.phase() {
            Phase::Serving => page(StatusCode::OK, TEXT, "ready\n".to_owned()),
            Phase::Notice | Phase::Draining | Phase::Over => {
                page(StatusCode::SERVICE_UNAVAILABLE, TEXT, "not ready: stopping, as a signal asked\n".to_owned())
            }
        }
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

fn page(status: StatusCode, media_type: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
