//! What can be wrong with a JSON text.

use crate::format::quote;

/// A line and a column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Lines end with `\n`.
    pub line: usize,
    /// Characters before it in the line, plus one.
    pub column: usize,
}

/// Why a text is no JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {problem}", place.line, place.column)]
pub struct JsonError {
    /// Where the problem begins.
    pub place: Position,
    /// What it is.
    pub problem: JsonProblem,
}

/// What can be wrong with a JSON text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonProblem {
    /// Another character, or the end, was due.
    #[error("expected {expected}, got {found}")]
    Unexpected { expected: &'static str, found: String },
    /// A string with a raw control character.
    #[error("a string contains a control character; escape it, for example \\n for a line feed")]
    Control,
    /// A `\` with no escape of RFC 8259, section 7.
    #[error(
        "unknown escape sequence in a string; JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four hexadecimal digits"
    )]
    Escape,
    /// Half of a surrogate pair.
    #[error("a \\u escape is one half of a surrogate pair; write both halves, or the character itself")]
    Surrogate,
    /// Bytes that are not UTF-8.
    #[error("not valid UTF-8")]
    NotUtf8,
    /// RFC 8259, section 8.1: whoever sends JSON must not add one, and a reader in front of us may read no further.
    #[error("it begins with a byte order mark (U+FEFF); send it without one")]
    ByteOrderMark,
    /// RFC 8259, section 4.
    #[error("trailing comma before `{close}`; remove the comma")]
    TrailingComma { close: char },
    /// RFC 8259, section 7.
    #[error("JSON strings and names need double quotes, not single quotes")]
    SingleQuote,
    /// RFC 8259, section 6.
    #[error(
        "JSON has no numbers NaN and Infinity; for a double or float field, send them as strings, for example \"NaN\""
    )]
    NotFinite,
    /// RFC 8259, section 3.
    #[error("JSON writes true, false and null in lower case")]
    Capital,
    #[error("JSON has no comments; remove it")]
    Comment,
    /// Nested deeper than the limit.
    #[error("nested deeper than the limit of {limit} levels")]
    TooDeep { limit: usize },
    /// RFC 8259, section 4, leaves a second member of one name open; this refuses it.
    #[error("the object has two members named \"{name}\"")]
    Twice { name: String },
}

impl JsonProblem {
    /// A second member of this name.
    #[must_use]
    pub fn twice(name: &str) -> Self {
        Self::Twice { name: quote::beginning(name, quote::MOST).into_owned() }
    }
}
