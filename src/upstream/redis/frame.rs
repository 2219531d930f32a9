//! RESP, version 2: commands to bytes, bytes to [`Value`].
//!
//! Source: "Redis serialization protocol specification". Version 2 is what a server speaks until it is asked for
//! another. Answers are bounded in bytes and in depth.

use bytes::{Buf as _, Bytes, BytesMut};

/// The largest answer, in bytes.
pub(super) const LARGEST: usize = 16 << 20;
/// The most arrays inside each other.
const DEEPEST: usize = 8;
/// The longest line, in bytes: an error with its text, or a number.
const LONGEST_LINE: usize = 64 << 10;

/// An answer of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Nil,
    Integer(i64),
    /// Text or bytes.
    Bytes(Bytes),
    /// An error: its first word is its code, such as `NOSCRIPT`.
    Error(String),
    Array(Vec<Self>),
}

/// Why bytes are no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("it does not answer in the protocol of Redis (RESP2)")]
    Malformed,
    #[error("its answer is larger than {LARGEST} bytes")]
    TooLarge,
}

impl Value {
    /// The number, if this is one.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Nil | Self::Bytes(_) | Self::Error(_) | Self::Array(_) => None,
        }
    }

    /// The bytes, if this is text or bytes.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Nil | Self::Integer(_) | Self::Error(_) | Self::Array(_) => None,
        }
    }

    /// The items, if this is an array.
    #[must_use]
    pub fn array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            Self::Nil | Self::Integer(_) | Self::Bytes(_) | Self::Error(_) => None,
        }
    }
}

