//! A request whose route is found, and what every way of answering it needs.

use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;
use tokio::time::Instant;

use super::error::{self, Refusal};
use super::exchange::Exchange;
use super::request::deadline::Deadline;
use super::request::inbound::Inbound;
use super::state::Gateway;
use crate::caller::{Admitted, Peer, Received, ReceivedBody, admit};
use crate::limits::memory::{Account, Charge};
use crate::route::{Query, Route};
use crate::upstream::Terms;

/// When a request came, and on which connection.
pub(crate) struct Arrival {
    pub(crate) started: Instant,
    pub(crate) peer: Arc<Peer>,
    pub(crate) account: Arc<Account>,
}

/// A request on its way to its answer: what it is read from, what it may have, and its record.
pub(crate) struct Intake<'r, B> {
    pub(crate) head: &'r Parts,
    pub(crate) body: &'r mut Inbound<B>,
    pub(crate) arrival: &'r Arrival,
    pub(crate) memory: &'r Charge,
    pub(crate) exchange: &'r mut Exchange,
}

/// A request whose route is found.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) query: &'a Query,
    pub(crate) route: &'a Arc<Route>,
    pub(crate) captures: &'a [&'a str],
    pub(crate) peer: &'a Peer,
    pub(crate) started: Instant,
    pub(crate) deadline: &'a Deadline,
    pub(crate) terms: Terms<'a>,
    pub(crate) memory: &'a Charge,
}

impl<'a> Call<'a> {
    /// The proof that it may be forwarded. Every call needs it, after its body has come and before a message is made of that.
    ///
    /// # Errors
    /// Its peer may not call the rpc.
    pub(crate) fn admitted(&self, body: ReceivedBody<'_>) -> Result<Admitted<'a>, Refusal> {
        let received = Received { head: self.head, body };
        admit(self.peer, &received, &self.route.rpc).map_err(Refusal::denied)
    }
}

impl Gateway {
    /// What the caller asked with, for errors.
    pub(crate) fn named<'a>(&'a self, call: &Call<'a>, json: Option<&'a [u8]>) -> error::CallContext<'a> {
        let Call { route, query, deadline, .. } = *call;
        let exposure = error::Exposure::of(&route.rpc.policy.errors);
        error::CallContext { schema: &self.schema, route, query, json, timer: &deadline.timer, exposure }
    }

    /// What its backend is told beside its messages.
    ///
    /// # Errors
    /// A listed header has a value that gRPC cannot carry.
    pub(crate) fn metadata(&self, call: &Call<'_>) -> Result<HeaderMap, Refusal> {
        let Call { head, peer, .. } = *call;
        self.metadata.for_backend(&head.headers, peer).map_err(|error| Refusal::header(error.to_string()))
    }
}
