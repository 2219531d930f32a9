//! Google's system parameters, `$alt` and `$prettyPrint`: what a caller may say of the JSON that it gets.
//!
//! Clients made for Google's own REST front send them. No field's name starts with `$`, so no key is ever both.

use crate::codec::Print;
use crate::format::quote;

/// What the system parameters of one query say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct System {
    /// `$alt`: whether enums are printed as numbers.
    enums_as_ints: Option<bool>,
    /// `$prettyPrint`
    indent: Option<bool>,
}

/// What is wrong with a system parameter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SystemProblem {
    /// None that is known here.
    #[error("unknown system parameter; only $alt and $prettyPrint are supported")]
    Unknown,
    /// A second value.
    #[error("repeated, but it takes only one value")]
    Twice,
    /// A value that is not taken.
    #[error("expected {expected}, got {found:?}")]
    Value { expected: &'static str, found: String },
}

impl System {
    /// Takes one parameter.
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

    /// How a reply looks that would look like `print`. A plain `$alt=json` asks for nothing that is not so already.
    pub(super) fn applied_to(self, print: Print) -> Print {
        Print {
            enums_as_ints: print.enums_as_ints || self.enums_as_ints == Some(true),
            indent: self.indent.unwrap_or(print.indent),
            ..print
        }
    }
}
