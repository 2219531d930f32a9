//! The JSON scanner.

use std::borrow::Cow;
use std::collections::HashSet;

use super::error::{JsonError, JsonProblem, Position};
use super::string::special;
use crate::format::block::{Padded, Piece};

/// How deeply objects and arrays may be nested by default.
pub const DEPTH_LIMIT: usize = 64;

/// The kind of the next value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonKind {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    String,
    /// `-` or a digit
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// Reads one JSON text from start to end.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    limit: usize,
}

impl<'a> Scanner<'a> {
    /// Creates a scanner at the start of `body`.
    ///
    /// # Errors
    /// [`JsonProblem::NotUtf8`] or [`JsonProblem::ByteOrderMark`].
    pub fn new(body: &'a [u8], depth_limit: usize) -> Result<Self, JsonError> {
        match std::str::from_utf8(body) {
            Ok(text) if text.starts_with('\u{feff}') => {
                Err(JsonError { place: place_of(text, 0), problem: JsonProblem::ByteOrderMark })
            }
            Ok(text) => Ok(Self { text, at: 0, depth: 0, limit: depth_limit }),
            Err(error) => {
                let valid = std::str::from_utf8(&body[..error.valid_up_to()]).unwrap_or_default();
                Err(JsonError { place: place_of(valid, valid.len()), problem: JsonProblem::NotUtf8 })
            }
        }
    }

    /// The kind of the next value; skips white space before it.
    ///
    /// # Errors
    /// No value begins here.
    #[inline]
    pub fn peek(&mut self) -> Result<JsonKind, JsonError> {
        self.space();
        match self.byte() {
            Some(b'{') => Ok(JsonKind::Object),
            Some(b'[') => Ok(JsonKind::Array),
            Some(b'"') => Ok(JsonKind::String),
            Some(b'-' | b'0'..=b'9') => Ok(JsonKind::Number),
            Some(b't' | b'f') => Ok(JsonKind::Bool),
            Some(b'n') => Ok(JsonKind::Null),
            _ => Err(self.no_value()),
        }
    }

    /// The error for text that is not a value where a value is expected.
    #[cold]
    fn no_value(&self) -> JsonError {
        let rest = &self.text[self.at..];
        let begins = |words: &[&str]| words.iter().any(|word| rest.starts_with(word));
        match self.byte() {
            Some(b'\'') => self.error(JsonProblem::SingleQuote),
            Some(b']') if self.is_behind_comma() => self.error(JsonProblem::TrailingComma { close: ']' }),
            Some(b'/') if begins(&["//", "/*"]) => self.error(JsonProblem::Comment),
            _ if begins(&["NaN", "Infinity"]) => self.error(JsonProblem::NotFinite),
            _ if begins(&["True", "False", "None", "TRUE", "FALSE", "NULL", "Null"]) => {
                self.error(JsonProblem::Capital)
            }
            _ => self.unexpected("a JSON value"),
        }
    }

    /// The error for text that is not a member name where one is expected.
    #[cold]
    fn no_name(&self) -> JsonError {
        match self.byte() {
            Some(b'\'') => self.error(JsonProblem::SingleQuote),
            Some(b'}') if self.is_behind_comma() => self.error(JsonProblem::TrailingComma { close: '}' }),
            Some(b'/') => self.error(JsonProblem::Comment),
            _ => self.unexpected("a member name in double quotes"),
        }
    }

    fn is_behind_comma(&self) -> bool {
        self.text[..self.at].trim_end().ends_with(',')
    }

    /// The current position.
    #[must_use]
    pub fn place(&self) -> Position {
        place_of(self.text, self.at)
    }

    /// Enters an object.
    ///
    /// # Errors
    /// No object begins here, or it is nested too deeply.
    pub fn begin_object(&mut self) -> Result<(), JsonError> {
        self.begin(b'{', "`{`")
    }

    /// Enters an array.
    ///
    /// # Errors
    /// No array begins here, or it is nested too deeply.
    pub fn begin_array(&mut self) -> Result<(), JsonError> {
        self.begin(b'[', "`[`")
    }

