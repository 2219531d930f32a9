//! A query string, taken apart.

use super::system::{System, SystemProblem};
use super::text::{self, Keep, TextError};

/// More pairs than this are refused, before any work is done for them.
const MOST_PAIRS: usize = 512;

/// The pairs of a query string, decoded, in order; system parameters stand beside them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
    system: System,
}

/// Why a query string cannot be taken apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A key or value cannot be decoded.
    #[error("at query pair {number}: {problem}")]
    Text {
        /// Which pair, from 1.
        number: usize,
        /// Why.
        problem: TextError,
    },
    /// A system parameter that is none, or has a value that is not taken.
    #[error("at {key}: {problem}, in the query")]
    System {
        /// The parameter.
        key: String,
        /// Why.
        problem: SystemProblem,
    },
    /// A value without a key.
    #[error("at query pair {number}: expected a key before `=`, found none")]
    NoKey {
        /// Which pair, from 1.
        number: usize,
    },
    /// Too many pairs.
    #[error("expected at most {MOST_PAIRS} query pairs, found more")]
    TooMany,
}

impl Query {
    /// Parses what stands behind the `?`.
    ///
    /// # Errors
    /// The first pair that cannot be decoded.
    pub fn parse(raw: &str) -> Result<Self, QueryError> {
        Self::read(raw, true)
    }

    /// Parses a form, which has no system parameters.
    ///
    /// # Errors
    /// The first pair that cannot be decoded.
    pub fn form(raw: &str) -> Result<Self, QueryError> {
        Self::read(raw, false)
    }

    fn read(raw: &str, has_system: bool) -> Result<Self, QueryError> {
        let mut query = Self::default();
        for (index, pair) in raw.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if index == MOST_PAIRS {
                return Err(QueryError::TooMany);
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if key.is_empty() {
                return Err(QueryError::NoKey { number: index + 1 });
            }
            let decode =
                |raw| text::decode(raw, Keep::Plus).map_err(|problem| QueryError::Text { number: index + 1, problem });
            let (key, value) = (decode(key)?, decode(value)?);
            if has_system && key.starts_with('$') {
                let read = query.system.read(&key, &value);
                read.map_err(|problem| QueryError::System { key, problem })?;
            } else {
                query.pairs.push((key, value));
            }
        }
        Ok(query)
    }

    /// What the system parameters say.
    #[must_use]
    pub fn system(&self) -> System {
        self.system
    }

    /// Keys and values, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}
