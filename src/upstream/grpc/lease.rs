//! The place of a call on a connection.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{SendStream, StreamId};
use http::Request;

use super::attempt::AttemptError;
use super::connection::Load;
use super::error::CallError;
use crate::upstream::dial::target::Target;

/// A place for one call on a connection. Dropping it frees the place.
pub(crate) struct Lease {
    pub(crate) send: SendRequest<Bytes>,
    pub(crate) load: Arc<Load>,
    pub(crate) target: Arc<Target>,
    pub(crate) address: SocketAddr,
    /// Whether the connection already had as many calls as it takes, so that this one may wait on it.
    pub(crate) is_crowded: bool,
}

impl Lease {
    /// Waits until the connection can take a request.
    ///
    /// # Errors
    /// The connection has ended, or the backend takes no more calls on it. Nothing was sent.
    pub(crate) async fn ready(&mut self) -> Result<(), h2::Error> {
        poll_fn(|cx| self.send.poll_ready(cx)).await.inspect_err(|_| self.retire())
    }

    /// Begins a call. The connection must be [ready](Self::ready).
    ///
    /// # Errors
    /// The connection has ended. Nothing was sent.
    pub(crate) fn begin(&mut self, mut request: Request<()>) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.name(&mut request);
        self.send.send_request(request, false)
    }

    /// Waits until the connection sends the call that was begun, or until the call is over.
    pub(crate) async fn turn(&mut self) {
        // The response gives the same error.
        let _ = poll_fn(|cx| self.send.poll_ready(cx)).await;
    }

    /// Whether the connection was quiet for long.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.load.is_doubtful()
    }

    /// Checks whether a doubtful connection still works. If not, it is retired.
    pub(crate) async fn is_proved(&self) -> bool {
        let is_proved = self.load.is_proved().await;
        if !is_proved {
            self.retire();
        }
        is_proved
    }

    /// Sets the authority of the address that the connection leads to.
    fn name(&self, request: &mut Request<()>) {
        let Some(authority) = &self.target.other_authority else { return };
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        uri.authority = Some(authority.clone());
        *request.uri_mut() = http::Uri::from_parts(uri).expect("only the authority of a URI that has one is another");
    }

    /// The highest stream id of the connection that the backend may know of.
    pub(crate) fn begun(&self) -> u32 {
        self.load.begun.load(Ordering::Relaxed)
    }

    /// Retires the connection: it gets no new calls, and its calls continue.
    pub(crate) fn retire(&self) {
        self.load.has_ended.store(true, Ordering::Release);
    }
}

impl Lease {
    /// The error if the connection or the stream broke before an answer.
    pub(crate) fn failed(&self, error: &h2::Error, stream: StreamId) -> AttemptError {
        // RFC 9113, section 8.7: no processing has occurred after REFUSED_STREAM, and on streams above the last one
        // that a GOAWAY names. h2 reports a GOAWAY as an error of those streams only. Calls on lower streams continue.
        if error.is_remote() && error.is_go_away() {
            self.retire();
            return AttemptError::Elsewhere(CallError::Untouched { cause: error.to_string() });
        }
        // The call was still waiting for its turn when the connection ended.
        if stream.as_u32() > self.begun() {
            self.retire();
            return AttemptError::Elsewhere(self.unsent(error));
        }
        if error.is_remote() && error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM) {
            return AttemptError::Refused(CallError::Untouched { cause: error.to_string() });
        }
        AttemptError::Call(self.broken(error))
    }

    /// The error if the connection ended before the call was sent.
    pub(crate) fn unsent(&self, error: &h2::Error) -> CallError {
        CallError::Unreachable { cause: format!("the connection ended before the call was sent: {error}") }
    }

    /// The error if the connection or the stream broke after the call may have been sent.
    pub(crate) fn broken(&self, error: &h2::Error) -> CallError {
        CallError::Lost { cause: error.to_string() }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.load.calls.fetch_sub(1, Ordering::Relaxed);
    }
}
