//! A port for those who run the gateway: its metrics. Not for callers, and off unless it is configured.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use tower_service::Service;

use crate::answer::{Body, Response};
use crate::listener::{Listener, Plain};
use crate::metrics::{MEDIA_TYPE, Metrics};
use crate::problem::Problem;

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
    pub async fn serve(self, metrics: Arc<Metrics>) {
        self.listener.serve(Pages(metrics), std::future::pending()).await;
    }
}

#[derive(Clone)]
struct Pages(Arc<Metrics>);

impl<B> Service<Request<B>> for Pages {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut response = match (request.uri().path(), request.method()) {
            ("/metrics", &Method::GET) => page(StatusCode::OK, MEDIA_TYPE, self.0.text()),
            ("/metrics", _) => {
                let mut refused = page(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET is answered here\n".to_owned());
                refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
                refused
            }
            _ => page(StatusCode::NOT_FOUND, TEXT, "the page of this port is /metrics\n".to_owned()),
        };
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        ready(Ok(response))
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

fn page(status: StatusCode, media_type: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
