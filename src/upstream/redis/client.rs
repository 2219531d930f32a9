//! The handle of a server, which everyone in the process shares.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::config::RedisConfig;
use super::connection::{Claim, Driver, Job, Permit, Status};
use super::counts::{Counters, RedisCounts};
use super::dial::{Dialer, ServerFacts};
use super::error::RedisError;
use super::frame::{Value, encode};
use super::script::Script;
use crate::format::problem::Problem;

/// A server of Redis or Valkey. Cheap to clone: clones share one connection, which ends with the last of them.
#[derive(Clone)]
pub struct Redis(Arc<Shared>);

struct Shared {
    dialer: Dialer,
    jobs: mpsc::UnboundedSender<Job>,
    /// The other end of `jobs`, until the connection is started.
    waiting: Mutex<Option<mpsc::UnboundedReceiver<Job>>>,
    status: Arc<Status>,
    counters: Arc<Counters>,
}

/// Commands that are queued, in order with all others. Dropped, they may still be executed.
struct Queued {
    answer: oneshot::Receiver<Result<Vec<Value>, RedisError>>,
    claim: Arc<Claim>,
    began: Instant,
    timeout: Duration,
    counters: Arc<Counters>,
}

impl Redis {
    /// Reads the files for TLS. Connects to nothing until [`Redis::start`].
    ///
    /// # Errors
    /// All problems with these files.
    pub fn new(config: &RedisConfig) -> Result<Self, Vec<Problem>> {
        let dialer = Dialer::new(config)?;
        let (jobs, waiting) = mpsc::unbounded_channel();
        let (status, counters) = (Arc::default(), Arc::default());
        Ok(Self(Arc::new(Shared { dialer, jobs, waiting: Mutex::new(Some(waiting)), status, counters })))
    }

    /// Counts on from what `old` has counted.
    pub fn go_on_from(&self, old: &Self) {
        self.0.counters.add(&old.counts());
    }

