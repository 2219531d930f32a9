//! Tells the server how a call ended. If it does not take it, tells it again for a while.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::record::Token;
use super::store::SharedKeys;
use crate::server::Hold;
use crate::upstream::redis::{RedisError, Value};

/// How long the end of a call is told again, at most.
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// How long a stopping gateway waits for it.
const HELD: Duration = Duration::from_secs(5);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The most ends, and their most bytes, that wait for the server.
const MOST: usize = 20_000;
const MOST_BYTES: usize = 64 << 20;

/// The end of a call, on its way to the server.
pub(super) struct Settling {
    pub(super) store: Arc<SharedKeys>,
    pub(super) name: Vec<u8>,
    pub(super) token: Token,
    pub(super) record: Vec<u8>,
    /// How long the record is kept.
    pub(super) lifetime: Duration,
    /// Whether the call may have been made, so that another one for its key would be a second.
    pub(super) may_have_acted: bool,
    pub(super) hold: Option<Hold>,
}

impl Settling {
    /// Begins. The first command is queued before this function returns, in front of those of later requests.
    pub(super) fn start(self) {
        let counters = &self.store.counters;
        let before = counters.waiting.fetch_add(1, Ordering::Relaxed);
        let bytes_before = counters.bytes.fetch_add(self.record.len(), Ordering::Relaxed);
        let waits = Waiting { store: self.store.clone(), bytes: self.record.len() };
        if before >= MOST || bytes_before + self.record.len() > MOST_BYTES {
            self.gives_up("too many ends of calls wait for the store");
            return;
        }
        let first = self.tell();
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(self.go_on(first, waits))),
            // The process is stopping. The key reads as unknown after its lease.
            Err(_) => drop(first),
        }
    }

    fn tell(&self) -> impl Future<Output = Result<Value, RedisError>> + Send + use<> {
        let lifetime = self.lifetime.as_millis().to_string();
        let arguments: [&[u8]; 3] = [&self.token, &self.record, lifetime.as_bytes()];
        self.store.redis.script(&self.store.scripts.settle, &[&self.name], &arguments)
    }

    async fn go_on(mut self, first: impl Future<Output = Result<Value, RedisError>>, waiting: Waiting) {
        let (began, mut wait) = (Instant::now(), FIRST_WAIT);
        let mut told = first.await;
        loop {
            match &told {
                Ok(Value::Bytes(answer)) if answer == "S" || answer == "D" => {
                    self.store.counters.settled.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Ok(Value::Bytes(answer)) if answer == "L" => {
                    self.lost();
                    break;
                }
                _ => {}
            }
            let passed = began.elapsed();
            if passed >= HELD {
                self.hold = None;
            }
            if passed >= LONGEST {
                let reason = told.map_or_else(|error| error.to_string(), |_| RedisError::Unexpected.to_string());
                self.gives_up(&reason);
                break;
            }
            sleep(wait.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
            told = self.tell().await;
        }
        drop(waiting);
    }

    fn gives_up(&self, reason: &str) {
        if self.store.counters.given_up.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                "the store was not told how a call with an idempotency key ended, so its outcome counts as unknown: {reason}"
            );
        }
    }

    fn lost(&self) {
        // A key that was given up may well have been claimed by the next request.
        if self.may_have_acted {
            self.store.counters.lost.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                "the store has lost an idempotency key while its call was in flight: the call may have been made twice"
            );
        }
    }
}

/// An end that the server does not know yet.
struct Waiting {
    store: Arc<SharedKeys>,
    bytes: usize,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.store.counters.waiting.fetch_sub(1, Ordering::Relaxed);
        self.store.counters.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
