//! Fetches the keys of token issuers that publish them at a URL.
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
use crate::caller::Callers;
use crate::caller::token::{Issuer, Json, KeySet, LARGEST_SET, Object};
use crate::config::{KeyPlace, KeyServer};
use crate::format::problem::Problem;
use crate::upstream::{Document, DocumentUrl, Fetcher};

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
    place: KeyPlace,
    fetcher: Fetcher,
    min_interval: Duration,
}

/// The result of a fetch.
struct Fetched {
    /// The document as received.
    set: Bytes,
    keys: KeySet,
    /// The `max-age` of the response.
    age: Option<Duration>,
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
        Ok(Self {
            issuer,
            place: server.place.clone(),
            fetcher: Fetcher::new(&server.fetch)?,
            min_interval: server.min_interval,
        })
    }

    async fn run(self) {
        let mut failures = 0;
        let (mut was_told, mut last) = (String::new(), Bytes::new());
        loop {
            let fetched = self.fetch().await;
            let now = Instant::now();
            let next = match fetched {
                Ok(Fetched { set, keys, age }) => {
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
                    now + age.unwrap_or(AGE).clamp(AGES.0, AGES.1).mul_f64(EARLY)
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

    async fn fetch(&self) -> Result<Fetched, String> {
        let url = match &self.place {
            KeyPlace::Url(url) => url.clone(),
            KeyPlace::Discovery(url) => {
                let Document { bytes, .. } = self.get(url).await?;
                discovered(&bytes, self.issuer.issuer()).map_err(|problem| format!("{url}: {problem}"))?
            }
        };
        let Document { bytes: set, max_age: age } = self.get(&url).await?;
        match KeySet::parse(&set) {
            Ok(keys) => Ok(Fetched { set, keys, age }),
            Err(error) => Err(format!("{url}: {error}")),
        }
    }

    async fn get(&self, url: &DocumentUrl) -> Result<Document, String> {
        self.fetcher.fetch(url, LARGEST_SET).await.map_err(|problem| format!("{url}: {problem}"))
    }
}

/// OpenID Connect Discovery 1.0, section 4.3: the document must name this issuer.
fn discovered(document: &[u8], issuer: &str) -> Result<DocumentUrl, String> {
    let document = Object::parse(document).map_err(|error| error.to_string())?;
    if document.member("issuer").and_then(Json::text) != Some(issuer) {
        return Err("its `issuer` is not the configured one".to_owned());
    }
    let url = document.member("jwks_uri").and_then(Json::text).ok_or("it has no `jwks_uri`")?;
    DocumentUrl::parse(url).map_err(|_| "its `jwks_uri` is not an `https` URL".to_owned())
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
    fn a_discovery_document_must_match_the_issuer_and_name_an_https_url_for_keys() {
        let issuer = "https://id.bank.test";
        let other = "its `issuer` is not the configured one";
        let no_url = "its `jwks_uri` is not an `https` URL";
        for (document, expected) in [
            (
                r#"{"issuer":"https://id.bank.test","jwks_uri":"https://keys.bank.test/a"}"#,
                Ok("https://keys.bank.test:443/a"),
            ),
            (r#"{"issuer":"https://id.bank.test/","jwks_uri":"https://keys.bank.test/a"}"#, Err(other)),
            (r#"{"issuer":["https://id.bank.test"],"jwks_uri":"https://keys.bank.test/a"}"#, Err(other)),
            (r#"{"jwks_uri":"https://keys.bank.test/a"}"#, Err(other)),
            (r#"{"issuer":"https://id.bank.test"}"#, Err("it has no `jwks_uri`")),
            (r#"{"issuer":"https://id.bank.test","jwks_uri":"http://keys.bank.test/a"}"#, Err(no_url)),
            (r#"{"issuer":"https://id.bank.test","jwks_uri":"file:///keys"}"#, Err(no_url)),
        ] {
            let found = discovered(document.as_bytes(), issuer).map(|url| url.to_string());
            assert_eq!(found.as_deref(), expected.map_err(str::to_owned).as_ref().copied(), "{document}");
        }
        for document in ["", "[]", "<html>", r#"{"issuer":"a","issuer":"https://id.bank.test"}"#] {
            assert!(discovered(document.as_bytes(), issuer).is_err(), "{document}");
        }
    }

    #[test]
    fn a_logged_reason_is_one_line_of_bounded_length() {
        assert_eq!(shown("a\nb\u{1b}"), "a?b?");
        assert_eq!(shown(&"\u{e9}".repeat(1000)).chars().count(), LONGEST_REASON);
    }
}
