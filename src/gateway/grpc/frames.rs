//! `Length-Prefixed-Message -> Compressed-Flag Message-Length Message` of PROTOCOL-HTTP2.md.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use crate::gateway::error::Refusal;

/// The bytes before a message: its flag and its length.
pub(super) const PREFIX: usize = 5;

/// A message as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Framed {
    pub(super) is_compressed: bool,
    pub(super) message: Bytes,
}

struct Prefix {
    is_compressed: bool,
    length: usize,
}

impl Prefix {
    /// Reads the prefix, if all of it has come.
    fn read(bytes: &[u8], limit: usize) -> Result<Option<Self>, Refusal> {
        let is_compressed = match bytes.first() {
            None => return Ok(None),
            Some(0) => false,
            Some(1) => true,
            Some(flag) => {
                return Err(Refusal::frame(format!("the flag before the message is {flag}; expected 0 or 1")));
            }
        };
        let Some(prefix) = bytes.first_chunk::<PREFIX>() else { return Ok(None) };
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        if length > limit { Err(Refusal::message_too_large(limit)) } else { Ok(Some(Self { is_compressed, length })) }
    }
}

/// The message of a body that has exactly one.
///
/// # Errors
/// The body has none or several, or its framing is wrong.
pub(super) fn only(mut body: Bytes, limit: usize) -> Result<Framed, Refusal> {
    if body.is_empty() {
        return Err(Refusal::message_count("none"));
    }
    let Some(Prefix { is_compressed, length }) = Prefix::read(&body, limit)? else { return Err(cut(body.len())) };
    match body.len().cmp(&(PREFIX + length)) {
        std::cmp::Ordering::Less => Err(cut(body.len())),
        std::cmp::Ordering::Greater => Err(Refusal::message_count("several")),
        std::cmp::Ordering::Equal => Ok(Framed { is_compressed, message: body.split_off(PREFIX) }),
    }
}

/// Splits a body into its messages as it comes.
#[derive(Debug)]
pub(super) struct FrameReader {
    limit: usize,
    data: BytesMut,
}

impl FrameReader {
    /// A reader of messages of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, data: BytesMut::new() }
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        self.data.extend_from_slice(data);
    }

    /// The next message, if all of it has come.
    ///
    /// # Errors
    /// Its framing is wrong, or it is too large.
    pub(super) fn next(&mut self) -> Result<Option<Framed>, Refusal> {
        let Some(Prefix { is_compressed, length }) = Prefix::read(&self.data, self.limit)? else { return Ok(None) };
        if self.data.len() < PREFIX + length {
            return Ok(None);
        }
        self.data.advance(PREFIX);
        let message = self.data.split_to(length).freeze();
        Ok(Some(Framed { is_compressed, message }))
    }

    /// Whether the next byte begins a message.
    pub(super) fn is_between(&self) -> bool {
        self.data.is_empty()
    }

    /// How many bytes of an incomplete message are held.
    pub(super) fn held(&self) -> usize {
        self.data.len()
    }

    /// Checks that the body may end here.
    ///
    /// # Errors
    /// It ends within a message.
    pub(super) fn end(&self) -> Result<(), Refusal> {
        if self.is_between() { Ok(()) } else { Err(cut(self.held())) }
    }
}

/// Writes the prefix of a message that is not compressed.
pub(super) fn put_prefix(out: &mut BytesMut, message: &[u8]) {
    put_flagged(out, 0, message);
}

/// Writes the prefix of a message with this flag.
pub(crate) fn put_flagged(out: &mut BytesMut, flag: u8, message: &[u8]) {
    out.put_u8(flag);
    out.put_u32(u32::try_from(message.len()).expect("a reply is limited to 1 GiB by the configuration"));
}

fn cut(bytes: usize) -> Refusal {
    Refusal::frame(format!("the message is cut short after {bytes} bytes, its prefix included"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of a body that comes in pieces of this size.
    fn read(body: &[u8], size: usize) -> Result<Vec<Framed>, Refusal> {
        let (mut reader, mut messages) = (FrameReader::new(4), Vec::new());
        for piece in body.chunks(size) {
            reader.push(piece);
            while let Some(message) = reader.next()? {
                messages.push(message);
            }
        }
        reader.end().map(|()| messages)
    }

    #[test]
    fn grpc_messages_are_split_however_their_bytes_arrive() {
        let framed = |is_compressed, message: &'static [u8]| Framed { is_compressed, message: message.into() };
        let cut = |bytes| Err(cut(bytes));
        let flag = |flag| Err(Refusal::frame(format!("the flag before the message is {flag}; expected 0 or 1")));
        for (body, expected) in [
            (&b""[..], Ok(vec![])),
            (b"\0\0\0\0\0", Ok(vec![framed(false, b"")])),
            (b"\0\0\0\0\x02ab\x01\0\0\0\x01c", Ok(vec![framed(false, b"ab"), framed(true, b"c")])),
            (b"\0", cut(1)),
            (b"\0\0\0\0\x02a", cut(6)),
            (b"\0\0\0\0\0\0\0\0", cut(3)),
            (b"\x02\0\0\0\0", flag(2)),
            (b"\x80\0\0\0\0", flag(128)),
            (b"POST / HTTP/1.1", flag(80)),
            (b"\0\0\0\0\x05abcde", Err(Refusal::message_too_large(4))),
            (b"\0\xff\xff\xff\xff", Err(Refusal::message_too_large(4))),
        ] {
            for size in 1..=body.len().max(1) {
                assert_eq!(read(body, size), expected, "{body:?}, {size} bytes at a time");
            }
            let only = match expected {
                Ok(mut messages) if messages.len() == 1 => Ok(messages.remove(0)),
                Ok(messages) if messages.is_empty() => Err(Refusal::message_count("none")),
                Ok(_) => Err(Refusal::message_count("several")),
                // Behind a whole message, anything is another one.
                Err(_) if body.len() == 8 => Err(Refusal::message_count("several")),
                Err(refusal) => Err(refusal),
            };
            assert_eq!(super::only(Bytes::copy_from_slice(body), 4), only, "{body:?}");
        }
    }
}
