//! Splits a body of several JSON texts as it arrives: lines (NDJSON), the elements of an array, or concatenated texts.
//!
//! This module finds only where each text ends; the reader of the text checks it. Invalid JSON therefore ends somewhere
//! too, and its reader reports what is wrong.

/// How the texts are arranged in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    /// One text per line; lines of white space alone hold none.
    Lines,
    /// The elements of one array; or, if the body does not begin with `[`, concatenated texts with optional white space
    /// in between.
    Json,
}

/// Splits a body into texts as its bytes arrive.
#[derive(Debug)]
pub struct Splitter {
    series: Series,
    state: State,
    /// The bytes received; those before `start` have been returned.
    bytes: Vec<u8>,
    start: usize,
    /// How many of `bytes` have been examined.
    seen: usize,
    /// Size limit of a text, in bytes.
    limit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a line.
    Line,
    /// In a line that holds a text.
    InLine,
    /// At the beginning of the body, before any text.
    Start,
    /// After the `[` that opens the array.
    First,
    /// After a comma in the array.
    Next,
    /// In an element of the array.
    Element(Text),
    /// After the `]` that closes the array.
    End,
    /// Between two concatenated texts.
    Between,
    /// In a concatenated object, array or string; its last byte ends it.
    Bracketed(Text),
    /// In a concatenated number or literal; it ends where something else begins.
    Bare,
}

/// A position within a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Text {
    /// How many brackets and braces are open.
    open: usize,
    /// Whether it is inside a string.
    string: bool,
    /// Whether it is after a backslash inside a string.
    escape: bool,
}

/// How the next byte relates to the current text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Part of the text, or of the space before it.
    Within,
    /// The last byte of the text.
    Last,
    /// A separator after the text.
    Behind,
    /// The first byte of the next text.
    Next,
}

/// Why a body cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// A text exceeds the size limit.
    #[error("a message is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The size limit, in bytes.
        limit: usize,
    },
    /// The body is empty.
    #[error("the body is empty: expected a message or an array of messages")]
    Nothing,
    /// A comma in the array is followed by no element.
    #[error("trailing comma before `]`; remove the comma")]
    NoElement,
    /// Something follows the array.
    #[error("expected nothing after the array, got {found}")]
    Trailing {
        /// What was found there.
        found: String,
    },
    /// The body ends inside the array.
    #[error("the array is incomplete: expected `]` before the end of the body")]
    Unclosed,
    /// A comma separates texts that are not elements of an array.
    #[error(
        "expected another message or the end of the body, got `,`; write the messages one after the other, or as an array"
    )]
    Comma,
    /// The body ends inside a text.
    #[error("the last message is incomplete")]
    Unfinished,
}

impl Splitter {
    /// Creates a splitter for a body of this kind. No text may have more than `limit` bytes.
    #[must_use]
    pub fn new(series: Series, limit: usize) -> Self {
        let state = if series == Series::Json { State::Start } else { State::Line };
        Self { series, state, bytes: Vec::new(), start: 0, seen: 0, limit }
    }

    /// How many bytes are buffered.
    #[must_use]
    pub fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no text is incomplete at this point.
    #[must_use]
    pub fn is_between(&self) -> bool {
        match self.state {
            State::InLine | State::Bracketed(_) => false,
            // A complete element may be waiting for its comma.
            State::Element(Text { open, string, .. }) => open == 0 && !string,
            _ => true,
        }
    }

    /// Adds the next bytes of the body.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next text if it is complete. Each byte is examined once, or twice if it ends one text by beginning the next.
    ///
    /// # Errors
    /// The body cannot be split; no more texts can be read.
    pub fn next_text(&mut self) -> Result<Option<&[u8]>, SplitError> {
        while let Some(&byte) = self.bytes.get(self.seen) {
            let step = match self.series {
                Series::Lines => self.step_in_lines(byte),
                Series::Json => self.step_in_json(byte)?,
            };
            self.seen += usize::from(step != Step::Next);
            let end = self.seen - usize::from(step == Step::Behind);
            match self.state {
                State::InLine | State::Element(_) | State::Bracketed(_) | State::Bare => {}
                _ if step == Step::Within => self.start = self.seen,
                _ => {}
            }
            if end - self.start > self.limit {
                return Err(SplitError::TooLarge { limit: self.limit });
            }
            if step != Step::Within {
                let text = self.start..end;
                self.start = self.seen;
                return Ok(Some(&self.bytes[text]));
            }
        }
        Ok(None)
    }

