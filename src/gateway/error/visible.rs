//! The part of a message that may be shown: without fields that are marked as secret or unknown to the descriptors.
//!
//! Filters the wire format, so that code that prints the message later cannot print what is no longer there.

use crate::format::wire::{END_GROUP, GROUP, LENGTH, Reader, WireError, close, open, put_bytes, put_tag};
use crate::schema::{FieldTable, Message, MessageTable, Shape, Tables, WellKnown};

/// The deepest nesting that is shown; JSON is not written deeper either.
const DEPTH: usize = 100;

/// Why a message is not shown at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    /// The bytes are not a message of the type.
    Malformed,
    /// The message contains an `Any` with a type that is not in the descriptors.
    UnknownType,
}

impl From<WireError> for Hidden {
    fn from(_: WireError) -> Self {
        Self::Malformed
    }
}

/// The bytes of `message` without fields that are marked `redact` or `debug_redact`, at any depth. With
/// `takes_unknown`, an `Any` of unknown type is kept unchanged.
///
/// # Errors
/// The message cannot be shown.
pub(super) fn visible(message: &Message, wire: &[u8], takes_unknown: bool) -> Result<Vec<u8>, Hidden> {
    let filter = Filter { tables: message.tables(), takes_unknown };
    let mut out = Vec::with_capacity(wire.len());
    filter.message(message.table(), wire, &mut out, 0)?;
    Ok(out)
}

struct Filter<'a> {
    tables: &'a Tables,
    takes_unknown: bool,
}

