//! Calls that go on to their end though their caller has gone away.
//!
//! Until the caller goes, a call is a part of its request. Then it becomes a task of its own, as it is: its deadline, its place among
//! the calls in flight and its stream at the backend are those that it had. Its reply is read, within the limit of replies, and
//! dropped; what became of it stands in the log.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Method};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tonic::Code;

use super::call::Call;
use super::error::{CallContext, Exposure, Refusal, Timer};
use super::metadata::TraceId;
use super::state::Gateway;
use super::telemetry::Unawaited;
use crate::route::{Query, Route};
use crate::server::Hold;
use crate::upstream::{CallError, Outbound, Reply, Terms};

type Called = Result<Reply, CallError>;

/// A call that goes on when it is dropped before its end.
pub(super) struct Lasting(Option<Calling>);

struct Calling {
    call: Pin<Box<dyn Future<Output = Called> + Send>>,
    gateway: Arc<Gateway>,
    route: Arc<Route>,
    method: Method,
    trace: Option<TraceId>,
    timer: Timer,
    started: Instant,
    /// From the beginning: over HTTP/2 the connection may have ended, and be waited for no longer, when its calls learn of it.
    hold: Hold,
}

impl Gateway {
    /// The call of this message. Its future is boxed, since only so it can go on where its request has ended.
    pub(super) fn lasting(self: &Arc<Self>, call: &Call<'_>, metadata: HeaderMap, message: Vec<u8>) -> Lasting {
        let Call { head, route, terms, started, deadline, admitted, .. } = *call;
        let (gateway, trace) = (self.clone(), TraceId::of(&metadata));
        let (place, admitted) = (route.rpc.upstream, admitted.to_owned());
        let Terms { deadline: at, reply_limit, may_repeat, account } = terms;
        let account = account.cloned();
        let call = async move {
            let terms = Terms { deadline: at, reply_limit, may_repeat, account: account.as_ref() };
            gateway.upstreams[place].call(Outbound::new(&admitted, metadata, terms), &message).await
        };
        Lasting(Some(Calling {
            call: Box::pin(call),
            gateway: self.clone(),
            route: route.clone(),
            method: head.method.clone(),
            trace,
            timer: deadline.timer.clone(),
            started,
            hold: self.holder.hold(),
        }))
    }
}

impl Future for Lasting {
    type Output = Called;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Called> {
        // It is not in here while it is polled: one that panics does not go on.
        let mut calling = self.0.take().expect("a call that has ended is not asked for its end again");
        let polled = calling.call.as_mut().poll(cx);
        if polled.is_pending() {
            self.0 = Some(calling);
        }
        polled
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        let Some(calling) = self.0.take() else { return };
        let unawaited = Unawaited::new(calling.method.clone(), calling.route.clone(), calling.trace, calling.started);
        // Without a runtime the gateway is at its end, which is told when what is unawaited is dropped.
        if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn(calling.go_on(unawaited)));
        }
    }
}

impl Calling {
    async fn go_on(self, unawaited: Unawaited) {
        let Self { call, gateway, route, timer, hold, .. } = self;
        match call.await {
            Ok(_) => unawaited.ended(Code::Ok.into(), None),
            Err(error) => {
                let is_answer = matches!(error, CallError::Status { .. });
                let text = error.to_string();
                let (schema, query) = (&gateway.schema, &Query::default());
                // Nobody is told but the log, and that only the code.
                let exposure = Exposure::default();
                let context = CallContext { schema, route: &route, query, json: None, timer: &timer, exposure };
                let code = Refusal::call(error, context).code().into();
                unawaited.ended(code, (!is_answer).then_some(&text));
            }
        }
        drop(hold);
    }
}