    /// Starts the connection in the runtime of this call, unless it was started. Without a runtime, nothing happens.
    pub fn start(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if let Some(jobs) = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let (dialer, status, counters) = (self.0.dialer.clone(), self.0.status.clone(), self.0.counters.clone());
            runtime.spawn(Driver { dialer, jobs, status, counters }.run());
        }
    }

    /// The configured server.
    #[must_use]
    pub fn config(&self) -> &RedisConfig {
        &self.0.dialer.config
    }

    /// The counts of all commands and connections.
    #[must_use]
    pub fn counts(&self) -> RedisCounts {
        self.0.counters.now()
    }

    /// What the server said of itself when it was last connected to; `None` before that.
    #[must_use]
    pub fn facts(&self) -> Option<ServerFacts> {
        self.0.status.facts()
    }

    /// Connects once, apart from the shared connection, and signs in.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn probe(&self) -> Result<ServerFacts, String> {
        let limit = self.config().timeout;
        let dialled = timeout(limit, self.0.dialer.dial()).await;
        dialled.unwrap_or_else(|_| Err(format!("no connection within {limit:?}"))).map(|dialled| dialled.facts)
    }

    /// Runs one command. It is queued before this function returns, behind all others that were queued before.
    pub fn command(&self, parts: &[&[u8]]) -> impl Future<Output = Result<Value, RedisError>> + Send + use<> {
        let queued = self.queue(&[parts]);
        async move { one(queued?.answered().await?) }
    }

    /// Runs commands one behind the other; others may come between them. One that fails does not stop the next.
    ///
    /// # Errors
    /// The first error among the answers, or why there are none.
    pub fn commands(
        &self,
        commands: &[&[&[u8]]],
    ) -> impl Future<Output = Result<Vec<Value>, RedisError>> + Send + use<> {
        let queued = self.queue(commands);
        async move { queued?.answered().await }
    }

    /// Runs a script with these keys and arguments, as one step of the server. It is queued like a command; if the
    /// server does not know the script, it is sent again with its text.
    pub fn script(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
    ) -> impl Future<Output = Result<Value, RedisError>> + Send + use<> {
        let answers = self.script_and(script, keys, arguments, &[]);
        async move { one(answers.await?) }
    }

    /// Runs a script, and the commands `then` directly behind it.
    pub fn script_and(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
        then: &[&[&[u8]]],
    ) -> impl Future<Output = Result<Vec<Value>, RedisError>> + Send + use<> {
        let count = keys.len().to_string();
        let call = |name: &[u8], script: &[u8]| {
            let parts: Vec<&[u8]> = [&[name, script, count.as_bytes()], keys, arguments].concat();
            let mut bytes = Vec::new();
            encode(&parts, &mut bytes);
            then.iter().for_each(|parts| encode(parts, &mut bytes));
            bytes
        };
        let with_text = call(b"EVAL", script.text.as_bytes());
        let (queued, count, this) = (
            self.queue_bytes(call(b"EVALSHA", script.digest.as_bytes()), 1 + then.len()),
            1 + then.len(),
            self.clone(),
        );
        async move {
            match queued?.answered().await {
                Err(error) if error.code() == Some("NOSCRIPT") => this.queue_bytes(with_text, count)?.answered().await,
                answered => answered,
            }
        }
    }

    fn queue(&self, commands: &[&[&[u8]]]) -> Result<Queued, RedisError> {
        let mut bytes = Vec::new();
        commands.iter().for_each(|parts| encode(parts, &mut bytes));
        self.queue_bytes(bytes, commands.len())
    }

    fn queue_bytes(&self, bytes: Vec<u8>, count: usize) -> Result<Queued, RedisError> {
        let queued = self.try_queue(bytes, count);
        if let Err(error) = &queued {
            self.0.counters.ended(Some(error), Duration::ZERO);
        }
        queued
    }

    fn try_queue(&self, bytes: Vec<u8>, count: usize) -> Result<Queued, RedisError> {
        if let Some(reason) = self.0.status.trouble() {
            return Err(RedisError::Unconnected(reason));
        }
        let permit = self.permit(count, bytes.len())?;
        let (sender, answer) = oneshot::channel();
        let (began, claim, timeout) = (Instant::now(), Arc::<Claim>::default(), self.config().timeout);
        let job = Job { bytes, count, deadline: began + timeout, answer: sender, claim: claim.clone(), permit };
        self.0.jobs.send(job).map_err(|_| RedisError::Unconnected("the process is stopping".into()))?;
        Ok(Queued { answer, claim, began, timeout, counters: self.0.counters.clone() })
    }

    fn permit(&self, count: usize, bytes: usize) -> Result<Permit, RedisError> {
        let Shared { counters, status, .. } = &*self.0;
        let RedisConfig { commands: most, bytes: most_bytes, .. } = *self.config();
        let before = counters.in_flight.fetch_add(count, Ordering::Relaxed);
        let bytes_before = status.bytes.fetch_add(bytes, Ordering::Relaxed);
        let permit = Permit { counters: counters.clone(), status: status.clone(), count, bytes };
        if before + count > most || bytes_before + bytes > most_bytes {
            return Err(RedisError::Busy);
        }
        Ok(permit)
    }
}

impl Queued {
    async fn answered(self) -> Result<Vec<Value>, RedisError> {
        let Self { answer, claim, began, timeout, counters } = self;
        let answered = match timeout_at(began + timeout, answer).await {
            Ok(Ok(answered)) => answered,
            // The task of the connection has ended with its runtime.
            Ok(Err(_)) => Err(if claim.gives_up() {
                RedisError::Unsent("the process is stopping".into())
            } else {
                RedisError::Lost("the process is stopping".into())
            }),
            Err(_) if claim.gives_up() => Err(RedisError::Unsent(format!("not sent within {timeout:?}").into())),
            Err(_) => Err(RedisError::Timeout(timeout)),
        };
        counters.ended(answered.as_ref().err(), began.elapsed());
        answered
    }
}

fn one(mut values: Vec<Value>) -> Result<Value, RedisError> {
    values.pop().ok_or(RedisError::Unexpected)
}