    /// Reads the name of the next member and its `:`; `None` at the end of the object. `first` must be true for the
    /// first call.
    ///
    /// # Errors
    /// The object is malformed.
    pub fn member(&mut self, first: &mut bool) -> Result<Option<Cow<'a, str>>, JsonError> {
        if !self.next(b'}', first, "`,` or `}`")? {
            return Ok(None);
        }
        self.space();
        if self.byte() != Some(b'"') {
            return Err(self.no_name());
        }
        let name = self.string()?;
        self.space();
        self.take(b':', "`:`")?;
        Ok(Some(name))
    }

    /// Reads the next member's name if the text has it exactly as `key` does, `"name":`, and then sets `first` to
    /// false. Otherwise nothing is read.
    #[inline]
    pub fn member_is(&mut self, first: &mut bool, key: &Padded) -> bool {
        let mut at = self.after_space(self.at);
        let text = self.text.as_bytes();
        if !*first {
            if text.get(at) != Some(&b',') {
                return false;
            }
            at = self.after_space(at + 1);
        }
        if !text.get(at..).is_some_and(|ahead| key.begins(ahead)) {
            return false;
        }
        self.at = at + key.len();
        *first = false;
        true
    }

    /// Reads the next string if it has no escapes; otherwise nothing is read. The piece also gives access to the text
    /// after the string.
    #[inline]
    pub fn plain_piece(&mut self) -> Option<Piece<'a>> {
        self.space();
        let from = self.text.as_bytes().get(self.at..)?.strip_prefix(b"\"")?;
        let length = special(from)?;
        if from.get(length) != Some(&b'"') {
            return None;
        }
        self.at += length + 2;
        Some(Piece { from, length })
    }

    /// Reads a string and appends it to `out` with its escapes decoded.
    ///
    /// # Errors
    /// No string begins here, or it is malformed.
    pub fn unescape(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        self.space();
        self.take(b'"', "a string")?;
        loop {
            let start = self.at;
            self.plain();
            out.extend_from_slice(&self.text.as_bytes()[start..self.at]);
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    let mut utf8 = [0; 4];
                    out.extend_from_slice(self.escape()?.encode_utf8(&mut utf8).as_bytes());
                }
                Some(_) => return Err(self.error(JsonProblem::Control)),
                None => return Err(self.unexpected("`\"`")),
            }
        }
    }

    /// Whether another element follows; false at the end of the array. `first` must be true for the first call.
    ///
    /// # Errors
    /// The array is malformed.
    pub fn element(&mut self, first: &mut bool) -> Result<bool, JsonError> {
        self.next(b']', first, "`,` or `]`")
    }

    /// Reads a string and decodes its escapes.
    ///
    /// # Errors
    /// No string begins here, or it is malformed.
    pub fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        if let Some(piece) = self.plain_piece() {
            return Ok(Cow::Borrowed(&self.text[self.at - 1 - piece.length..self.at - 1]));
        }
        let mut unescaped = Vec::new();
        self.unescape(&mut unescaped)?;
        Ok(Cow::Owned(String::from_utf8(unescaped).expect("text and escapes are UTF-8")))
    }

    /// Reads a number and returns it as written.
    ///
    /// # Errors
    /// No number begins here, or it is malformed.
    pub fn number(&mut self) -> Result<&'a str, JsonError> {
        self.space();
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        } else if matches!(self.byte(), Some(b'0'..=b'9')) {
            return Err(self.unexpected("a number without leading zeros"));
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    /// Reads `true` or `false`.
    ///
    /// # Errors
    /// Neither of them is next.
    pub fn boolean(&mut self) -> Result<bool, JsonError> {
        self.space();
        if self.word("true") {
            Ok(true)
        } else if self.word("false") {
            Ok(false)
        } else {
            Err(self.unexpected("`true` or `false`"))
        }
    }

    /// Reads `null`.
    ///
    /// # Errors
    /// Something other than `null` is next.
    pub fn null(&mut self) -> Result<(), JsonError> {
        self.space();
        if self.word("null") { Ok(()) } else { Err(self.unexpected("`null`")) }
    }

    /// Skips one value, checked as strictly as if it were used, and returns its text.
    ///
    /// # Errors
    /// The value is malformed, or an object in it has two members with the same name.
    pub fn skip(&mut self) -> Result<&'a str, JsonError> {
        let kind = self.peek()?;
        let start = self.at;
        let mut first = true;
        match kind {
            JsonKind::Object => {
                let mut names = HashSet::new();
                self.begin_object()?;
                while let Some(name) = self.member(&mut first)? {
                    if let Some(name) = names.replace(name) {
                        return Err(self.error(JsonProblem::twice(&name)));
                    }
                    self.skip()?;
                }
            }
            JsonKind::Array => {
                self.begin_array()?;
                while self.element(&mut first)? {
                    self.skip()?;
                }
            }
            JsonKind::String => drop(self.string()?),
            JsonKind::Number => drop(self.number()?),
            JsonKind::Bool => drop(self.boolean()?),
            JsonKind::Null => self.null()?,
        }
        Ok(&self.text[start..self.at])
    }

    /// Checks that only white space is left in the body.
    ///
    /// # Errors
    /// Something else is left.
    pub fn end(&mut self) -> Result<(), JsonError> {
        self.end_of("the end of the body")
    }

    /// Checks that only white space is left in a text other than a body. `expected` names its end in the error.
    ///
    /// # Errors
    /// Something else is left.
    pub fn end_of(&mut self, expected: &'static str) -> Result<(), JsonError> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn begin(&mut self, open: u8, expected: &'static str) -> Result<(), JsonError> {
        self.space();
        if self.depth == self.limit {
            return Err(self.error(JsonProblem::TooDeep { limit: self.limit }));
        }
        self.take(open, expected)?;
        self.depth += 1;
        Ok(())
    }

    fn next(&mut self, close: u8, first: &mut bool, expected: &'static str) -> Result<bool, JsonError> {
        self.space();
        if self.eat(close) {
            self.depth -= 1;
            return Ok(false);
        }
        if !std::mem::take(first) {
            self.take(b',', expected)?;
        }
        Ok(true)
    }

    /// Skips characters that need no escape in a string.
    fn plain(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += special(rest).unwrap_or(rest.len());
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        self.at += 1;
        let simple = match self.byte() {
            Some(b @ (b'"' | b'\\' | b'/')) => char::from(b),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(start),
            _ => return Err(self.error_at(start, JsonProblem::Escape)),
        };
        self.at += 1;
        Ok(simple)
    }

    fn unicode(&mut self, start: usize) -> Result<char, JsonError> {
        self.at = start;
        let first = self.unit(start)?;
        let code = match first {
            0xd800..=0xdbff => {
                let second = if self.text[self.at..].starts_with("\\u") { self.unit(start)? } else { 0 };
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.error_at(start, JsonProblem::Surrogate));
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.error_at(start, JsonProblem::Surrogate))
    }

    /// Reads one `\uXXXX` as a UTF-16 code unit.
    fn unit(&mut self, start: usize) -> Result<u32, JsonError> {
        let digits = self.text.as_bytes().get(self.at + 2..self.at + 6);
        let Some(digits) = digits.filter(|d| d.iter().all(u8::is_ascii_hexdigit)) else {
            return Err(self.error_at(start, JsonProblem::Escape));
        };
        self.at += 6;
        Ok(digits.iter().fold(0, |code, &d| code * 16 + char::from(d).to_digit(16).unwrap_or_default()))
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if start < self.at {
            return Ok(());
        }
        match self.text[self.at..].starts_with("Infinity") {
            true => Err(self.error(JsonProblem::NotFinite)),
            false => Err(self.unexpected("a digit")),
        }
    }

    fn word(&mut self, word: &str) -> bool {
        let here = self.text[self.at..].starts_with(word);
        self.at += if here { word.len() } else { 0 };
        here
    }

    #[inline]
    fn space(&mut self) {
        self.at = self.after_space(self.at);
    }

    /// The position after the white space that begins at `at`.
    #[inline]
    fn after_space(&self, at: usize) -> usize {
        match self.text.as_bytes().get(at) {
            // Compact JSON, which is the most common, has no white space.
            Some(b' ' | b'\t' | b'\n' | b'\r') => self.after_more_space(at + 1),
            _ => at,
        }
    }

    fn after_more_space(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.as_bytes().get(at) {
            at += 1;
        }
        at
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, wanted: u8) -> bool {
        let here = self.byte() == Some(wanted);
        self.at += usize::from(here);
        here
    }

    fn take(&mut self, wanted: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.eat(wanted) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn unexpected(&self, expected: &'static str) -> JsonError {
        let found = match self.text[self.at..].chars().next() {
            Some(c) if c.is_control() => format!("`{}`", c.escape_default()),
            Some(c) => format!("`{c}`"),
            None if self.text.trim().is_empty() => "an empty body".to_owned(),
            None => "the end of the JSON".to_owned(),
        };
        self.error(JsonProblem::Unexpected { expected, found })
    }

    fn error(&self, problem: JsonProblem) -> JsonError {
        self.error_at(self.at, problem)
    }

    fn error_at(&self, at: usize, problem: JsonProblem) -> JsonError {
        JsonError { place: place_of(self.text, at), problem }
    }
}

