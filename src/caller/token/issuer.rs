//! A trusted issuer: what its tokens must contain, and its keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::algorithm::Algorithm;
use super::compact::{Unverified, kind};
use super::keys::KeySet;

/// How long a request waits for keys that are being fetched.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the tokens of an issuer must contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerConfig {
    /// Its key under `callers.issuers`, by which rpcs and the log name it.
    pub name: String,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// One of these must be in the `aud` of a token.
    pub audiences: Vec<String>,
    /// The accepted signature algorithms.
    pub algorithms: Vec<Algorithm>,
    /// The accepted values of `typ`.
    pub types: TokenTypes,
    /// The claim that contains the scopes.
    pub scope_claim: String,
}

/// The accepted values of `typ`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenTypes {
    /// Accepted values, in lower case and without `application/`.
    pub listed: Vec<String>,
    /// Whether a token without `typ` is accepted.
    pub none: bool,
}

impl Default for TokenTypes {
    /// RFC 9068, section 4.
    fn default() -> Self {
        Self { listed: vec!["at+jwt".to_owned()], none: false }
    }
}

impl TokenTypes {
    /// Accepts `text` in addition; `none` accepts tokens without `typ`.
    #[must_use]
    pub fn with(mut self, text: &str) -> Self {
        match text {
            "none" => self.none = true,
            text => self.listed.push(kind(text)),
        }
        self
    }

    pub(super) fn take(&self, found: Option<&str>) -> bool {
        found.map_or(self.none, |found| self.listed.iter().any(|listed| listed == found))
    }
}

/// An issuer and its keys, which may be replaced while tokens are verified.
pub struct Issuer {
    pub(super) config: IssuerConfig,
    keys: ArcSwapOption<KeySet>,
    /// Counts the key sets. A token that was verified with an earlier set is verified again.
    generation: AtomicU64,
    /// Set if its keys are fetched from a server.
    remote: Option<Remote>,
}

/// Keys that are fetched from a server, and earlier if a token names one that is missing.
struct Remote {
    source: String,
    wanted: Notify,
    /// Whether an unknown key may cause a fetch: false for a while after each fetch.
    may_be_wanted: AtomicBool,
    /// Counts the fetches, successful or not.
    tries: watch::Sender<u64>,
}

impl Issuer {
    /// An issuer with these keys.
    #[must_use]
    pub fn new(config: IssuerConfig, keys: KeySet) -> Self {
        let keys = ArcSwapOption::from_pointee(keys);
        Self { config, keys, generation: AtomicU64::new(0), remote: None }
    }

    /// An issuer whose keys are fetched from `source`. Until then its tokens cannot be verified.
    #[must_use]
    pub fn remote(config: IssuerConfig, source: String) -> Self {
        let (wanted, may_be_wanted) = (Notify::new(), AtomicBool::new(true));
        let remote = Some(Remote { source, wanted, may_be_wanted, tries: watch::Sender::new(0) });
        Self { config, keys: ArcSwapOption::empty(), generation: AtomicU64::new(0), remote }
    }

    /// Takes over the keys of `old`, if they come from the same source.
    pub fn go_on_from(&self, old: &Self) {
        let source = |issuer: &Self| issuer.remote.as_ref().map(|remote| remote.source.clone());
        if self.remote.is_some() && source(self) == source(old) && self.config.issuer == old.config.issuer {
            self.keys.store(old.keys.load_full());
        }
    }

    /// The `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// Completes when a token names an unknown key; awaited by the task that fetches.
    pub async fn wanted(&self) {
        match &self.remote {
            None => std::future::pending().await,
            Some(remote) => {
                // A request that came before this line waits for the last fetch instead.
                let wanted = remote.wanted.notified();
                remote.may_be_wanted.store(true, Ordering::Release);
                wanted.await;
            }
        }
    }

    /// Wakes the requests that wait for a fetch: it has succeeded or failed.
    pub fn tried(&self) {
        if let Some(remote) = &self.remote {
            remote.may_be_wanted.store(false, Ordering::Release);
            remote.tries.send_modify(|tries| *tries += 1);
        }
    }

    /// Causes a fetch and waits for it, for at most [`PATIENCE`]. False if its keys are not fetched, or were fetched just before.
    pub(super) async fn refreshed(&self) -> bool {
        let Some(remote) = self.remote.as_ref().filter(|remote| remote.may_be_wanted.load(Ordering::Acquire)) else {
            return false;
        };
        let mut tries = remote.tries.subscribe();
        remote.wanted.notify_waiters();
        timeout(PATIENCE, tries.changed()).await.is_ok()
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Replaces its keys.
    pub fn put_keys(&self, keys: KeySet) {
        self.keys.store(Some(Arc::new(keys)));
        self.generation.fetch_add(1, Ordering::Release);
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Checks the signature of a token with the key that it names.
    pub(super) fn check_signature(&self, token: &Unverified<'_>) -> Result<(), SignatureError> {
        let keys = self.keys.load();
        let keys = keys.as_ref().ok_or(SignatureError::NoKeys)?;
        if !self.config.algorithms.contains(&token.algorithm) {
            return Err(SignatureError::Algorithm);
        }
        let key = keys.key(token.key_id.as_deref(), token.algorithm).ok_or(SignatureError::UnknownKey)?;
        let is_right = key.verifies(token.signature, token.signed, token.algorithm);
        if is_right { Ok(()) } else { Err(SignatureError::Signature) }
    }
}

/// Why a signature is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No key set has been read yet.
    #[error("no keys of its issuer are known yet")]
    NoKeys,
    /// The issuer does not sign so.
    #[error("its `alg` is not among the `algorithms` of its issuer")]
    Algorithm,
    /// None of the keys is meant.
    #[error("its issuer has no key for its `alg` with its `kid`, or several and it has no `kid`")]
    UnknownKey,
    /// The signature is not that of the key.
    #[error("its signature is not that of the key that it names")]
    Signature,
}
