//! Parses a query string or a URL-encoded form.

use memchr::memchr;

use super::entry::Route;
use super::policy::{Policy, QueryLimits};
use super::system::{System, SystemProblem};
use super::text::{self, Keep, TextError};
use crate::format::quote;

/// The decoded keys and values of a query string, in order. System parameters are kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// All keys and values, one after the other.
    text: String,
    pairs: Vec<Pair>,
    system: System,
}

/// Where a key and its value begin in the text, and where the value ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    key: usize,
    value: usize,
    end: usize,
}

/// Why a query string cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A key or value cannot be decoded.
    #[error("query parameter number {number}: {problem}")]
    Text {
        /// The number of the pair, counted from 1.
        number: usize,
        problem: TextError,
    },
    /// A system parameter is unknown, repeated, or has a value that is not supported.
    #[error("query parameter \"{key}\": {problem}")]
    System {
        /// The name of the parameter.
        key: String,
        problem: SystemProblem,
    },
    /// A value without a key.
    #[error("query parameter number {number}: expected a name before \"=\", got none")]
    NoKey {
        /// The number of the pair, counted from 1.
        number: usize,
    },
    /// More pairs than allowed.
    #[error("too many query parameters: at most {limit} are allowed")]
    TooMany {
        /// The most pairs that are allowed.
        limit: usize,
    },
    /// A query string that is too long.
    #[error("the query string is longer than the limit of {limit} bytes")]
    TooLong {
        /// The most bytes that are allowed.
        limit: usize,
    },
}

impl Query {
    /// Parses the text behind the `?`, with the default limits.
    ///
    /// # Errors
    /// The limit that is exceeded, or the first pair that is not valid.
    pub fn parse(raw: &str) -> Result<Self, QueryError> {
        Self::within(raw, Policy::default().query_limits())
    }

    /// Parses the text behind the `?` with these limits, which are checked before any other work.
    ///
    /// # Errors
    /// The limit that is exceeded, or the first pair that is not valid.
    pub fn within(raw: &str, limits: QueryLimits) -> Result<Self, QueryError> {
        if raw.len() > limits.length {
            return Err(QueryError::TooLong { limit: limits.length });
        }
        Self::read(raw, true, limits)
    }

    /// Parses a URL-encoded form. It has no system parameters; its length is limited as that of a body.
    ///
    /// # Errors
    /// Too many pairs, or the first pair that is not valid.
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
            let (key, value) = match memchr(b'=', pair.as_bytes()) {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, ""),
            };
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

    /// The system parameters.
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
    /// Checks a query that was parsed with the limits for all rpcs against the limits of this rpc.
    ///
    /// # Errors
    /// The query exceeds a limit of the rpc.
    pub fn check_query(&self, raw: &str) -> Result<(), QueryError> {
        let QueryLimits { pairs, length } = self.rpc.policy.query_limits();
        if raw.len() > length {
            return Err(QueryError::TooLong { limit: length });
        }
        if has_more_pairs(raw, pairs) { Err(QueryError::TooMany { limit: pairs }) } else { Ok(()) }
    }
}

fn has_more_pairs(raw: &str, limit: usize) -> bool {
    // The shortest pair has one byte, and one byte separates two pairs.
    raw.len().div_ceil(2) > limit && pairs_in(raw).nth(limit).is_some()
}

fn pairs_in(raw: &str) -> impl Iterator<Item = &str> {
    let mut left = Some(raw);
    let pieces = std::iter::from_fn(move || {
        let text = left?;
        let end = memchr(b'&', text.as_bytes());
        left = end.map(|end| &text[end + 1..]);
        Some(end.map_or(text, |end| &text[..end]))
    });
    pieces.filter(|pair| !pair.is_empty())
}
