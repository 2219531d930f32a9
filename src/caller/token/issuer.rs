//! One of those whose tokens are taken: what its tokens must say, and its keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use super::algorithm::Algorithm;
use super::compact::{Unverified, kind};
use super::keys::KeySet;

/// What the tokens of an issuer must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerConfig {
    /// Its key under `callers.issuers`, by which rpcs and the log name it.
    pub name: String,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// One of these must be in the `aud` of a token.
    pub audiences: Vec<String>,
    /// How its tokens may be signed.
    pub algorithms: Vec<Algorithm>,
    /// Their `typ`.
    pub types: TokenTypes,
    /// The claim that has the scopes.
    pub scope_claim: String,
}

/// Which values of `typ` are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenTypes {
    /// These, in lower case and without `application/`.
    pub listed: Vec<String>,
    /// Whether it may be missing.
    pub none: bool,
}

impl Default for TokenTypes {
    /// RFC 9068, section 4.
    fn default() -> Self {
        Self { listed: vec!["at+jwt".to_owned()], none: false }
    }
}

impl TokenTypes {
    /// The same where `text` is taken too; `none` stands for no `typ`.
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
    /// Counts the key sets: what was verified with another one is verified anew.
    generation: AtomicU64,
}

impl Issuer {
    /// An issuer; without keys all its tokens are refused until it has some.
    #[must_use]
    pub fn new(config: IssuerConfig, keys: Option<KeySet>) -> Self {
        Self { config, keys: ArcSwapOption::from(keys.map(Arc::new)), generation: AtomicU64::new(0) }
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
