//! A request whose route is known, and what every protocol needs to answer it.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName};
use http::request::Parts;
use tokio::time::Instant;

use super::error::{self, Refusal, Timer, Whose};
use super::exchange::Exchange;
use super::rate::key::Asked;
use super::rate::limits::{RateLimits, Taken};
use super::request::deadline::Deadline;
use super::request::inbound::Inbound;
use super::request::limits;
use super::state::Gateway;
use crate::caller::hop::HopError;
use crate::caller::{Admitted, Challenge, Denied, Identified, Peer, Received, ReceivedBody, admit, identify};
use crate::limits::memory::{Account, Charge};
use crate::route::{Query, Route, Rpc};
use crate::upstream::Terms;

/// When and on which connection a request arrived.
pub(crate) struct Arrival {
    pub(crate) started: Instant,
    pub(crate) peer: Arc<Peer>,
    pub(crate) account: Arc<Account>,
    /// Why the request may not go on, if its client certificate has to come from a trusted proxy and does not.
    pub(crate) unproved: Option<HopError>,
    /// Whether the address of the caller may call.
    pub(crate) is_permitted: bool,
}

impl Arrival {
    /// A request with these headers, that arrived now.
    pub(crate) fn new(gateway: &Gateway, headers: &HeaderMap, peer: Arc<Peer>, account: Arc<Account>) -> Self {
        let (started, unproved) = (Instant::now(), None);
        let is_permitted = match &gateway.config.addresses {
            Some(rules) => rules.permit(gateway.metadata.address(headers, &peer)),
            None => true,
        };
        let Some(hop) = &gateway.hop else { return Self { started, peer, account, unproved, is_permitted } };
        match hop.peer(&peer, headers) {
            Ok(peer) => Self { started, peer: Arc::new(peer), account, unproved, is_permitted },
            // Whatever refuses the request sees no certificate, and so not that of the proxy either.
            Err(error) => {
                Self { started, peer: Arc::new(peer.behind_proxy(None)), account, unproved: Some(error), is_permitted }
            }
        }
    }
}

/// A request in progress: its head and body, its memory budget, and its record.
pub(crate) struct Intake<'r, B> {
    pub(crate) head: &'r Parts,
    pub(crate) body: &'r mut Inbound<B>,
    pub(crate) arrival: &'r Arrival,
    pub(crate) memory: &'r Charge,
    pub(crate) exchange: &'r mut Exchange,
}

/// A request whose route is known.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) query: &'a Query,
    pub(crate) route: &'a Arc<Route>,
    pub(crate) captures: &'a [&'a str],
    pub(crate) peer: &'a Peer,
    /// The caller's identity, as proved by the head of the request.
    pub(crate) caller: &'a Identified,
    pub(crate) started: Instant,
    pub(crate) deadline: &'a Deadline,
    pub(crate) terms: Terms<'a>,
    pub(crate) memory: &'a Charge,
}

/// A head that may go on to its rpc: the caller is identified, and the call has a deadline. Every protocol needs one.
pub(crate) struct Vetted {
    caller: Identified,
    deadline: Deadline,
    reply_limit: usize,
}

impl Vetted {
    /// The same call with a time limit of the caller, which this header sets, if that is shorter.
    pub(crate) fn within(self, header: HeaderName, length: Duration, started: Instant) -> Self {
        if length >= self.deadline.timer.length {
            return self;
        }
        let timer = Timer { whose: Whose::Caller(header), length };
        Self { deadline: Deadline { at: started + length, timer }, ..self }
    }

    /// The caller that the head proves.
    pub(crate) fn caller(&self) -> &Identified {
        &self.caller
    }

    /// The call of this head. `query` and `captures` are empty where the protocol has none.
    pub(crate) fn call<'a, B>(
        &'a self,
        intake: &Intake<'a, B>,
        route: &'a Arc<Route>,
        query: &'a Query,
        captures: &'a [&'a str],
    ) -> Call<'a> {
        let Self { caller, deadline, reply_limit } = self;
        let Intake { head, arrival, memory, .. } = *intake;
        let (may_repeat, account) = (route.rpc.may_repeat, memory.account());
        let terms = Terms { deadline: deadline.at, reply_limit: *reply_limit, may_repeat, account };
        let (peer, started) = (&*arrival.peer, arrival.started);
        Call { head, query, route, captures, peer, caller, started, deadline, terms, memory }
    }
}

impl Gateway {
    /// Checks what every protocol checks of a head, once the rpc is known: its size, its caller, its time limit.
    ///
    /// # Errors
    /// The first of these that is wrong.
    pub(crate) async fn vetted<B>(&self, intake: &mut Intake<'_, B>, route: &Route) -> Result<Vetted, Refusal> {
        let (head, arrival, rpc) = (intake.head, intake.arrival, &*route.rpc);
        if rpc.policy.header_limit < self.config.policy.header_limit {
            limits::check_headers(&head.headers, rpc.policy.header_limit)?;
        }
        let caller = self.identified(head, &arrival.peer, route, intake.exchange).await?;
        let (own, timer) = (self.config.timeout_header.as_ref(), self.timer(rpc));
        let deadline = Deadline::of(&head.headers, own, &timer, arrival.started)?;
        Ok(Vetted { caller, deadline, reply_limit: self.reply_limit(rpc) })
    }

