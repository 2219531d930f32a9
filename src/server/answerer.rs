//! The interface between a listener and the service that answers its requests.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tower_service::Service;

use crate::caller::Peer;
use crate::limits::memory::Account;

/// A request, and the connection that it arrived on.
pub struct Arrived {
    pub request: Request<Incoming>,
    /// The peer of the connection. All requests of a connection share it.
    pub peer: Arc<Peer>,
    /// The account of what the connection holds in memory and has in flight.
    pub account: Arc<Account>,
}

/// A service that answers the requests of connections. It is always ready, so it is never polled for readiness.
pub trait Answerer: Clone + Send + Sync + 'static {
    /// The type of its response bodies.
    type Body: http_body::Body<Data: From<Bytes> + Send, Error: Into<BoxError>> + Send + Unpin + 'static;
    /// The future of a response.
    type Answer: Future<Output = Result<Response<Self::Body>, Infallible>> + Send;

    /// Answers a request.
    fn answer(&self, arrived: Arrived) -> Self::Answer;
}

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Any service that needs nothing but the request.
impl<S, B> Answerer for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>,
    S: Clone + Send + Sync + 'static,
    B: http_body::Body<Data: From<Bytes> + Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Body = B;
    type Answer = S::Future;

    fn answer(&self, arrived: Arrived) -> S::Future {
        self.clone().call(arrived.request)
    }
}