impl Filter<'_> {
    fn message(&self, table: &MessageTable, wire: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), Hidden> {
        if depth > DEPTH {
            return Err(Hidden::Malformed);
        }
        if table.known == WellKnown::Any {
            return self.any(wire, out, depth);
        }
        let mut reader = Reader::new(wire);
        while !reader.is_empty() {
            let start = reader.rest();
            let (number, wire_type) = reader.tag()?;
            let field = table.by_number(number).map(|index| &table.fields[index]);
            let Some(field) = field.filter(|field| !self.is_secret(field) && !table.message_set) else {
                reader.skip(number, wire_type)?;
                continue;
            };
            let inner = field.kind.message().map(|id| self.tables.message(id));
            match (inner, wire_type) {
                (Some(inner), LENGTH) => {
                    put_tag(out, number, LENGTH);
                    let at = open(out);
                    self.message(inner, reader.bytes()?, out, depth + 1)?;
                    close(out, at);
                }
                (Some(inner), GROUP) => {
                    put_tag(out, number, GROUP);
                    self.message(inner, reader.group(number)?, out, depth + 1)?;
                    put_tag(out, number, END_GROUP);
                }
                _ => {
                    reader.skip(number, wire_type)?;
                    out.extend_from_slice(&start[..start.len() - reader.rest().len()]);
                }
            }
        }
        Ok(())
    }

    /// If the keys or the values of a map are secret, the whole map is.
    fn is_secret(&self, field: &FieldTable) -> bool {
        let is_entry_secret = || {
            let entry = field.kind.message().filter(|_| field.shape == Shape::Map);
            entry.is_some_and(|id| self.tables.message(id).fields.iter().any(|field| field.redacted))
        };
        field.redacted || is_entry_secret()
    }

    /// any.proto: `type_url` is field 1, `value` field 2. The last occurrence of each counts.
    fn any(&self, wire: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), Hidden> {
        let (mut url, mut value) = (&b""[..], &b""[..]);
        let mut reader = Reader::new(wire);
        while !reader.is_empty() {
            match reader.tag()? {
                (1, LENGTH) => url = reader.bytes()?,
                (2, LENGTH) => value = reader.bytes()?,
                (number, wire_type) => reader.skip(number, wire_type)?,
            }
        }
        if url.is_empty() && value.is_empty() {
            return Ok(());
        }
        let name = std::str::from_utf8(url).ok().and_then(|url| url.rsplit('/').next());
        let inner = name.and_then(|name| self.tables.find(name)).map(|id| self.tables.message(id));
        put_tag(out, 1, LENGTH);
        put_bytes(out, url);
        put_tag(out, 2, LENGTH);
        match inner {
            Some(inner) => {
                let at = open(out);
                self.message(inner, value, out, depth + 1)?;
                close(out, at);
            }
            None if self.takes_unknown => put_bytes(out, value),
            None => return Err(Hidden::UnknownType),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use crate::schema::schema_of;

    const PROTO: &str = r#"
syntax = "proto2";
package t;
import "google/protobuf/any.proto";
message Card { optional string number = 1 [debug_redact = true]; optional string holder = 2; }
message Order {
  optional string id = 1;
  optional string pin = 2 [debug_redact = true];
  optional Card card = 3;
  repeated Card cards = 4;
  map<string, Card> by_name = 5;
  map<string, string> secrets = 6 [debug_redact = true];
  optional google.protobuf.Any more = 7;
  optional group Extra = 8 { optional string word = 1 [debug_redact = true]; optional int32 count = 2; }
  repeated int32 codes = 9 [packed = true, debug_redact = true];
  optional Order next = 10;
}
"#;

    #[test]
    fn secret_fields_are_removed_at_every_depth_and_other_known_fields_are_kept() {
        let schema = schema_of(PROTO).unwrap();
        let order = schema.message("t.Order").unwrap();
        for (wire, json) in [
            (&b"\x0a\x01a\x12\x06CANARY"[..], r#"{"id":"a"}"#),
            (b"\x1a\x0b\x0a\x06CANARY\x12\x01b", r#"{"card":{"holder":"b"}}"#),
            (b"\x22\x0b\x0a\x06CANARY\x12\x01b\x22\x03\x12\x01c", r#"{"cards":[{"holder":"b"},{"holder":"c"}]}"#),
            (b"\x2a\x10\x0a\x01k\x12\x0b\x0a\x06CANARY\x12\x01b", r#"{"byName":{"k":{"holder":"b"}}}"#),
            (b"\x32\x0b\x0a\x01k\x12\x06CANARY", "{}"),
            (
                b"\x3a\x17\x0a\x08x/t.Card\x12\x0b\x0a\x06CANARY\x12\x01b",
                r#"{"more":{"@type":"x/t.Card","holder":"b"}}"#,
            ),
            (b"\x43\x0a\x06CANARY\x10\x05\x44", r#"{"extra":{"count":5}}"#),
            (b"\x4a\x02\x01\x02", "{}"),
            (b"\x52\x08\x12\x06CANARY\x52\x0b\x52\x09\x0a\x01a\x12\x04CANA", r#"{"next":{"next":{"id":"a"}}}"#),
            // A field number that the type does not have.
            (b"\xa2\x06\x06CANARY\x0a\x01a", r#"{"id":"a"}"#),
        ] {
            let shown = visible(&order, wire, false).unwrap_or_else(|error| panic!("{error:?}: {json}"));
            assert!(!shown.windows(4).any(|bytes| bytes == b"CANA"), "{json}");
            let printed = codec::reply(&order, &shown, &codec::Print::default()).unwrap();
            assert_eq!(String::from_utf8(printed).unwrap(), json);
        }
    }

    #[test]
    fn a_malformed_message_or_one_of_an_unknown_type_is_hidden() {
        let schema = schema_of(PROTO).unwrap();
        let order = schema.message("t.Order").unwrap();
        let nested = (0..200).fold(Vec::new(), |inner, _| {
            let mut outer = Vec::new();
            put_tag(&mut outer, 10, LENGTH);
            put_bytes(&mut outer, &inner);
            outer
        });
        let unknown: &[u8] = b"\x3a\x10\x0a\x06x/t.No\x12\x06CANARY";
        for (wire, hidden) in [
            (&b"\x0a\x05a"[..], Hidden::Malformed),
            (b"\x1a\x02\x0a\x05", Hidden::Malformed),
            (&nested, Hidden::Malformed),
            (unknown, Hidden::UnknownType),
        ] {
            assert_eq!(visible(&order, wire, false), Err(hidden), "{wire:?}");
        }
        assert_eq!(visible(&order, unknown, true).as_deref(), Ok(unknown));
    }
}
