//! Removes fields from an encoded message.

use std::borrow::Cow;

use super::error::{DecodeError, DecodeProblem};
use crate::format::wire::{self, Reader, WireError};
use crate::schema::{Field, FieldPath, Message, MessageId, Tables};

/// The message `wire` without `fields`, which must be set, singular, and not inside a list or map. The messages that
/// contain them stay, even if no field is left in them.
///
/// # Errors
/// The bytes are not in wire format.
pub fn without<'w>(message: &Message, wire: &'w [u8], fields: &[FieldPath]) -> Result<Cow<'w, [u8]>, DecodeError> {
    let fields: Vec<&[Field]> = fields.iter().map(FieldPath::fields).collect();
    rest(message.tables(), message.id(), wire, &fields).map_err(|error| DecodeError {
        message: message.name().to_owned(),
        field: String::new(),
        problem: DecodeProblem::Wire(error),
    })
}

fn rest<'w>(tables: &Tables, id: MessageId, wire: &'w [u8], fields: &[&[Field]]) -> Result<Cow<'w, [u8]>, WireError> {
    if fields.is_empty() {
        return Ok(Cow::Borrowed(wire));
    }
    let table = tables.message(id);
    let mut out = Vec::with_capacity(wire.len());
    let mut reader = Reader::new(wire);
    while !reader.is_empty() {
        let record = reader.rest();
        let (number, wire_type) = reader.tag()?;
        let mut value = reader;
        reader.skip(number, wire_type)?;
        let record = &record[..record.len() - reader.rest().len()];
        let Some(index) = table.by_number(number) else {
            out.extend_from_slice(record);
            continue;
        };
        // Also drops other members of its oneof that came before it: without it they would be set again.
        let oneof = table.fields[index].oneof;
        let is_gone = |path: &&[Field]| matches!(path, [leaf] if leaf.index() == index || oneof.is_some() && leaf.table().oneof == oneof);
        if fields.iter().any(is_gone) {
            continue;
        }
        let inside: Vec<&[Field]> =
            fields.iter().filter(|path| path[0].index() == index).map(|path| &path[1..]).collect();
        let inner = table.fields[index].kind.message().filter(|_| wire_type == table.fields[index].kind.wire_type());
        let Some(inner) = inner.filter(|_| !inside.is_empty()) else {
            out.extend_from_slice(record);
            continue;
        };
        wire::put_tag(&mut out, number, wire_type);
        if wire_type == wire::GROUP {
            out.extend_from_slice(&rest(tables, inner, value.group(number)?, &inside)?);
            wire::put_tag(&mut out, number, wire::END_GROUP);
        } else {
            wire::put_bytes(&mut out, &rest(tables, inner, value.bytes()?, &inside)?);
        }
    }
    Ok(Cow::Owned(out))
}
