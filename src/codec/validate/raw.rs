//! Reads single values in wire format.

use std::borrow::Cow;

use crate::format::wire::{self, FIXED32, FIXED64, GROUP, LENGTH, Reader, VARINT, WireError};
use crate::schema::Kind;

/// One value in wire format.
#[derive(Clone, Copy)]
pub(super) enum Raw<'m> {
    Number(u64),
    Bytes(&'m [u8]),
}

/// The bytes of a field that had others before: they replace those, or are a further piece of a message (Protocol
/// Buffers, Encoding, "Last One Wins").
pub(super) fn next_bytes<'m>(mut before: Cow<'m, [u8]>, next: &'m [u8], kind: Kind) -> Cow<'m, [u8]> {
    if kind.message().is_none() {
        return Cow::Borrowed(next);
    }
    before.to_mut().extend_from_slice(next);
    before
}

/// Reads a value of this wire type.
pub(super) fn raw<'m>(reader: &mut Reader<'m>, number: u32, wire_type: u8) -> Result<Raw<'m>, WireError> {
    Ok(match wire_type {
        VARINT => Raw::Number(reader.varint()?),
        FIXED64 => Raw::Number(reader.fixed64()?),
        FIXED32 => Raw::Number(reader.fixed32()?.into()),
        LENGTH => Raw::Bytes(reader.bytes()?),
        GROUP => Raw::Bytes(reader.group(number)?),
        _ => return Err(WireError::Type),
    })
}

/// The value of a field that is not set.
pub(super) fn default(kind: Kind) -> Raw<'static> {
    match kind.wire_type() {
        LENGTH | GROUP => Raw::Bytes(&[]),
        _ => Raw::Number(0),
    }
}

/// Whether a value is the default of its type. Negative zero is not (`FieldDescriptor::has_presence`).
pub(super) fn is_zero(kind: Kind, raw: Raw<'_>) -> bool {
    match raw {
        Raw::Number(bits) => match kind {
            Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Enum(_) => bits as u32 == 0,
            _ => bits == 0,
        },
        Raw::Bytes(bytes) => bytes.is_empty(),
    }
}

/// The value of an integer or an enum. Like other readers, this one drops the excess bits of 32-bit types.
pub(super) fn integer(kind: Kind, bits: u64) -> i128 {
    match kind {
        Kind::Int32 | Kind::Sfixed32 | Kind::Enum(_) => i128::from(bits as i32),
        Kind::Sint32 => i128::from(wire::unzigzag(u64::from(bits as u32)) as i32),
        Kind::Uint32 | Kind::Fixed32 => i128::from(bits as u32),
        Kind::Sint64 => i128::from(wire::unzigzag(bits)),
        Kind::Int64 | Kind::Sfixed64 => i128::from(bits as i64),
        _ => i128::from(bits),
    }
}

pub(super) fn float(kind: Kind, bits: u64) -> f64 {
    match kind {
        Kind::Float => f32::from_bits(bits as u32).into(),
        _ => f64::from_bits(bits),
    }
}

/// A `Timestamp` or a `Duration` in nanoseconds.
pub(super) fn time(message: &[u8]) -> Result<i128, WireError> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut reader = Reader::new(message);
    while !reader.is_empty() {
        match reader.tag()? {
            (1, VARINT) => seconds = reader.varint()? as i64,
            (2, VARINT) => nanos = reader.varint()? as i32,
            (number, wire_type) => reader.skip(number, wire_type)?,
        }
    }
    Ok(i128::from(seconds) * 1_000_000_000 + i128::from(nanos))
}

/// The only field of a wrapper, if it is set.
pub(super) fn only_field(message: &[u8], kind: Kind) -> Result<Option<Raw<'_>>, WireError> {
    let mut value = None;
    let mut reader = Reader::new(message);
    while !reader.is_empty() {
        match reader.tag()? {
            (1, wire_type) if wire_type == kind.wire_type() => value = Some(raw(&mut reader, 1, wire_type)?),
            (number, wire_type) => reader.skip(number, wire_type)?,
        }
    }
    Ok(value)
}

/// The texts of field 1: the paths of a `FieldMask`.
pub(super) fn all_texts(message: &[u8]) -> Result<Vec<&str>, WireError> {
    let mut texts = Vec::new();
    let mut reader = Reader::new(message);
    while !reader.is_empty() {
        match reader.tag()? {
            // A path that is not text is no path of a rule.
            (1, LENGTH) => texts.push(std::str::from_utf8(reader.bytes()?).unwrap_or("\u{fffd}")),
            (number, wire_type) => reader.skip(number, wire_type)?,
        }
    }
    Ok(texts)
}
