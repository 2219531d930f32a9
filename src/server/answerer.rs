//! What a listener needs of whoever answers its requests.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tower_service::Service;

use crate::caller::Peer;
use crate::limits::memory::Account;

/// A request, and the connection that it came on.
pub struct Arrived {
    /// The request.
    pub request: Request<Incoming>,
    /// Who is at the other end of the connection. All its requests share one.
    pub peer: Arc<Peer>,
    /// What the connection holds and has in flight.
    pub account: Arc<Account>,
}

/// What answers the requests of connections. It is ready at any time: it is not asked whether it is.
pub trait Answerer: Clone + Send + Sync + 'static {
    /// The body of its answers.
    type Body: http_body::Body<Data: From<Bytes> + Send, Error: Into<BoxError>> + Send + Unpin + 'static;
    /// An answer to come.
    type Answer: Future<Output = Result<Response<Self::Body>, Infallible>> + Send;

    /// Answers a request.
    fn answer(&self, arrived: Arrived) -> Self::Answer;
}

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// A service that looks at nothing but the request.
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
