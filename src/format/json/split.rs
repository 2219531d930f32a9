//! Several JSON texts in one body, taken apart as they come: lines (NDJSON), the elements of an array, or texts one after the other.
//!
//! Only where a text ends is found out here; whoever reads it checks it. So what is no JSON ends somewhere too, and the
//! reader of the text says what is wrong with it.

/// How the texts stand in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    /// One in each line; lines of white space alone hold none.
    Lines,
    /// The elements of one array; or, in a body that begins otherwise, texts one after the other, with white space between them or none.
    Json,
}

/// Takes a body apart.
#[derive(Debug)]
pub struct Splitter {
    series: Series,
    state: State,
    /// What has come; before `start` it is given out.
    bytes: Vec<u8>,
    start: usize,
    /// How far it was looked at.
    seen: usize,
    /// Largest text, in bytes.
    limit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Where a line begins.
    Line,
    /// In a line with a text.
    InLine,
    /// Before all texts.
    Start,
    /// Behind `[`.
    First,
    /// Behind a comma.
    Next,
    /// In an element.
    Element(Text),
    /// Behind the array.
    End,
    /// Between texts that stand one after the other.
    Between,
    /// In such an object, array or string, which says itself where it ends.
    Bracketed(Text),
    /// In such a number or word, which ends where something else begins.
    Bare,
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Text {
    /// How many brackets are open.
    open: usize,
    /// In a string.
    string: bool,
    /// Behind a backslash in it.
    escape: bool,
}

/// What the next byte is to the text that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A part of it, or of what stands between texts.
    Within,
    /// Its last byte.
    Last,
    /// It stands between it and the next.
    Behind,
    /// It belongs to the next already.
    Next,
}

/// What is wrong with the series.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// A text is larger than one may be.
    #[error("a message is larger than the limit of {limit} bytes")]
    TooLarge {
        /// That limit.
        limit: usize,
    },
    /// The body holds nothing.
    #[error("the body is empty: expected a message or an array of messages")]
    Nothing,
    /// A comma with nothing behind it.
    #[error("trailing comma before `]`; remove the comma")]
    NoElement,
    /// Something behind the array.
    #[error("expected nothing after the array, got {found}")]
    Trailing {
        /// What stands there.
        found: String,
    },
    /// The body ends within the array.
    #[error("the array is incomplete: expected `]` before the end of the body")]
    Unclosed,
    /// A comma between texts that are no elements.
    #[error(
        "expected another message or the end of the body, got `,`; write the messages one after the other, or as an array"
    )]
    Comma,
    /// The body ends within a text.
    #[error("the last message is incomplete")]
    Unfinished,
}

impl Splitter {
    /// For a body of such a series. No text may have more than `limit` bytes.
    #[must_use]
    pub fn new(series: Series, limit: usize) -> Self {
        let state = if series == Series::Json { State::Start } else { State::Line };
        Self { series, state, bytes: Vec::new(), start: 0, seen: 0, limit }
    }

    /// How many bytes it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no text has begun that has not come to its end.
    #[must_use]
    pub fn is_between(&self) -> bool {
        match self.state {
            State::InLine | State::Bracketed(_) => false,
            // An element that is whole may stand there before its comma comes.
            State::Element(Text { open, string, .. }) => open == 0 && !string,
            _ => true,
        }
    }

    /// Takes the next bytes of the body.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next text, if all of it has come. Each byte is looked at once, or twice where it ends a text by beginning another.
    ///
    /// # Errors
    /// What is wrong with the series; nothing more can be had of it.
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

    /// The last text, when the body has ended.
    ///
    /// # Errors
    /// The array or the text is not closed, or there is neither.
    pub fn end(self) -> Result<Option<Vec<u8>>, SplitError> {
        match self.state {
            State::InLine | State::Bare => Ok(Some(self.bytes[self.start..].to_vec())),
            State::Line | State::Between | State::End => Ok(None),
            State::Start => Err(SplitError::Nothing),
            State::First | State::Next | State::Element(_) => Err(SplitError::Unclosed),
            State::Bracketed(_) => Err(SplitError::Unfinished),
        }
    }

    /// RFC 8259, section 7: no line break stands in a JSON string as it is.
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
            // A comma where an element should begin is one of nothing: its reader says so.
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

    /// Whether it may end here.
    fn is_over(self) -> bool {
        self.open == 0 && !self.string
    }

    /// Behind one more byte.
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

    /// The texts of a body that comes in pieces of this many bytes, then what is wrong.
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
    fn lines_hold_a_text_each() {
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
    fn an_array_holds_elements() {
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
    fn texts_may_stand_one_after_the_other() {
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