    /// Determines the identity of the caller from the head of a request for this rpc. Runs before the body is read.
    ///
    /// # Errors
    /// The head does not prove what the rpc requires.
    async fn identified(
        &self,
        head: &Parts,
        peer: &Peer,
        route: &Route,
        exchange: &mut Exchange,
    ) -> Result<Identified, Refusal> {
        let rpc = &*route.rpc;
        let counted = self.within_limits(head, peer, route, None)?;
        let identified = match identify(self.callers.as_deref(), peer, head, rpc) {
            Ok(identified) => identified,
            // Boxed, because otherwise the future of every request would grow.
            Err(denied) => Box::pin(self.identified_later(denied, head, peer, rpc)).await?,
        };
        match self.within_limits(head, peer, route, Some(&identified)) {
            Ok(others) => {
                let counted = counted.and(others);
                // Boxed, because otherwise the future of every request would grow.
                let shared = match &self.limits {
                    Some(limits) if limits.has_shared(rpc) => {
                        Box::pin(self.shared_limits(limits, head, peer, (route, &identified), counted)).await?
                    }
                    _ => counted,
                };
                exchange.counted(shared);
            }
            Err(refusal) => {
                if let Some(limits) = &self.limits {
                    limits.refund(counted);
                }
                return Err(refusal);
            }
        }
        Ok(identified)
    }

    /// Counts a request for the rate limits of its rpc that need its caller, or for those that do not.
    fn within_limits(
        &self,
        head: &Parts,
        peer: &Peer,
        route: &Route,
        caller: Option<&Identified>,
    ) -> Result<Taken, Refusal> {
        let Some(limits) = &self.limits else { return Ok(Taken::default()) };
        let asked = self.asked(head, peer, route, caller);
        limits.count(&asked).map_err(|exceeding| Refusal::rate_limited(&exceeding))
    }

    /// Counts a request for the limits that gateways share, behind those that this process has `counted` it for.
    async fn shared_limits(
        &self,
        limits: &RateLimits,
        head: &Parts,
        peer: &Peer,
        (route, caller): (&Route, &Identified),
        counted: Taken,
    ) -> Result<Taken, Refusal> {
        match limits.count_shared(&self.asked(head, peer, route, Some(caller)), self.store.as_ref()).await {
            Ok(shared) => Ok(counted.and(shared)),
            Err(exceeding) => {
                limits.refund(counted);
                Err(Refusal::rate_limited(&exceeding))
            }
        }
    }

    /// What limits need to know of a request.
    fn asked<'a>(
        &self,
        head: &'a Parts,
        peer: &'a Peer,
        route: &'a Route,
        caller: Option<&'a Identified>,
    ) -> Asked<'a> {
        let address = self.metadata.address(&head.headers, peer);
        let proxied = self.metadata.is_proxied(peer).then_some(&head.headers);
        Asked { route, peer, address, proxied, caller }
    }

    /// Checks a denied request once more if the key of its token was missing and has been fetched since.
    async fn identified_later(
        &self,
        denied: Denied,
        head: &Parts,
        peer: &Peer,
        rpc: &Rpc,
    ) -> Result<Identified, Refusal> {
        let callers = self.callers.as_deref();
        let is_refreshed = match callers {
            Some(callers) => callers.refreshed(&denied).await,
            None => false,
        };
        let identified = if is_refreshed { identify(callers, peer, head, rpc) } else { Err(denied) };
        identified.map_err(|denied| self.denied(denied, head, rpc))
    }

    /// Proves that a call may be forwarded. Every call needs this, after its body was received and before a message is
    /// made of it.
    ///
    /// # Errors
    /// The caller may not call the rpc.
    pub(crate) fn admitted<'a>(&self, call: &Call<'a>, body: ReceivedBody<'_>) -> Result<Admitted<'a>, Refusal> {
        let received = Received { head: call.head, body };
        admit(call.caller, &received, &call.route.rpc).map_err(|denied| self.denied(denied, call.head, &call.route.rpc))
    }

    fn denied(&self, denied: Denied, head: &Parts, rpc: &Rpc) -> Refusal {
        let challenge = self.callers.as_deref().map(|callers| callers.challenge(head, rpc));
        Refusal::denied(denied, &challenge.unwrap_or(Challenge::bearer("")))
    }

    /// The parts of the request that errors refer to.
    pub(crate) fn named<'a>(&'a self, call: &Call<'a>, json: Option<&'a [u8]>) -> error::CallContext<'a> {
        let Call { route, query, deadline, .. } = *call;
        let exposure = error::Exposure::of(&route.rpc.policy.errors);
        error::CallContext { schema: &self.schema, route, query, json, timer: &deadline.timer, exposure }
    }

    /// The metadata for the backend. Verified facts about the caller replace what the caller claims itself.
    ///
    /// # Errors
    /// A listed header has a value that gRPC cannot carry.
    pub(crate) fn metadata(&self, call: &Call<'_>, admitted: &Admitted<'_>) -> Result<HeaderMap, Refusal> {
        let Call { head, peer, .. } = *call;
        let metadata = self.metadata.for_backend(&head.headers, peer);
        let mut metadata = metadata.map_err(|error| Refusal::header(error.to_string()))?;
        for (name, value) in admitted.facts() {
            metadata.insert(name.clone(), value.clone());
        }
        Ok(metadata)
    }
}
