//! [`Problem`]: one thing that is wrong at start, and where.
//!
//! Every stage of the start collects problems; the caller prints them together and does not serve. `place` is something
//! that an operator can open or change: `towbar.yaml:12:5`, `bank.proto:40:3`, `--backend`.

use std::fmt;

/// One thing that is wrong at start, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Option<String>,
    pub message: String,
}

impl Problem {
    /// A problem without a place.
    pub fn new(message: impl fmt::Display) -> Self {
        Self { place: None, message: message.to_string() }
    }

    pub fn at(place: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self { place: Some(place.to_string()), message: message.to_string() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_printed_with_its_place_first() {
        assert_eq!(Problem::at("towbar.yaml:1:2", "no").to_string(), "towbar.yaml:1:2: no");
        assert_eq!(Problem::new("no upstream").to_string(), "no upstream");
    }
}
