//! Makes calls to a backend: each waits for a permit, gets a connection, and is sent again if that is allowed.

use std::sync::Arc;

use bytes::Bytes;
use h2::StreamId;
use http::Request;
use tokio::time::{Instant, timeout_at};

use super::attempt::{AttemptError, CallProgress};
use super::budget::RetryBudget;
use super::error::CallError;
use super::lease::Lease;
use super::limit::{Limit, Limits, Permit};
use super::message::frame;
use super::pool::Pool;
use super::purpose::{STREAMS, UNARY};
use super::reply::Reply;
use super::request::CallHeads;
use super::resets::Resets;
use super::retry::Attempts;
use super::sent::Sent;
use super::stream::{BegunStream, Incoming, Outgoing, Reserved, STREAM, both_ways};
use crate::limits::memory::{Share, Tie, Use};
use crate::observe::seldom::Seldom;
use crate::upstream::counts::ConnectCounters;
use crate::upstream::dial::directory::Directory;
use crate::upstream::fate::Fate;
use crate::upstream::outbound::{Outbound, Terms};
use crate::upstream::targets;
use crate::upstream::trail::Trail;

/// How many more connections are tried if the first one ends before a call is sent.
const CONNECTION_TRIES: usize = 2;

/// The connections of one worker to a backend.
pub(crate) struct Channel {
    pool: Pool,
    /// Connections for calls of several messages.
    streams: Pool,
    heads: CallHeads,
    shared: Shared,
    /// The memory that replies may use.
    memory: Share,
    /// The resets that are allowed for abandoned calls.
    resets: Arc<Resets>,
}

/// What all workers share about a backend.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    unary: Limit,
    streaming: Limit,
    /// Limits the log lines about streams that wait for others on their connection.
    crowded: Arc<Seldom>,
    budget: Arc<RetryBudget>,
    counters: Arc<ConnectCounters>,
}

/// A call of one message.
struct UnaryCall<'a> {
    outbound: &'a Outbound<'a>,
    frame: Bytes,
    progress: &'a CallProgress,
}

/// What a call holds while it lasts, and the trail that it leaves.
struct Held<'a> {
    permit: Option<Permit>,
    trail: &'a mut Trail,
}

impl Shared {
    pub(crate) fn new(limits: Limits) -> Self {
        let (unary, streaming) = (Limit::new(limits.in_flight, limits), Limit::fixed(limits.streams, limits));
        Self {
            limits,
            unary,
            streaming,
            crowded: Arc::default(),
            budget: Arc::new(RetryBudget::new()),
            counters: Arc::default(),
        }
    }
}

impl Channel {
    pub(crate) fn new(directory: Arc<Directory>, heads: CallHeads, shared: Shared, memory: Share) -> Self {
        let pool = Pool::new(directory, shared.counters.clone(), UNARY);
        let streams = pool.another(STREAMS);
        Self { pool, streams, heads, shared, memory, resets: Arc::new(Resets::new()) }
    }

    /// The channel for another worker, with separate connections and the worker's share of the memory.
    pub(crate) fn for_worker(&self, memory: &Share) -> Self {
        Self::new(self.directory().clone(), self.heads.clone(), self.shared.clone(), memory.clone())
    }

    /// A channel to the same backend at other addresses, with separate limits: its calls neither wait for other calls
    /// nor count with them.
    pub(crate) fn apart(&self, directory: Arc<Directory>) -> Self {
        Self::new(directory, self.heads.clone(), Shared::new(Limits::default()), Share::unbounded())
    }

    /// How many unary calls may be in flight now.
    pub(crate) fn most_in_flight(&self) -> usize {
        self.shared.unary.most()
    }

    pub(crate) fn counters(&self) -> &ConnectCounters {
        &self.shared.counters
    }

    pub(crate) fn directory(&self) -> &Arc<Directory> {
        self.pool.directory()
    }

    /// Continues the call count of `other`, if it has the same limits; otherwise only its connection counters.
    pub(crate) fn go_on_from(&mut self, other: &Self) {
        if self.shared.limits == other.shared.limits {
            self.shared = other.shared.clone();
        } else {
            self.shared.counters = other.shared.counters.clone();
        }
    }

