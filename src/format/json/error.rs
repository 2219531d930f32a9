//! Errors in a JSON text.

use crate::format::quote;

/// A line and a column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1; lines end with a line feed.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// Why a text is not valid JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {problem}", place.line, place.column)]
pub struct JsonError {
    pub place: Position,
    pub problem: JsonProblem,
}

/// What can be wrong with a JSON text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonProblem {
    /// Another character, or the end of the text, was expected.
    #[error("expected {expected}, got {found}")]
    Unexpected { expected: &'static str, found: String },
    /// A string contains an unescaped control character.
    #[error("a string contains a control character; escape it, for example \\n for a line feed")]
    Control,
    /// A `\` does not begin an escape sequence of RFC 8259, section 7.
    #[error(
        "unknown escape sequence in a string; JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four hexadecimal digits"
    )]
    Escape,
    /// A `\u` escape is half of a surrogate pair.
    #[error("a \\u escape is one half of a surrogate pair; write both halves, or the character itself")]
    Surrogate,
    #[error("not valid UTF-8")]
    NotUtf8,
    /// RFC 8259, section 8.1: a sender must not add a byte order mark, and a reader in front of us may read no further.
    #[error("it begins with a byte order mark (U+FEFF); send it without one")]
    ByteOrderMark,
    /// RFC 8259, section 4, has no trailing comma.
    #[error("trailing comma before `{close}`; remove the comma")]
    TrailingComma { close: char },
    /// RFC 8259, section 7: strings have double quotes.
    #[error("JSON strings and names need double quotes, not single quotes")]
    SingleQuote,
    /// RFC 8259, section 6, has no NaN and no Infinity.
    #[error(
        "JSON has no numbers NaN and Infinity; for a double or float field, send them as strings, for example \"NaN\""
    )]
    NotFinite,
    /// RFC 8259, section 3: the literals are in lower case.
    #[error("JSON writes true, false and null in lower case")]
    Capital,
    #[error("JSON has no comments; remove it")]
    Comment,
    /// Nested deeper than the limit.
    #[error("nested deeper than the limit of {limit} levels")]
    TooDeep { limit: usize },
    /// RFC 8259, section 4, leaves duplicate names open; Towbar rejects them.
    #[error("the object has two members named \"{name}\"")]
    Twice { name: String },
}

impl JsonProblem {
    /// The error for a second member named `name`, which is shortened if it is long.
    #[must_use]
    pub fn twice(name: &str) -> Self {
        Self::Twice { name: quote::beginning(name, quote::MOST).into_owned() }
    }
}
