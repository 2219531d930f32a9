//! `google.api.HttpBody`: a body of raw bytes that is passed through unchanged.

use super::to_json::error::DecodeProblem;
use crate::format::wire::{self, Reader};
use crate::schema::{Kind, Message, Tables};

const NAME: &str = "google.api.HttpBody";
/// The number of the field `content_type` in google/api/httpbody.proto.
const CONTENT_TYPE: u32 = 1;
/// The number of the field `data` in google/api/httpbody.proto.
const DATA: u32 = 2;

/// A value of `google.api.HttpBody` without its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HttpBody<'a> {
    /// The media type; empty if there is none.
    pub content_type: &'a str,
    /// The content of the body.
    pub data: &'a [u8],
}

/// Whether this message type is `google.api.HttpBody`.
#[must_use]
pub fn is_http_body(message: &Message) -> bool {
    message.name() == NAME
}

/// Whether fields of this kind hold a `google.api.HttpBody`.
pub(super) fn is_kind_of_body(tables: &Tables, kind: Kind) -> bool {
    kind.message().is_some_and(|id| &*tables.message(id).name == NAME)
}

impl HttpBody<'_> {
    /// Encodes it in wire format.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.data.len() + self.content_type.len() + 16);
        for (number, value) in [(CONTENT_TYPE, self.content_type.as_bytes()), (DATA, self.data)] {
            if !value.is_empty() {
                wire::put_tag(&mut out, number, wire::LENGTH);
                wire::put_bytes(&mut out, value);
            }
        }
        out
    }

    /// Decodes it from wire format; if a field is repeated, its last value counts.
    pub(super) fn decode(bytes: &[u8]) -> Result<HttpBody<'_>, DecodeProblem> {
        let mut body = HttpBody { content_type: "", data: &[] };
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            match reader.tag()? {
                (CONTENT_TYPE, wire::LENGTH) => {
                    let text = std::str::from_utf8(reader.bytes()?);
                    body.content_type = text.map_err(|_| DecodeProblem::Utf8 { field: "contentType".to_owned() })?;
                }
                (DATA, wire::LENGTH) => body.data = reader.bytes()?,
                (number, wire_type) => reader.skip(number, wire_type)?,
            }
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_field_wins_and_unknown_fields_are_ignored() {
        for (wire, expected) in [
            (&b""[..], Some(("", &b""[..]))),
            (b"\x0a\x03a/b\x12\x02\x00\xff", Some(("a/b", b"\x00\xff"))),
            (b"\x12\x01x\x0a\x03a/b\x12\x01y", Some(("a/b", b"y"))),
            (b"\x1a\x00\x12\x01x\x28\x05", Some(("", b"x"))),
            (b"\x0a\x01\xff", None),
            (b"\x12\x05x", None),
        ] {
            let body = HttpBody::decode(wire).ok();
            assert_eq!(body.map(|body| (body.content_type, body.data)), expected, "{wire:?}");
        }
    }

    #[test]
    fn an_http_body_round_trips() {
        let body = HttpBody { content_type: "image/png", data: &[0, 1, 255] };
        assert_eq!(HttpBody::decode(&body.encode()), Ok(body));
    }
}