    /// The last text, once the body has ended.
    ///
    /// # Errors
    /// The body ends inside the array or a text, or is empty.
    pub fn end(self) -> Result<Option<Vec<u8>>, SplitError> {
        match self.state {
            State::InLine | State::Bare => Ok(Some(self.bytes[self.start..].to_vec())),
            State::Line | State::Between | State::End => Ok(None),
            State::Start => Err(SplitError::Nothing),
            State::First | State::Next | State::Element(_) => Err(SplitError::Unclosed),
            State::Bracketed(_) => Err(SplitError::Unfinished),
        }
    }

    /// RFC 8259, section 7: a JSON string holds no unescaped line break, so every line break separates texts.
    fn step_in_lines(&mut self, byte: u8) -> Step {
        match (self.state, byte) {
            (State::InLine, b'\n') => {
                self.state = State::Line;
                return Step::Behind;
            }
            (State::Line, byte) if !is_space(byte) => self.state = State::InLine,
            _ => {}
        }
        Step::Within
    }

    fn step_in_json(&mut self, byte: u8) -> Result<Step, SplitError> {
        let (state, step) = match (self.state, byte) {
            (State::Start, b'[') => (State::First, Step::Within),
            (State::Start | State::Between | State::Bracketed(_) | State::Bare, _) => self.step_in_texts(byte)?,
            _ => self.step_in_array(byte)?,
        };
        self.state = state;
        Ok(step)
    }

    fn step_in_array(&self, byte: u8) -> Result<(State, Step), SplitError> {
        Ok(match (self.state, byte) {
            (State::Element(text), b',') if text.is_over() => (State::Next, Step::Behind),
            (State::Element(text), b']') if text.is_over() => (State::End, Step::Behind),
            (State::Element(text), byte) => (State::Element(text.behind(byte)), Step::Within),
            (state, byte) if is_space(byte) => (state, Step::Within),
            (State::First, b']') => (State::End, Step::Within),
            (State::Next, b']') => return Err(SplitError::NoElement),
            (State::End, byte) => return Err(SplitError::Trailing { found: shown(byte) }),
            // A comma where an element should begin ends an empty text, which its reader rejects.
            (_, b',') => (State::Next, Step::Behind),
            (_, byte) => (State::Element(Text::BEGUN.behind(byte)), Step::Within),
        })
    }

    fn step_in_texts(&self, byte: u8) -> Result<(State, Step), SplitError> {
        let is_bracket = matches!(byte, b'{' | b'[' | b'"');
        Ok(match self.state {
            State::Bracketed(text) => match text.behind(byte) {
                text if text.is_over() => (State::Between, Step::Last),
                text => (State::Bracketed(text), Step::Within),
            },
            State::Bare if is_space(byte) => (State::Between, Step::Behind),
            State::Bare if is_bracket || byte == b',' => (State::Between, Step::Next),
            State::Bare => (State::Bare, Step::Within),
            state if is_space(byte) => (state, Step::Within),
            State::Between if byte == b',' => return Err(SplitError::Comma),
            _ if is_bracket => (State::Bracketed(Text::BEGUN.behind(byte)), Step::Within),
            _ => (State::Bare, Step::Within),
        })
    }
}

impl Text {
    const BEGUN: Self = Self { open: 0, string: false, escape: false };

    /// Whether the text may end here.
    fn is_over(self) -> bool {
        self.open == 0 && !self.string
    }

