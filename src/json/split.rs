//! Several JSON texts in one body, taken apart as they come: lines (NDJSON), or the elements of an array.
//!
//! Only where a text ends is found out here; whoever reads it checks it. So what is no JSON ends somewhere too, and the
//! reader of the text says what is wrong with it.

/// How the texts stand in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    /// One in each line; lines of white space alone hold none.
    Lines,
    /// The elements of one array.
    Array,
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
    /// Before the array.
    Start,
    /// Behind `[`.
    First,
    /// Behind a comma, or where a line begins.
    Next,
    /// In a text: how many brackets are open, whether in a string, and whether behind its backslash.
    Text { open: usize, string: bool, escape: bool },
    /// Behind the array.
    End,
}

const TEXT: State = State::Text { open: 0, string: false, escape: false };

/// What is wrong with the series.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// A text is larger than one may be.
    #[error("expected messages of at most {limit} bytes, found a larger one")]
    TooLarge {
        /// That limit.
        limit: usize,
    },
    /// The body is no array.
    #[error("expected an array, found {found}")]
    NoArray {
        /// What begins it.
        found: String,
    },
    /// A comma with nothing behind it.
    #[error("expected another element behind the comma, found `]`")]
    NoElement,
    /// Something behind the array.
    #[error("expected nothing behind the array, found {found}")]
    Trailing {
        /// What stands there.
        found: String,
    },
    /// The body ends within the array.
    #[error("expected `]`, found the end of the body")]
    Unclosed,
}

impl Splitter {
    /// For a body of such a series. No text may have more than `limit` bytes.
    #[must_use]
    pub fn new(series: Series, limit: usize) -> Self {
        let state = if series == Series::Array { State::Start } else { State::Next };
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
        match (self.series, self.state) {
            (Series::Lines, state) => !matches!(state, State::Text { .. }),
            // An element that is whole may stand there before its comma comes.
            (Series::Array, State::Text { open, string, .. }) => open == 0 && !string,
            (Series::Array, _) => true,
        }
    }

    /// Takes the next bytes of the body.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next text, if all of it has come. Each byte is looked at once.
    ///
    /// # Errors
    /// What is wrong with the series; nothing more can be had of it.
    pub fn next_text(&mut self) -> Result<Option<&[u8]>, SplitError> {
        while let Some(&byte) = self.bytes.get(self.seen) {
            let is_over = match self.series {
                Series::Lines => self.is_over_in_lines(byte),
                Series::Array => self.is_over_in_array(byte)?,
            };
            self.seen += 1;
            if is_over {
                let text = self.start..self.seen - 1;
                self.start = self.seen;
                return Ok(Some(&self.bytes[text]));
            }
            match self.state {
                State::Text { .. } if self.seen - self.start > self.limit => {
                    return Err(SplitError::TooLarge { limit: self.limit });
                }
                State::Text { .. } => {}
                _ => self.start = self.seen,
            }
        }
        Ok(None)
    }

    /// The last text, when the body has ended.
    ///
    /// # Errors
    /// The array is not closed.
    pub fn end(self) -> Result<Option<Vec<u8>>, SplitError> {
        match (self.series, self.state) {
            (Series::Lines, State::Text { .. }) => Ok(Some(self.bytes[self.start..].to_vec())),
            (Series::Lines, _) | (_, State::End) => Ok(None),
            (Series::Array, State::Start) => Err(SplitError::NoArray { found: "nothing".to_owned() }),
            (Series::Array, _) => Err(SplitError::Unclosed),
        }
    }

    /// Whether this byte ends a text. RFC 8259, section 7: no line break stands in a JSON string as it is.
    fn is_over_in_lines(&mut self, byte: u8) -> bool {
        match (self.state, byte) {
            (State::Text { .. }, b'\n') => {
                self.state = State::Next;
                true
            }
            (State::Text { .. }, _) => false,
            (_, byte) => {
                self.state = if is_space(byte) { State::Next } else { TEXT };
                false
            }
        }
    }

    fn is_over_in_array(&mut self, byte: u8) -> Result<bool, SplitError> {
        self.state = match (self.state, byte) {
            (State::Text { open: 0, string: false, .. }, b',') => {
                self.state = State::Next;
                return Ok(true);
            }
            (State::Text { open: 0, string: false, .. }, b']') => {
                self.state = State::End;
                return Ok(true);
            }
            (State::Text { open, string, escape }, byte) => in_text(open, string, escape, byte),
            (state, byte) if is_space(byte) => state,
            (State::Start, b'[') => State::First,
            (State::Start, _) => return Err(SplitError::NoArray { found: shown(byte) }),
            (State::First, b']') => State::End,
            (State::Next, b']') => return Err(SplitError::NoElement),
            (State::First | State::Next, byte) => match in_text(0, false, false, byte) {
                // A comma where an element should begin is one of nothing: its reader says so.
                State::Text { .. } if byte == b',' => {
                    self.state = State::Next;
                    return Ok(true);
                }
                state => state,
            },
            (State::End, byte) => return Err(SplitError::Trailing { found: shown(byte) }),
        };
        Ok(false)
    }
}

/// Behind one more byte of a text.
fn in_text(open: usize, string: bool, escape: bool, byte: u8) -> State {
    let (open, string, escape) = match byte {
        _ if escape => (open, string, false),
        b'"' => (open, !string, false),
        b'\\' => (open, string, string),
        b'{' | b'[' if !string => (open + 1, false, false),
        b'}' | b']' if !string => (open.saturating_sub(1), false, false),
        _ => (open, string, false),
    };
    State::Text { open, string, escape }
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
                ("\"12345678901\"", &[], Some("expected messages of at most 12 bytes, found a larger one")),
                ("1\n\"1234567890\"\n2", &["1", "\"1234567890\"", "2"], None),
            ],
        );
    }

    #[test]
    fn an_array_holds_elements() {
        check(
            Series::Array,
            &[
                ("[]", &[], None),
                (" [ ] \n", &[], None),
                ("[1,2]", &["1", "2"], None),
                ("[ {\"a\":[1,2]} , \"],\\\"\" ,3 ]", &["{\"a\":[1,2]} ", "\"],\\\"\" ", "3 "], None),
                ("[[[],{}],[]]", &["[[],{}]", "[]"], None),
                ("[,1]", &["", "1"], None),
                ("[1,]", &["1"], Some("expected another element behind the comma, found `]`")),
                ("[1", &[], Some("expected `]`, found the end of the body")),
                ("[1,", &["1"], Some("expected `]`, found the end of the body")),
                ("", &[], Some("expected an array, found nothing")),
                ("{}", &[], Some("expected an array, found `{`")),
                ("[1]2", &["1"], Some("expected nothing behind the array, found `2`")),
                ("[1] \u{e9}", &["1"], Some("expected nothing behind the array, found another byte")),
                ("[1 2]", &["1 2"], None),
                ("[}]", &["}"], None),
                ("[\"1234567890\",1]", &["\"1234567890\"", "1"], None),
                ("[\"12345678901\"]", &[], Some("expected messages of at most 12 bytes, found a larger one")),
            ],
        );
    }
}
