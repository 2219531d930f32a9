//! A query string, taken apart.

use super::text::{self, Keep, TextError};

/// More pairs than this are refused, before any work is done for them.
const MOST_PAIRS: usize = 512;

/// The pairs of a query string, decoded, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
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
        let mut pairs = Vec::new();
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
            pairs.push((decode(key)?, decode(value)?));
        }
        Ok(Self { pairs })
    }

    /// Keys and values, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}
