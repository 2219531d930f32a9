//! The connection: sends commands one behind the other, gives each its answer, and connects again.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, WriteHalf};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::counts::Counters;
use super::dial::{Dialer, Dialled, ServerFacts, Stream};
use super::error::{RedisError, is_unusable};
use super::frame::{Decoder, Value};
use crate::upstream::dial::connect::cause;
use crate::upstream::grpc::jitter::jittered;
use crate::upstream::targets;

/// The wait after a failed attempt to connect; each further wait is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// A connection that lasted this long is replaced at once, and commands wait for it.
const LASTING: Duration = Duration::from_secs(1);
/// No further command is taken while this many bytes wait to be written.
const FULL: usize = 256 << 10;

/// Commands that are sent together, and where their answers go.
pub(super) struct Job {
    pub(super) bytes: Vec<u8>,
    /// How many commands these are.
    pub(super) count: usize,
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<Vec<Value>, RedisError>>,
    pub(super) claim: Arc<Claim>,
    pub(super) permit: Permit,
}

/// Who decides what becomes of queued commands: the connection sends them, or the caller gives them up.
#[derive(Default)]
pub(super) struct Claim(AtomicU8);

const SENT: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Claim {
    fn sends(&self) -> bool {
        self.0.compare_exchange(0, SENT, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether the commands will not be sent.
    pub(super) fn gives_up(&self) -> bool {
        self.0.compare_exchange(0, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Counts commands as in flight until it is dropped.
pub(super) struct Permit {
    pub(super) counters: Arc<Counters>,
    pub(super) status: Arc<Status>,
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.counters.in_flight.fetch_sub(self.count, Ordering::Relaxed);
        self.status.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The state of the connection, for its users.
#[derive(Default)]
pub(super) struct Status {
    is_down: AtomicBool,
    reason: Mutex<Arc<str>>,
    facts: Mutex<Option<ServerFacts>>,
    pub(super) bytes: AtomicUsize,
}

impl Status {
    /// Why there is no connection; `None` if there is one, or if the first one is being made.
    pub(super) fn trouble(&self) -> Option<Arc<str>> {
        let is_down = self.is_down.load(Ordering::Acquire);
        is_down.then(|| self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    pub(super) fn facts(&self) -> Option<ServerFacts> {
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn goes_down(&self, reason: &Arc<str>) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason.clone();
        self.is_down.store(true, Ordering::Release);
    }

    fn comes_up(&self, facts: ServerFacts) {
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = Some(facts);
        self.is_down.store(false, Ordering::Release);
    }
}

/// Keeps a connection until its last user is gone.
pub(super) struct Driver {
    pub(super) dialer: Dialer,
    pub(super) jobs: UnboundedReceiver<Job>,
    pub(super) status: Arc<Status>,
    pub(super) counters: Arc<Counters>,
}

/// Why a connection ended.
enum End {
    /// Nobody uses it any more.
    Unused,
    Broken {
        reason: Arc<str>,
        has_answered: bool,
    },
}

impl Driver {
    pub(super) async fn run(mut self) {
        let (mut wait, limit) = (FIRST_WAIT, self.dialer.config.timeout);
        loop {
            let dialled = timeout(limit, self.dialer.dial()).await;
            let reason = match dialled.unwrap_or_else(|_| Err(format!("no connection within {limit:?}"))) {
                Ok(Dialled { stream, facts }) => {
                    let began = Instant::now();
                    self.connected(facts);
                    let End::Broken { reason, has_answered } = Pipeline::new(stream).serve(&mut self.jobs).await else {
                        self.counters.disconnects();
                        return;
                    };
                    self.counters.disconnects();
                    if began.elapsed() >= LASTING {
                        tracing::warn!(target: targets::STORE, "store {}: {reason}", self.dialer.config.address);
                        wait = FIRST_WAIT;
                        continue;
                    }
                    if has_answered {
                        wait = FIRST_WAIT;
                    }
                    reason
                }
                Err(reason) => {
                    self.counters.connects(false);
                    reason.into()
                }
            };
            if self.waits(&reason, jittered(wait)).await {
                return;
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn connected(&self, facts: ServerFacts) {
        let was_down = self.status.trouble().is_some();
        self.counters.connects(true);
        self.status.comes_up(facts);
        if was_down {
            tracing::info!(target: targets::STORE, "store {}: connected again", self.dialer.config.address);
        }
    }

    /// Refuses commands for a while. True if nobody uses the connection any more.
    async fn waits(&mut self, reason: &Arc<str>, wait: Duration) -> bool {
        if self.status.trouble().is_none_or(|known| known != *reason) {
            tracing::warn!(target: targets::STORE, "store {}: {reason}", self.dialer.config.address);
        }
        self.status.goes_down(reason);
        let mut over = std::pin::pin!(sleep(wait));
        loop {
            tokio::select! {
                job = self.jobs.recv() => match job {
                    Some(job) => drop(job.answer.send(Err(RedisError::Unconnected(reason.clone())))),
                    None => return true,
                },
                () = &mut over => return false,
            }
        }
    }
}

/// Commands on their way over one connection.
struct Pipeline {
    read: tokio::io::ReadHalf<Box<dyn Stream>>,
    write: WriteHalf<Box<dyn Stream>>,
    inbox: BytesMut,
    decoder: Decoder,
    outbox: Outbox,
    waiting: VecDeque<Pending>,
    /// Whether the server has answered a command.
    has_answered: bool,
}

/// What is to be written.
#[derive(Default)]
struct Outbox {
    bytes: BytesMut,
    /// Whether bytes were written that may still be in the buffer of TLS.
    is_unflushed: bool,
    /// How many bytes were ever put in, and how many of them were written.
    queued: u64,
    written: u64,
}

/// Commands that wait for their answers.
struct Pending {
    /// How many bytes were queued before them.
    starts: u64,
    count: usize,
    values: Vec<Value>,
    deadline: Instant,
    answer: oneshot::Sender<Result<Vec<Value>, RedisError>>,
    _permit: Permit,
}

impl Pipeline {
    fn new(stream: Box<dyn Stream>) -> Self {
        let (read, write) = tokio::io::split(stream);
        let (inbox, decoder, outbox) = (BytesMut::with_capacity(16 << 10), Decoder::default(), Outbox::default());
        Self { read, write, inbox, decoder, outbox, waiting: VecDeque::new(), has_answered: false }
    }

    /// Serves until the connection ends, and then tells everybody who waits.
    async fn serve(mut self, jobs: &mut UnboundedReceiver<Job>) -> End {
        let Some(reason) = self.exchange(jobs).await else { return End::Unused };
        for pending in self.waiting {
            let is_sent = pending.starts < self.outbox.written;
            let error = if is_sent { RedisError::Lost } else { RedisError::Unsent };
            let _ = pending.answer.send(Err(error(reason.clone())));
        }
        End::Broken { reason, has_answered: self.has_answered }
    }

    /// Why the connection ended; `None` if nobody uses it any more.
    async fn exchange(&mut self, jobs: &mut UnboundedReceiver<Job>) -> Option<Arc<str>> {
        let broken = |error: &io::Error| Some(cause(error).into());
        let mut is_unused = false;
        loop {
            if is_unused && self.waiting.is_empty() {
                return None;
            }
            let due = self.waiting.front().map(|pending| pending.deadline);
            tokio::select! {
                biased;
                read = self.read.read_buf(&mut self.inbox) => match read {
                    Ok(0) => return Some("the server closed the connection".into()),
                    Ok(_) => if let Err(reason) = self.answered() {
                        return Some(reason);
                    },
                    Err(error) => return broken(&error),
                },
                written = self.outbox.send(&mut self.write), if self.outbox.has_work() => if let Err(error) = written {
                    return broken(&error);
                },
                job = jobs.recv(), if !is_unused && self.outbox.bytes.len() < FULL => match job {
                    Some(job) => is_unused = self.take_all(job, jobs),
                    None => is_unused = true,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    return Some("the server did not answer in time".into());
                }
            }
        }
    }

    /// Takes all queued commands, so that one write has them. True if nobody will queue more.
    fn take_all(&mut self, first: Job, jobs: &mut UnboundedReceiver<Job>) -> bool {
        self.take(first);
        while self.outbox.bytes.len() < FULL {
            match jobs.try_recv() {
                Ok(job) => self.take(job),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
        false
    }

    fn take(&mut self, Job { bytes, count, deadline, answer, claim, permit }: Job) {
        if !claim.sends() {
            return;
        }
        let starts = self.outbox.queued;
        self.outbox.put(&bytes);
        self.waiting.push_back(Pending {
            starts,
            count,
            values: Vec::with_capacity(count),
            deadline,
            answer,
            _permit: permit,
        });
    }

    /// Gives answers that have arrived to those who wait.
    fn answered(&mut self) -> Result<(), Arc<str>> {
        let mut unusable = None;
        while let Some(value) = self.decoder.next(&mut self.inbox).map_err(|error| Arc::from(error.to_string()))? {
            let Some(pending) = self.waiting.front_mut() else {
                return Err(match value {
                    Value::Error(text) => format!("the server said {text}").into(),
                    _ => "the server sent what nobody asked for".into(),
                });
            };
            if let Value::Error(text) = &value
                && is_unusable(text)
            {
                unusable = Some(Arc::from(format!("the server answered {text}")));
            }
            pending.values.push(value);
            if pending.values.len() == pending.count
                && let Some(Pending { values, answer, .. }) = self.waiting.pop_front()
            {
                self.has_answered = true;
                let _ = answer.send(outcome(values));
            }
        }
        unusable.map_or(Ok(()), Err)
    }
}

/// The answers, or the first error among them.
fn outcome(values: Vec<Value>) -> Result<Vec<Value>, RedisError> {
    match values.iter().find_map(|value| if let Value::Error(text) = value { Some(text) } else { None }) {
        Some(text) => Err(RedisError::Refused(text.as_str().into())),
        None => Ok(values),
    }
}

impl Outbox {
    fn put(&mut self, bytes: &[u8]) {
        self.queued += bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
    }

    fn has_work(&self) -> bool {
        !self.bytes.is_empty() || self.is_unflushed
    }

    /// One write, or a flush. If it is cancelled, nothing is lost.
    async fn send(&mut self, write: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        if self.bytes.is_empty() {
            write.flush().await?;
            self.is_unflushed = false;
            return Ok(());
        }
        let written = match write.write(&self.bytes).await {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            written => written,
        };
        // TLS may have sent a part of what it could not send as a whole.
        let written = written.inspect_err(|_| self.written = self.queued)?;
        self.bytes.advance(written);
        (self.written, self.is_unflushed) = (self.written + written as u64, true);
        Ok(())
    }
}