    /// See [`Upstream::call`](crate::upstream::Upstream::call).
    #[expect(clippy::manual_async_fn, reason = "an async function stores each argument twice in its future")]
    pub(crate) fn call<'a>(
        &'a self,
        outbound: Outbound<'a>,
        message: &'a [u8],
        trail: &'a mut Trail,
    ) -> impl Future<Output = Result<Reply, CallError>> {
        async move {
            let terms = outbound.terms;
            let permit = Some(self.shared.unary.enter(terms.deadline, tie(terms)?).await?);
            let measured = self.shared.unary.measure();
            let progress = CallProgress::new(trail.is_timed);
            let mut held = Held { permit, trail };
            let call = UnaryCall { outbound: &outbound, frame: frame(message), progress: &progress };
            let in_time = timeout_at(terms.deadline, self.exchange(&call, &mut held)).await;
            held.trail.heard = progress.heard();
            let called = in_time.unwrap_or_else(|_| Err(progress.late()));
            match &called {
                Err(error) if error.fate() == Fate::NotSent => measured.unsent(),
                _ => measured.end(),
            }
            called
        }
    }

    /// Sends the call, and sends it again if that is allowed.
    async fn exchange(&self, call: &UnaryCall<'_>, held: &mut Held<'_>) -> Result<Reply, CallError> {
        let mut attempts = Attempts::default();
        loop {
            let error = match self.attempt(call, held, &attempts).await {
                Ok(reply) => {
                    self.shared.budget.earn();
                    return Ok(reply);
                }
                Err(error) => error,
            };
            let Some(pause) = attempts.pause(&error, call.outbound.terms, &self.shared.budget) else {
                return Err(attempts.end(error));
            };
            attempts.note(error);
            call.progress.begin_again(attempts.may_be_out());
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn attempt(
        &self,
        call: &UnaryCall<'_>,
        held: &mut Held<'_>,
        attempts: &Attempts,
    ) -> Result<Reply, AttemptError> {
        let lease = self.lease(&self.pool).await?;
        held.trail.tried(lease.address);
        let UnaryCall { outbound: Outbound { path, metadata, terms }, .. } = call;
        // The head is built only once there is a connection, so that a waiting call holds no memory for it.
        let request = attempts.told(self.heads.request(path, metadata.clone(), terms.deadline));
        let mut sent = self.put(lease, request, call, &mut held.permit)?;
        sent.reply(terms.reply_limit, &self.memory, call.progress).await
    }

    /// Sends a call on its connection.
    fn put<'a>(
        &'a self,
        mut lease: Lease,
        request: Request<()>,
        call: &UnaryCall<'_>,
        permit: &'a mut Option<Permit>,
    ) -> Result<Sent<'a>, AttemptError> {
        let begun = lease.begin(request);
        let (response, mut stream) = begun.map_err(|error| AttemptError::Elsewhere(lease.unsent(&error)))?;
        let sent = stream.send_data(call.frame.clone(), true);
        sent.map_err(|error| lease.failed(&error, stream.stream_id()))?;
        Ok(Sent::new((lease, response), permit, &self.resets, call.outbound.terms.deadline))
    }

    /// Finds a connection that takes a call.
    async fn lease(&self, pool: &Pool) -> Result<Lease, CallError> {
        // A connection may have ended unnoticed. Nothing is sent before a connection is ready, so another one can be
        // tried.
        let mut tries = 0;
        loop {
            let lease = pool.lease().await;
            let mut lease = lease.map_err(|error| CallError::Unreachable { cause: error.to_string() })?;
            // Each connection that fails the check is retired, so this loop ends.
            if lease.is_doubtful() && !Box::pin(lease.is_proved()).await {
                continue;
            }
            match lease.ready().await {
                Ok(()) => return Ok(lease),
                Err(error) if tries == CONNECTION_TRIES => return Err(lease.unsent(&error)),
                Err(_) => tries += 1,
            }
        }
    }

    /// See [`Upstream::open`](crate::upstream::Upstream::open).
    pub(crate) async fn open(
        &self,
        outbound: Outbound<'_>,
        trail: &mut Trail,
    ) -> Result<(Outgoing, Incoming), CallError> {
        let Outbound { path, metadata, terms } = outbound;
        let deadline = terms.deadline;
        let permit = self.shared.streaming.enter(deadline, tie(terms)?).await?;
        let incoming = self.memory.take_for(terms.account, STREAM, Use::Request).ok_or(CallError::NoRoom)?;
        let outgoing = self.memory.take(0, Use::Request).ok_or(CallError::NoRoom)?;
        let leased = timeout_at(deadline, self.lease(&self.streams)).await;
        let mut lease = leased.unwrap_or(Err(CallError::Unsent))?;
        trail.tried(lease.address);
        let begun = lease.begin(self.heads.request(path, metadata, deadline));
        let (response, stream) = begun.map_err(|error| lease.unsent(&error))?;
        if lease.is_crowded {
            // Boxed, because otherwise the future of every stream would reserve memory for it.
            Box::pin(self.turn(&mut lease, response.stream_id(), deadline)).await?;
        }
        let reserved = Reserved { permit, incoming, outgoing };
        Ok(both_ways(BegunStream { response, stream, lease }, reserved, terms.reply_limit, deadline))
    }

    /// Waits for the turn of a stream on a connection that already has as many streams as the backend takes. It waits
    /// no longer than other calls wait for a permit.
    async fn turn(&self, lease: &mut Lease, stream: StreamId, deadline: Instant) -> Result<(), CallError> {
        if let Some(left_out) = self.shared.crowded.line() {
            tracing::warn!(
                target: targets::STREAM,
                "the backend allows no more streams on its connections, and no more connections may be opened: a stream waits for \
                 up to {:?}{left_out}",
                self.shared.limits.wait
            );
        }
        let patience = Instant::now() + self.shared.limits.wait;
        if timeout_at(patience.min(deadline), lease.turn()).await.is_ok() || lease.begun() >= u32::from(stream) {
            return Ok(());
        }
        Err(if deadline < patience {
            CallError::Queued
        } else {
            CallError::Taken { streams: self.streams.calls() - 1 }
        })
    }
}

/// Counts the call for its connection and its caller, until it has ended at the backend.
fn tie(terms: Terms<'_>) -> Result<Tie, CallError> {
    Tie::of(terms.account).map_err(|most| CallError::Connection { most })
}
