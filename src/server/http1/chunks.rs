//! Checks the framing of a chunked body, byte by byte as it arrives: RFC 9112, section 7.1.

use super::super::syntax::is_token;
use super::super::violation::Violation;

/// Checks the framing of one chunked body. Stores no bytes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkReader {
    position: Position,
    /// The number of bytes in the trailers so far.
    trailers: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// In the size of a chunk, after this many digits.
    Size {
        size: u64,
        digits: u8,
    },
    /// Behind the size, up to the end of the line.
    Extension {
        size: u64,
    },
    SizeEnd {
        size: u64,
    },
    /// In the data of a chunk, with this many bytes left.
    Data {
        left: u64,
    },
    DataCarriageReturn,
    DataLineFeed,
    /// At the beginning of a line behind the last chunk.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    LastLineFeed,
    End,
}

/// The most digits of a size: those of 64 bits.
const DIGITS: u8 = 16;
/// The most bytes of all trailers.
const TRAILERS: usize = 8 << 10;

impl Default for ChunkReader {
    fn default() -> Self {
        Self { position: FIRST, trailers: 0 }
    }
}

const FIRST: Position = Position::Size { size: 0, digits: 0 };

impl ChunkReader {
    /// Reads the next bytes, up to the end of the body at most. Returns how many of them belong to the body.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn read(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let mut at = 0;
        while at < bytes.len() && self.position != Position::End {
            if let Position::Data { left } = self.position {
                let here = left.min((bytes.len() - at) as u64);
                self.position =
                    if here == left { Position::DataCarriageReturn } else { Position::Data { left: left - here } };
                at += usize::try_from(here).unwrap_or(usize::MAX);
                continue;
            }
            self.position = self.next(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    /// Whether the whole body has been read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.position == Position::End
    }

    fn next(&mut self, byte: u8) -> Result<Position, Violation> {
        if matches!(
            self.position,
            Position::Trailer | Position::TrailerName | Position::TrailerValue | Position::TrailerEnd
        ) {
            self.trailers += 1;
            if self.trailers > TRAILERS {
                return Err(Violation::Trailer);
            }
        }
        match (self.position, byte) {
            (Position::Size { size, digits }, byte) if byte.is_ascii_hexdigit() && digits < DIGITS => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                Ok(Position::Size { size: size << 4 | digit, digits: digits + 1 })
            }
            (Position::Size { size, digits: 1.. }, b';') => Ok(Position::Extension { size }),
            (Position::Size { size, digits: 1.. } | Position::Extension { size }, b'\r') => {
                Ok(Position::SizeEnd { size })
            }
            (Position::Extension { size }, b'\t' | b' '..=b'~' | 0x80..) => Ok(Position::Extension { size }),
            (Position::SizeEnd { size: 0 }, b'\n') => Ok(Position::Trailer),
            (Position::SizeEnd { size: left }, b'\n') => Ok(Position::Data { left }),
            (Position::Size { .. } | Position::Extension { .. } | Position::SizeEnd { .. }, _) => {
                Err(Violation::ChunkSize)
            }
            (Position::DataCarriageReturn, b'\r') => Ok(Position::DataLineFeed),
            (Position::DataLineFeed, b'\n') => Ok(FIRST),
            (Position::Data { .. } | Position::DataCarriageReturn | Position::DataLineFeed, _) => {
                Err(Violation::ChunkEnd)
            }
            (Position::Trailer, b'\r') => Ok(Position::LastLineFeed),
            (Position::Trailer | Position::TrailerName, byte) if is_token(byte) => Ok(Position::TrailerName),
            (Position::TrailerName, b':') => Ok(Position::TrailerValue),
            (Position::TrailerValue, b'\r') => Ok(Position::TrailerEnd),
            (Position::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => Ok(Position::TrailerValue),
            (Position::TrailerEnd, b'\n') => Ok(Position::Trailer),
            (Position::LastLineFeed, b'\n') | (Position::End, _) => Ok(Position::End),
            (
                Position::Trailer
                | Position::TrailerName
                | Position::TrailerValue
                | Position::TrailerEnd
                | Position::LastLineFeed,
                _,
            ) => Err(Violation::Trailer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes of a text belong to the body, if the text begins with one.
    fn read_whole(text: &str) -> Result<Option<usize>, Violation> {
        let mut reader = ChunkReader::default();
        reader.read(text.as_bytes()).map(|length| reader.is_at_end().then_some(length))
    }

    #[test]
    fn a_chunked_body_without_an_unambiguous_end_is_refused() {
        for (text, end) in [
            ("0\r\n\r\n", Ok(Some(5))),
            ("0\r\n\r\nGET / HTTP/1.1\r\n", Ok(Some(5))),
            ("5\r\nhello\r\n0\r\n\r\n", Ok(Some(15))),
            ("A\r\n0123456789\r\n00\r\n\r\n", Ok(Some(21))),
            ("5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n", Ok(Some(29))),
            ("0\r\nChecksum: abc\r\nother:\r\n\r\n", Ok(Some(28))),
            ("5\r\nhel", Ok(None)),
            ("ffffffffffffffff\r\n", Ok(None)),
            ("", Ok(None)),
            ("\r\n", Err(Violation::ChunkSize)),
            ("0\n\n", Err(Violation::ChunkSize)),
            ("5\nhello\r\n", Err(Violation::ChunkSize)),
            ("5 \r\nhello\r\n", Err(Violation::ChunkSize)),
            (" 5\r\nhello\r\n", Err(Violation::ChunkSize)),
            ("0x5\r\nhello\r\n", Err(Violation::ChunkSize)),
            ("0_2\r\nhi\r\n", Err(Violation::ChunkSize)),
            ("-1\r\n", Err(Violation::ChunkSize)),
            ("5;a\nb\r\nhello\r\n", Err(Violation::ChunkSize)),
            ("5\rhello\r\n", Err(Violation::ChunkSize)),
            ("00000000000000005\r\nhello\r\n", Err(Violation::ChunkSize)),
            ("5\r\nhello0\r\n\r\n", Err(Violation::ChunkEnd)),
            ("5\r\nhello\n0\r\n\r\n", Err(Violation::ChunkEnd)),
            ("5\r\nhello!\r\n0\r\n\r\n", Err(Violation::ChunkEnd)),
            ("0\r\n\nGET / HTTP/1.1\r\n", Err(Violation::Trailer)),
            ("0\r\nX: y\n\r\nGET / HTTP/1.1\r\n", Err(Violation::Trailer)),
            ("0\r\nX: y\r\n\nGET / HTTP/1.1\r\n", Err(Violation::Trailer)),
            ("0\r\n X: y\r\n\r\n", Err(Violation::Trailer)),
            ("0\r\nX : y\r\n\r\n", Err(Violation::Trailer)),
            ("0\r\n: y\r\n\r\n", Err(Violation::Trailer)),
            ("0\r\n\rX", Err(Violation::Trailer)),
        ] {
            assert_eq!(read_whole(text), end, "{text:?}");
            let mut reader = ChunkReader::default();
            let single = text.bytes().try_for_each(|byte| reader.read(&[byte]).map(drop));
            assert_eq!(single.map(|()| reader.is_at_end()), end.map(|end| end.is_some()), "byte by byte: {text:?}");
        }
        let long = format!("0\r\n{}", "a: b\r\n".repeat(2000));
        assert_eq!(read_whole(&long), Err(Violation::Trailer));
    }
}