    /// The position after one more byte.
    fn behind(self, byte: u8) -> Self {
        let Self { open, string, escape } = self;
        let (open, string, escape) = match byte {
            _ if escape => (open, string, false),
            b'"' => (open, !string, false),
            b'\\' => (open, string, string),
            b'{' | b'[' if !string => (open + 1, false, false),
            b'}' | b']' if !string => (open.saturating_sub(1), false, false),
            _ => (open, string, false),
        };
        Self { open, string, escape }
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn shown(byte: u8) -> String {
    if byte.is_ascii_graphic() { format!("`{}`", char::from(byte)) } else { "another byte".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 12;

    /// The texts of a body that arrives in pieces of this many bytes, then the error.
    fn split(series: Series, body: &str, size: usize) -> (Vec<String>, Option<SplitError>) {
        let mut splitter = Splitter::new(series, LIMIT);
        let mut texts = Vec::new();
        for piece in body.as_bytes().chunks(size) {
            splitter.push(piece);
            loop {
                match splitter.next_text() {
                    Ok(Some(text)) => texts.push(String::from_utf8(text.to_vec()).unwrap()),
                    Ok(None) => break,
                    Err(error) => return (texts, Some(error)),
                }
            }
        }
        match splitter.end() {
            Ok(last) => texts.extend(last.map(|text| String::from_utf8(text).unwrap())),
            Err(error) => return (texts, Some(error)),
        }
        (texts, None)
    }

    fn check(series: Series, table: &[(&str, &[&str], Option<&str>)]) {
        for (body, expected, error) in table {
            for size in 1..=body.len().max(1) {
                let (texts, wrong) = split(series, body, size);
                assert_eq!(texts, *expected, "{body} by {size}");
                assert_eq!(wrong.map(|wrong| wrong.to_string()).as_deref(), *error, "{body} by {size}");
            }
        }
    }

    #[test]
    fn newline_delimited_json_is_split_into_its_lines() {
        check(
            Series::Lines,
            &[
                ("", &[], None),
                ("\n \r\n\n", &[], None),
                ("{}\n{}\n", &["{}", "{}"], None),
                ("{}\r\n {\"a\":1}", &["{}\r", "{\"a\":1}"], None),
                ("[\n1]", &["[", "1]"], None),
                ("\"12345678901\"", &[], Some("a message is larger than the limit of 12 bytes")),
                ("1\n\"1234567890\"\n2", &["1", "\"1234567890\"", "2"], None),
            ],
        );
    }

    #[test]
    fn a_json_array_is_split_into_its_elements() {
        check(
            Series::Json,
            &[
                ("[]", &[], None),
                (" [ ] \n", &[], None),
                ("[1,2]", &["1", "2"], None),
                ("[ {\"a\":[1,2]} , \"],\\\"\" ,3 ]", &["{\"a\":[1,2]} ", "\"],\\\"\" ", "3 "], None),
                ("[[[],{}],[]]", &["[[],{}]", "[]"], None),
                ("[,1]", &["", "1"], None),
                ("[1,]", &["1"], Some("trailing comma before `]`; remove the comma")),
                ("[1", &[], Some("the array is incomplete: expected `]` before the end of the body")),
                ("[1,", &["1"], Some("the array is incomplete: expected `]` before the end of the body")),
                ("[1]2", &["1"], Some("expected nothing after the array, got `2`")),
                ("[1] \u{e9}", &["1"], Some("expected nothing after the array, got another byte")),
                ("[1 2]", &["1 2"], None),
                ("[}]", &["}"], None),
                ("[\"1234567890\",1]", &["\"1234567890\"", "1"], None),
                ("[\"12345678901\"]", &[], Some("a message is larger than the limit of 12 bytes")),
            ],
        );
    }

    #[test]
    fn concatenated_json_messages_are_split() {
        let comma = "expected another message or the end of the body, got `,`; write the messages one after the other, or as an array";
        check(
            Series::Json,
            &[
                ("", &[], Some("the body is empty: expected a message or an array of messages")),
                (" \r\n", &[], Some("the body is empty: expected a message or an array of messages")),
                ("{}", &["{}"], None),
                (" {} \n", &["{}"], None),
                ("{}{}", &["{}", "{}"], None),
                ("{}\n{\"a\":1}\r\n\r\n{}", &["{}", "{\"a\":1}", "{}"], None),
                ("{\"}\\\"\":[]}{}", &["{\"}\\\"\":[]}", "{}"], None),
                ("{}[{}]", &["{}", "[{}]"], None),
                ("\"a\"\"b\"", &["\"a\"", "\"b\""], None),
                ("1 2\n3", &["1", "2", "3"], None),
                ("true{}null\"a\"1[]", &["true", "{}", "null", "\"a\"", "1", "[]"], None),
                ("{},{}", &["{}"], Some(comma)),
                ("1,2", &["1"], Some(comma)),
                (",{}", &[",", "{}"], None),
                ("}{}", &["}", "{}"], None),
                ("{]{}", &["{]", "{}"], None),
                ("{}]", &["{}", "]"], None),
                ("{} {", &["{}"], Some("the last message is incomplete")),
                ("\"a", &[], Some("the last message is incomplete")),
                ("{\"a\":1234567}", &[], Some("a message is larger than the limit of 12 bytes")),
                ("{\"a\":1234}12", &["{\"a\":1234}", "12"], None),
                ("1234567890123", &[], Some("a message is larger than the limit of 12 bytes")),
            ],
        );
    }
}