fn place_of(text: &str, at: usize) -> Position {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json::put_string;
    use proptest::prelude::*;

    fn whole(text: &[u8]) -> Result<(), JsonError> {
        let mut scanner = Scanner::new(text, 4)?;
        scanner.skip()?;
        scanner.end()
    }

    #[test]
    fn malformed_json_is_reported_with_its_position() {
        for (text, message) in [
            ("", "line 1, column 1: expected a JSON value, got an empty body"),
            ("  ", "line 1, column 3: expected a JSON value, got an empty body"),
            ("{", "line 1, column 2: expected a member name in double quotes, got the end of the JSON"),
            ("{\n  \"a\" 1}", "line 2, column 7: expected `:`, got `1`"),
            ("{\"a\":1 \"b\":2}", "line 1, column 8: expected `,` or `}`, got `\"`"),
            ("{\"a\":1,}", "line 1, column 8: trailing comma before `}`; remove the comma"),
            ("{a:1}", "line 1, column 2: expected a member name in double quotes, got `a`"),
            ("[1,]", "line 1, column 4: trailing comma before `]`; remove the comma"),
            ("[1 2]", "line 1, column 4: expected `,` or `]`, got `2`"),
            ("{} {}", "line 1, column 4: expected the end of the body, got `{`"),
            ("01", "line 1, column 2: expected a number without leading zeros, got `1`"),
            ("-", "line 1, column 2: expected a digit, got the end of the JSON"),
            ("1.", "line 1, column 3: expected a digit, got the end of the JSON"),
            ("1e+", "line 1, column 4: expected a digit, got the end of the JSON"),
            ("+1", "line 1, column 1: expected a JSON value, got `+`"),
            ("tru", "line 1, column 1: expected `true` or `false`, got `t`"),
            ("nul", "line 1, column 1: expected `null`, got `n`"),
            (
                "NaN",
                "line 1, column 1: JSON has no numbers NaN and Infinity; for a double or float field, send them as strings, for example \"NaN\"",
            ),
            ("// no", "line 1, column 1: JSON has no comments; remove it"),
            ("'a'", "line 1, column 1: JSON strings and names need double quotes, not single quotes"),
            ("\"a", "line 1, column 3: expected `\"`, got the end of the JSON"),
            (
                "\"é\u{1}\"",
                "line 1, column 3: a string contains a control character; escape it, for example \\n for a line feed",
            ),
            (
                "\"\\x\"",
                "line 1, column 2: unknown escape sequence in a string; JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four hexadecimal digits",
            ),
            (
                "\"\\u12\"",
                "line 1, column 2: unknown escape sequence in a string; JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four hexadecimal digits",
            ),
            (
                "\"\\ud800\"",
                "line 1, column 2: a \\u escape is one half of a surrogate pair; write both halves, or the character itself",
            ),
            (
                "\"\\ud800\\u0041\"",
                "line 1, column 2: a \\u escape is one half of a surrogate pair; write both halves, or the character itself",
            ),
            (
                "\"\\udc00\"",
                "line 1, column 2: a \\u escape is one half of a surrogate pair; write both halves, or the character itself",
            ),
            ("{\"a\":1,\"\\u0061\":2}", "line 1, column 17: the object has two members named \"a\""),
            ("[[[[[", "line 1, column 5: nested deeper than the limit of 4 levels"),
        ] {
            assert_eq!(whole(text.as_bytes()).unwrap_err().to_string(), message, "{text}");
        }
        assert_eq!(whole(b"\"a\xff\"").unwrap_err().to_string(), "line 1, column 3: not valid UTF-8");
    }

    #[test]
    fn escapes_in_a_json_string_are_decoded_once() {
        for (text, value) in [
            (r#""""#, ""),
            (r#""plain é""#, "plain é"),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""\u00e9\ud83d\ude00 \\u0041""#, "é😀 \\u0041"),
        ] {
            assert_eq!(Scanner::new(text.as_bytes(), 4).unwrap().string().unwrap(), value, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_json_string_round_trips(text in ".{0,40}", controls in "[\\x00-\\x7f]{0,24}") {
            for text in [text, controls] {
                let mut out = Vec::new();
                put_string(&mut out, &text);
                prop_assert_eq!(&out, &serde_json::to_vec(&text).unwrap());
                prop_assert_eq!(Scanner::new(&out, 4).unwrap().string().unwrap(), text);
            }
        }

        #[test]
        fn json_is_accepted_as_serde_json_accepts_it_apart_from_duplicate_members(text in r#"[\[\]{}:,"\\ua01.eE+\-tfnull \n]{0,24}"#) {
            let ours = Scanner::new(text.as_bytes(), 64).and_then(|mut s| { let raw = s.skip()?; s.end()?; Ok(raw) });
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            match ours {
                Ok(_) => prop_assert!(theirs.is_ok() || too_large(&theirs), "{:?}", theirs),
                Err(JsonError { problem: JsonProblem::Twice { .. }, .. }) => {}
                Err(error) => prop_assert!(theirs.is_err(), "{error}"),
            }
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = whole(&bytes);
        }
    }

    /// serde_json reads numbers into f64 and rejects `1e999`; kept as text, it is valid JSON.
    fn too_large(result: &serde_json::Result<serde_json::Value>) -> bool {
        result.as_ref().is_err_and(|error| error.to_string().contains("number out of range"))
    }
}
