//! Google's system parameters `$alt` and `$prettyPrint`, by which a caller chooses how the JSON of the reply is
//! printed.
//!
//! Clients of Google's own REST APIs send them. No field name starts with `$`, so a key is never both.

use crate::codec::Print;
use crate::format::quote;

/// The system parameters of one query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct System {
    /// `$alt`: whether enum values are printed as numbers.
    enums_as_ints: Option<bool>,
    /// `$prettyPrint`: whether JSON is indented.
    indent: Option<bool>,
}

/// Why a system parameter is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SystemProblem {
    /// The parameter is not supported.
    #[error("unknown system parameter; only $alt and $prettyPrint are supported")]
    Unknown,
    /// The parameter has a second value.
    #[error("repeated, but it takes only one value")]
    Twice,
    /// The value is not supported.
    #[error("expected {expected}, got {found:?}")]
    Value { expected: &'static str, found: String },
}

impl System {
    /// A byte for each parameter: equal for equal values.
    #[must_use]
    pub fn bytes(self) -> [u8; 2] {
        [self.enums_as_ints, self.indent].map(|said| said.map_or(0, |said| 1 + u8::from(said)))
    }

    /// Reads one parameter.
    pub(super) fn read(&mut self, key: &str, value: &str) -> Result<(), SystemProblem> {
        let wrong = |expected| SystemProblem::Value {
            expected,
            found: quote::beginning(value, quote::MOST_TWICE).into_owned(),
        };
        let (place, said) = match (key, value) {
            ("$alt", "json") => (&mut self.enums_as_ints, false),
            ("$alt", "json;enum-encoding=int") => (&mut self.enums_as_ints, true),
            ("$alt", _) => return Err(wrong("json or json;enum-encoding=int")),
            ("$prettyPrint", "true") => (&mut self.indent, true),
            ("$prettyPrint", "false") => (&mut self.indent, false),
            ("$prettyPrint", _) => return Err(wrong("true or false")),
            _ => return Err(SystemProblem::Unknown),
        };
        if place.replace(said).is_some() { Err(SystemProblem::Twice) } else { Ok(()) }
    }

    /// Applies the parameters to `print`, the settings of the rpc. A plain `$alt=json` changes nothing.
    pub(super) fn applied_to(self, print: Print) -> Print {
        Print {
            enums_as_ints: print.enums_as_ints || self.enums_as_ints == Some(true),
            indent: self.indent.unwrap_or(print.indent),
            ..print
        }
    }
}
