//! A query string, taken apart.

use super::entry::Route;
use super::policy::{Policy, QueryLimits};
use super::system::{System, SystemProblem};
use super::text::{self, Keep, TextError};
use crate::format::quote;

/// The pairs of a query string, decoded, in order; system parameters stand beside them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// All keys and values, one after the other.
    text: String,
    pairs: Vec<Pair>,
    system: System,
}

/// Where a pair stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    key: usize,
    value: usize,
    end: usize,
}

/// Why a query string cannot be taken apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A key or value cannot be decoded.
    #[error("query parameter number {number}: {problem}")]
    Text {
        /// Which pair, from 1.
        number: usize,
        /// Why.
        problem: TextError,
    },
    /// A system parameter that is none, or has a value that is not taken.
    #[error("query parameter \"{key}\": {problem}")]
    System {
        /// The parameter.
        key: String,
        /// Why.
        problem: SystemProblem,
    },
    /// A value without a key.
    #[error("query parameter number {number}: expected a name before \"=\", got none")]
    NoKey {
        /// Which pair, from 1.
        number: usize,
    },
    /// Too many pairs.
    #[error("too many query parameters: at most {limit} are allowed")]
    TooMany {
        /// How many there may be.
        limit: usize,
    },
    /// Too long a text.
    #[error("the query string is longer than the limit of {limit} bytes")]
    TooLong {
        /// How long it may be.
        limit: usize,
    },
}

impl Query {
    /// Parses what stands behind the `?`.
    ///
    /// # Errors
    /// The first pair that cannot be decoded.
    pub fn parse(raw: &str) -> Result<Self, QueryError> {
        Self::within(raw, Policy::default().query_limits())
    }

    /// The same with these limits, which are looked at before any work is done.
    ///
    /// # Errors
    /// It is too long, has too many pairs, or the first pair that cannot be decoded.
    pub fn within(raw: &str, limits: QueryLimits) -> Result<Self, QueryError> {
        if raw.len() > limits.length {
            return Err(QueryError::TooLong { limit: limits.length });
        }
        Self::read(raw, true, limits)
    }

    /// Parses a form, which has no system parameters, and is as long as a body may be.
    ///
    /// # Errors
    /// It has too many pairs, or the first pair that cannot be decoded.
    pub fn form(raw: &str, limits: QueryLimits) -> Result<Self, QueryError> {
        Self::read(raw, false, limits)
    }

    fn read(raw: &str, has_system: bool, limits: QueryLimits) -> Result<Self, QueryError> {
        let limit = limits.pairs;
        if has_more_pairs(raw, limit) {
            return Err(QueryError::TooMany { limit });
        }
        let mut query = Self { text: String::with_capacity(raw.len()), ..Self::default() };
        for (index, pair) in pairs_in(raw).enumerate() {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if key.is_empty() {
                return Err(QueryError::NoKey { number: index + 1 });
            }
            let wrong = |problem| QueryError::Text { number: index + 1, problem };
            let begin = query.text.len();
            text::decode_into(&mut query.text, key, Keep::Plus).map_err(wrong)?;
            let middle = query.text.len();
            text::decode_into(&mut query.text, value, Keep::Plus).map_err(wrong)?;
            let (key, value) = query.text[begin..].split_at(middle - begin);
            if has_system && key.starts_with('$') {
                let read = query.system.read(key, value);
                let quoted = || quote::beginning(key, quote::MOST_TWICE).into_owned();
                read.map_err(|problem| QueryError::System { key: quoted(), problem })?;
                query.text.truncate(begin);
            } else {
                query.pairs.push(Pair { key: begin, value: middle, end: query.text.len() });
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
        self.pairs.iter().map(|pair| (&self.text[pair.key..pair.value], &self.text[pair.value..pair.end]))
    }
}

impl Route {
    /// Checks a query that was read within the limits of all rpcs against those of this one.
    ///
    /// # Errors
    /// It is too long, or has too many pairs.
    pub fn check_query(&self, raw: &str) -> Result<(), QueryError> {
        let QueryLimits { pairs, length } = self.rpc.policy.query_limits();
        if raw.len() > length {
            return Err(QueryError::TooLong { limit: length });
        }
        if has_more_pairs(raw, pairs) { Err(QueryError::TooMany { limit: pairs }) } else { Ok(()) }
    }
}

fn has_more_pairs(raw: &str, limit: usize) -> bool {
    // The shortest pairs have one byte, and one between them.
    raw.len().div_ceil(2) > limit && pairs_in(raw).nth(limit).is_some()
}

fn pairs_in(raw: &str) -> impl Iterator<Item = &str> {
    raw.split('&').filter(|pair| !pair.is_empty())
}
