//! Keeps the keys of token issuers up to date that publish them at a URL.
//!
//! Keys are fetched when serving begins, before they expire, and when a token names an unknown key. Unknown keys cause
//! a fetch no more often than configured, whatever tokens callers make up. If a fetch fails, the last good set stays in
//! use.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::keep::keep;
use super::key_source::{FetchedKeys, KeySource};
use crate::caller::Callers;
use crate::caller::token::Issuer;
use crate::config::KeyServer;
use crate::format::problem::Problem;

/// How long keys are used if their server sends no `max-age`.
const AGE: Duration = Duration::from_secs(300);
/// The bounds of `max-age`: a smaller or larger value counts as these.
const AGES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// The part of that time after which the keys are fetched again.
const EARLY: f64 = 0.8;
/// The first and the longest wait after a failure; each wait is twice the one before.
const RETRIES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Longest reason in the log, in characters. A part of it comes from the server.
const LONGEST_REASON: usize = 300;

/// Fetches the keys of one issuer.
pub(super) struct KeyRefresh {
    issuer: Arc<Issuer>,
    source: KeySource,
    min_interval: Duration,
}

/// The refresh tasks of all issuers. They run from [`start`](Self::start) until this is dropped.
pub(super) struct KeyRefreshes {
    waiting: Mutex<Vec<KeyRefresh>>,
    tasks: Mutex<Vec<AbortHandle>>,
    /// The runtime of the tasks. It is not on the worker threads, which serve requests.
    runtime: Option<Handle>,
}

impl KeyRefreshes {
    /// Fetches nothing yet. The tasks will run in the runtime of this caller.
    pub(super) fn new(all: Vec<KeyRefresh>) -> Self {
        Self { waiting: Mutex::new(all), tasks: Mutex::default(), runtime: Handle::try_current().ok() }
    }

    /// Starts the tasks, unless they are running.
    pub(super) fn start(&self) {
        let Some(runtime) = &self.runtime else { return };
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let started = waiting.into_iter().map(|one| runtime.spawn(one.run()).abort_handle());
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).extend(started);
    }
}

impl Drop for KeyRefreshes {
    fn drop(&mut self) {
        let tasks = self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().for_each(AbortHandle::abort);
    }
}

impl KeyRefresh {
    /// Reads the files for TLS and the proxy.
    ///
    /// # Errors
    /// All problems with these files.
    pub(super) fn new(server: &KeyServer, issuer: Arc<Issuer>) -> Result<Self, Vec<Problem>> {
        let source = KeySource::new(server, issuer.issuer())?;
        Ok(Self { issuer, source, min_interval: server.min_interval })
    }

    async fn run(self) {
        let mut failures = 0;
        let (mut was_told, mut last) = (String::new(), Bytes::new());
        loop {
            let fetched = self.source.fetch().await;
            let now = Instant::now();
            let next = match fetched {
                Ok(FetchedKeys { set, keys, max_age }) => {
                    if !was_told.is_empty() {
                        tracing::info!(issuer = self.issuer.name(), "the keys of an issuer can be fetched again");
                        was_told.clear();
                    }
                    failures = 0;
                    // New keys make every cached token be verified again.
                    if last != set {
                        self.issuer.put_keys(keys);
                        last = set;
                    }
                    now + max_age.unwrap_or(AGE).clamp(AGES.0, AGES.1).mul_f64(EARLY)
                }
                Err(problem) => {
                    let problem = shown(&problem);
                    // Logged once for each new reason, not for each attempt.
                    if was_told != problem {
                        let name = self.issuer.name();
                        tracing::warn!(
                            issuer = name,
                            "cannot fetch the keys of an issuer, the last ones stay in use: {problem}"
                        );
                        was_told = problem;
                    }
                    failures += 1;
                    now + RETRIES.0.saturating_mul(1 << (failures - 1).min(6)).min(RETRIES.1)
                }
            };
            self.issuer.tried();
            // During this interval, unknown keys cause no fetch.
            sleep_until((now + self.min_interval).min(next)).await;
            let _ = timeout_at(next, self.issuer.wanted()).await;
        }
    }
}

/// A reason for the log: bounded, and without control characters.
pub(super) fn shown(problem: &str) -> String {
    problem.chars().take(LONGEST_REASON).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// One refresh task for each issuer whose keys are at a URL.
pub(super) fn key_refreshes(
    servers: &[KeyServer],
    callers: Option<&Callers>,
    problems: &mut Vec<Problem>,
) -> Vec<KeyRefresh> {
    let issuer = |server: &KeyServer| callers.and_then(|callers| callers.issuers().get(server.issuer)).cloned();
    let with_issuers = servers.iter().filter_map(|server| Some((server, issuer(server)?)));
    with_issuers.filter_map(|(server, issuer)| keep(KeyRefresh::new(server, issuer), problems)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_reason_is_one_line_of_bounded_length() {
        assert_eq!(shown("a\nb\u{1b}"), "a?b?");
        assert_eq!(shown(&"\u{e9}".repeat(1000)).chars().count(), LONGEST_REASON);
    }
}
