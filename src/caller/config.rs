//! Loads what the configuration says about callers into [`Callers`].

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dpop::{self, Verifier};
use super::identity::Callers;
use super::token::{ClaimRules, Issuer, IssuerConfig, KeySet, LARGEST_SET, Tokens};
use crate::format::problem::Problem;

/// The trusted issuers, and what their tokens must contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub issuers: Vec<IssuerSource>,
    pub rules: ClaimRules,
    /// The rules for DPoP proofs; `None` if DPoP is off.
    pub dpop: Option<dpop::Config>,
    /// RFC 6750, section 3: the `realm` of challenges.
    pub realm: String,
}

/// An issuer, and the source of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerSource {
    pub config: IssuerConfig,
    pub keys: KeySource,
}

/// The source of the keys of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A JWK Set in a file.
    File(PathBuf),
    /// A server that the keys are fetched from; the text describes it for the log.
    Remote(String),
}

impl Config {
    /// The key set files, which are watched for changes.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.issuers.iter().filter_map(|issuer| match &issuer.keys {
            KeySource::File(file) => Some(file),
            KeySource::Remote(_) => None,
        })
    }
}

impl Callers {
    /// Reads the key sets from their files.
    ///
    /// # Errors
    /// One problem for each file that is not a key set.
    pub fn load(config: &Config) -> Result<Self, Vec<Problem>> {
        let (mut issuers, mut problems) = (Vec::new(), Vec::new());
        for IssuerSource { config, keys } in &config.issuers {
            match keys {
                KeySource::Remote(place) => issuers.push(Arc::new(Issuer::remote(config.clone(), place.clone()))),
                KeySource::File(file) => match read(file) {
                    Ok(keys) => issuers.push(Arc::new(Issuer::new(config.clone(), keys))),
                    Err(message) => problems.push(Problem::at(file.display(), message)),
                },
            }
        }
        if problems.is_empty() {
            let tokens = Tokens::new(issuers, config.rules.clone());
            return Ok(Self::new(tokens, config.dpop.clone().map(Verifier::new), config.realm.clone()));
        }
        Err(problems)
    }
}

fn read(file: &Path) -> Result<KeySet, String> {
    let mut text = Vec::new();
    let most = LARGEST_SET as u64 + 1;
    File::open(file).and_then(|file| file.take(most).read_to_end(&mut text)).map_err(|error| error.to_string())?;
    KeySet::parse(&text).map_err(|error| error.to_string())
}