/// Appends a command: an array of strings.
pub(super) fn encode(parts: &[&[u8]], out: &mut Vec<u8>) {
    let mut number = itoa::Buffer::new();
    out.push(b'*');
    out.extend_from_slice(number.format(parts.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    for part in parts {
        out.push(b'$');
        out.extend_from_slice(number.format(part.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
}

/// Finds the end of answers that arrive in pieces, without reading any byte twice.
#[derive(Default)]
pub(super) struct Decoder {
    /// How many bytes of the answer have been passed.
    at: usize,
    /// How many values each open array still lacks, the innermost last.
    open: Vec<usize>,
}

impl Decoder {
    /// Takes the next whole answer from the front of `inbox`. `None` if it has not arrived yet.
    pub(super) fn next(&mut self, inbox: &mut BytesMut) -> Result<Option<Value>, FrameError> {
        loop {
            let Some(line) = line_at(inbox, self.at)? else { return Ok(None) };
            let next = self.at + line.len() + 2;
            let end = match line.first() {
                Some(b'$') => match length(line)? {
                    None => next,
                    Some(length) if length > LARGEST => return Err(FrameError::TooLarge),
                    Some(length) => next + length + 2,
                },
                Some(b'+' | b'-' | b':' | b'*') => next,
                _ => return Err(FrameError::Malformed),
            };
            if end > LARGEST + LONGEST_LINE {
                return Err(FrameError::TooLarge);
            }
            if inbox.len() < end {
                inbox.reserve(end - inbox.len());
                return Ok(None);
            }
            if line[0] == b'*'
                && let Some(items @ 1..) = length(line)?
            {
                // Each item has at least three bytes: longer arrays cannot arrive within the largest answer.
                if self.open.len() == DEEPEST || items > LARGEST / 3 {
                    return Err(FrameError::TooLarge);
                }
                self.open.push(items);
            } else {
                self.closes();
            }
            self.at = end;
            if self.open.is_empty() {
                let mut whole = inbox.split_to(std::mem::take(&mut self.at)).freeze();
                return value(&mut whole).map(Some);
            }
        }
    }

    /// One more value is there, and so are the arrays whose last one it is.
    fn closes(&mut self) {
        while let Some(lacking) = self.open.last_mut() {
            *lacking -= 1;
            if *lacking > 0 {
                return;
            }
            self.open.pop();
        }
    }
}

/// The line that begins here, without its end. `None` if its end has not arrived.
fn line_at(bytes: &[u8], at: usize) -> Result<Option<&[u8]>, FrameError> {
    let rest = &bytes[at.min(bytes.len())..];
    let rest = &rest[..rest.len().min(LONGEST_LINE)];
    match memchr::memchr(b'\n', rest) {
        Some(end) if end > 0 && rest[end - 1] == b'\r' => Ok(Some(&rest[..end - 1])),
        Some(_) => Err(FrameError::Malformed),
        None if rest.len() == LONGEST_LINE => Err(FrameError::TooLarge),
        None => Ok(None),
    }
}

/// The length of a string or an array; `None` for nil, which is written as -1.
fn length(line: &[u8]) -> Result<Option<usize>, FrameError> {
    let number = number(line)?;
    if number == -1 { Ok(None) } else { usize::try_from(number).map(Some).map_err(|_| FrameError::Malformed) }
}

fn number(line: &[u8]) -> Result<i64, FrameError> {
    let text = line.get(1..).and_then(|digits| std::str::from_utf8(digits).ok());
    text.and_then(|text| text.parse().ok()).ok_or(FrameError::Malformed)
}

/// Reads a value that has arrived as a whole; its depth was checked.
fn value(bytes: &mut Bytes) -> Result<Value, FrameError> {
    let line = line_at(bytes, 0)?.ok_or(FrameError::Malformed)?.len();
    let line = bytes.split_to(line);
    bytes.advance(2);
    match line.first() {
        Some(b'+') => Ok(Value::Bytes(line.slice(1..))),
        Some(b'-') => Ok(Value::Error(String::from_utf8_lossy(&line[1..]).into_owned())),
        Some(b':') => number(&line).map(Value::Integer),
        Some(b'$') => {
            let Some(length) = length(&line)? else { return Ok(Value::Nil) };
            let string = bytes.split_to(length);
            let end = bytes.split_to(2);
            if end == "\r\n" { Ok(Value::Bytes(string)) } else { Err(FrameError::Malformed) }
        }
        Some(b'*') => {
            let Some(length) = length(&line)? else { return Ok(Value::Nil) };
            (0..length).map(|_| value(bytes)).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        _ => Err(FrameError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Bytes(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn a_command_is_an_array_of_strings() {
        let mut out = Vec::new();
        encode(&[b"SET", b"k", b"a\r\nb", b""], &mut out);
        assert_eq!(out, b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n$0\r\n\r\n");
    }

    #[test]
    fn answers_are_read_however_they_are_cut() {
        let array = Value::Array;
        for (bytes, expected) in [
            ("+OK\r\n", text("OK")),
            ("-ERR no\r\n", Value::Error("ERR no".to_owned())),
            (":-7\r\n", Value::Integer(-7)),
            ("$-1\r\n", Value::Nil),
            ("*-1\r\n", Value::Nil),
            ("$0\r\n\r\n", text("")),
            ("$5\r\na\r\nbc\r\n", text("a\r\nbc")),
            ("*0\r\n", array(vec![])),
            ("*2\r\n*0\r\n*1\r\n$1\r\nx\r\n", array(vec![array(vec![]), array(vec![text("x")])])),
            ("*3\r\n:1\r\n$-1\r\n-E\r\n", array(vec![Value::Integer(1), Value::Nil, Value::Error("E".to_owned())])),
        ] {
            for piece in 1..=bytes.len() {
                let (mut inbox, mut decoder, mut found) = (BytesMut::new(), Decoder::default(), Vec::new());
                for piece in format!("{bytes}{bytes}").as_bytes().chunks(piece) {
                    inbox.extend_from_slice(piece);
                    while let Some(value) = decoder.next(&mut inbox).unwrap() {
                        found.push(value);
                    }
                }
                assert_eq!((found, inbox.len()), (vec![expected.clone(), expected.clone()], 0), "{bytes:?} in {piece}");
            }
        }
    }

    #[test]
    fn what_is_no_answer_or_too_large_is_refused() {
        let deep = "*1\r\n".repeat(DEEPEST + 1);
        for (bytes, expected) in [
            ("HTTP/1.1 400 Bad Request\r\n", FrameError::Malformed),
            ("+OK\n", FrameError::Malformed),
            ("$x\r\n", FrameError::Malformed),
            ("$-2\r\n", FrameError::Malformed),
            (":\r\n", FrameError::Malformed),
            ("$1\r\nab\r\n", FrameError::Malformed),
            ("$16777217\r\n", FrameError::TooLarge),
            ("*9999999\r\n", FrameError::TooLarge),
            (&deep, FrameError::TooLarge),
            (&"+".repeat(LONGEST_LINE), FrameError::TooLarge),
        ] {
            let mut inbox = BytesMut::from(bytes);
            assert_eq!(Decoder::default().next(&mut inbox), Err(expected), "{}", &bytes[..bytes.len().min(40)]);
        }
    }
}
