//! Calls that run to their end even if their caller has gone away.
//!
//! While the caller waits, the call is part of its request. If the caller goes away, the call becomes a task. It keeps
//! its deadline, its place among the calls in flight and its stream at the backend. Its reply is read, within the reply
//! limit, and dropped. The log reports the outcome.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::HeaderMap;
use tokio::runtime::Handle;

use super::call::Call;
use super::error::{CallContext, Exposure, Refusal, Timer};
use super::exchange::Exchange;
use super::idempotency::call_ticket::CallTicket;
use super::idempotency::outcome::Outcome;
use super::state::Gateway;
use crate::caller::Admitted;
use crate::route::{Query, Route};
use crate::server::Hold;
use crate::upstream::{CallError, Outbound, Reply, Terms, Trail};

type Called = Result<Reply, CallError>;

/// A call that has ended, with the trail of its attempts.
struct Done {
    called: Called,
    trail: Trail,
}

/// A call that goes on as a task if it is dropped before its end.
pub(crate) struct Lasting(Option<Calling>);

struct Calling {
    call: Pin<Box<dyn Future<Output = Done> + Send>>,
    gateway: Arc<Gateway>,
    route: Arc<Route>,
    timer: Timer,
    exchange: Exchange,
    /// Held from the beginning. Over HTTP/2, the connection may have ended, and no longer be waited for, when its calls
    /// learn of it.
    hold: Hold,
}

/// The message of an admitted request, on its way to the backend.
pub(crate) struct Sending<'a> {
    pub(crate) admitted: &'a Admitted<'a>,
    pub(crate) metadata: HeaderMap,
    pub(crate) message: Vec<u8>,
    /// The ticket to settle with the end of the call, if the request has an idempotency key.
    pub(crate) ticket: Option<CallTicket>,
}

impl Gateway {
    /// The call with this message. Its future is boxed, so that it can go on after the request has ended.
    pub(crate) fn lasting(
        self: &Arc<Self>,
        call: &Call<'_>,
        Sending { admitted, metadata, message, mut ticket }: Sending<'_>,
        mut exchange: Exchange,
    ) -> Lasting {
        let Call { route, terms, deadline, .. } = *call;
        let gateway = self.clone();
        let (place, admitted) = (route.rpc.upstream, admitted.to_owned());
        let Terms { deadline: at, reply_limit, may_repeat, account } = terms;
        let account = account.cloned();
        let mut trail = *exchange.trail();
        let call = async move {
            let terms = Terms { deadline: at, reply_limit, may_repeat, account: account.as_ref() };
            let outbound = Outbound::new(&admitted, metadata, terms);
            if let Some(ticket) = &mut ticket {
                ticket.sends();
            }
            let called = gateway.upstreams[place].call(outbound, &message, &mut trail).await;
            if let Some(ticket) = ticket {
                ticket.settle(Outcome::end_of(&called, &gateway.metadata));
            }
            Done { called, trail }
        };
        Lasting(Some(Calling {
            call: Box::pin(call),
            gateway: self.clone(),
            route: route.clone(),
            timer: deadline.timer.clone(),
            exchange,
            hold: self.holder.hold(),
        }))
    }
}

impl Future for Lasting {
    type Output = (Called, Exchange);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(Called, Exchange)> {
        // The call is taken out while it is polled, so that a call that panics does not go on.
        let mut calling = self.0.take().expect("a call that has ended is not asked for its end again");
        match calling.call.as_mut().poll(cx) {
            Poll::Ready(Done { called, trail }) => {
                calling.exchange.tried(trail);
                Poll::Ready((called, calling.exchange))
            }
            Poll::Pending => {
                self.0 = Some(calling);
                Poll::Pending
            }
        }
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        let Some(mut calling) = self.0.take() else { return };
        calling.exchange.unawaited();
        // Without a runtime the gateway is shutting down. The record is reported when the exchange is dropped.
        if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn(calling.go_on()));
        }
    }
}

impl Calling {
    async fn go_on(self) {
        let Self { call, gateway, route, timer, mut exchange, hold } = self;
        let Done { called, trail } = call.await;
        exchange.tried(trail);
        exchange.called(called.as_ref().err());
        if let Err(error) = called {
            let (schema, query) = (&gateway.schema, &Query::default());
            // Only the log reports this error, and only its code.
            let exposure = Exposure::default();
            let context = CallContext { schema, route: &route, query, json: None, timer: &timer, exposure };
            exchange.refused(&Refusal::call(error, context));
        }
        drop((exchange, hold));
    }
}
