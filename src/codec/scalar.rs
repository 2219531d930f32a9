//! Converts a single value from a JSON token or a text to wire format, with or without its tag.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{number, time};
use crate::format::block::Piece;
use crate::format::wire;
use crate::schema::{EnumTable, FieldTable, Kind, MessageId, Shape, Tables, WellKnown};

/// How a value is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    Tagged,
    /// With its tag, but not at all if it is the default.
    UnlessDefault,
    /// Without a tag, as in a packed list.
    Bare,
}

impl Write {
    /// How single values of a field with this shape are encoded.
    pub(super) fn of(shape: Shape) -> Self {
        match shape {
            Shape::Implicit => Self::UnlessDefault,
            Shape::Packed => Self::Bare,
            Shape::Explicit | Shape::Required | Shape::Repeated | Shape::Map => Self::Tagged,
        }
    }
}

/// Appends a number given as text; false if it is not a number of this kind.
pub(super) fn put_number(out: &mut Vec<u8>, field: &FieldTable, write: Write, text: &str) -> bool {
    let written = match field.kind {
        Kind::Double => number::double(text).map(|value| put_fixed64(out, field, write, value.to_bits())),
        Kind::Float => number::float(text).map(|value| put_fixed32(out, field, write, value.to_bits())),
        _ => number::integer(text).and_then(|value| put_whole(out, field, write, value)),
    };
    written.is_some()
}

fn put_whole(out: &mut Vec<u8>, field: &FieldTable, write: Write, value: i128) -> Option<()> {
    match field.kind {
        Kind::Int32 => put_varint(out, field, write, i64::from(i32::try_from(value).ok()?) as u64),
        Kind::Int64 => put_varint(out, field, write, i64::try_from(value).ok()? as u64),
        Kind::Uint32 => put_varint(out, field, write, u64::from(u32::try_from(value).ok()?)),
        Kind::Uint64 => put_varint(out, field, write, u64::try_from(value).ok()?),
        Kind::Sint32 => put_varint(out, field, write, wire::zigzag(i64::from(i32::try_from(value).ok()?))),
        Kind::Sint64 => put_varint(out, field, write, wire::zigzag(i64::try_from(value).ok()?)),
        Kind::Fixed32 => put_fixed32(out, field, write, u32::try_from(value).ok()?),
        Kind::Fixed64 => put_fixed64(out, field, write, u64::try_from(value).ok()?),
        Kind::Sfixed32 => put_fixed32(out, field, write, i32::try_from(value).ok()? as u32),
        Kind::Sfixed64 => put_fixed64(out, field, write, i64::try_from(value).ok()? as u64),
        _ => return None,
    }
    Some(())
}

/// Appends a value that is encoded as a varint: an integer, a boolean or an enum.
#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, field: &FieldTable, write: Write, value: u64) {
    if put_tag(out, field, write, value == 0) {
        wire::put_varint(out, value);
    }
}

fn put_fixed32(out: &mut Vec<u8>, field: &FieldTable, write: Write, bits: u32) {
    if put_tag(out, field, write, bits == 0) {
        out.extend_from_slice(&bits.to_le_bytes());
    }
}

fn put_fixed64(out: &mut Vec<u8>, field: &FieldTable, write: Write, bits: u64) {
    if put_tag(out, field, write, bits == 0) {
        out.extend_from_slice(&bits.to_le_bytes());
    }
}

#[inline]
pub(super) fn put_string(out: &mut Vec<u8>, field: &FieldTable, write: Write, text: Piece<'_>) {
    if put_tag(out, field, write, text.length == 0) {
        wire::put_piece(out, text);
    }
}

/// Appends bytes given as base64; false if the text is not base64.
pub(super) fn put_base64(out: &mut Vec<u8>, field: &FieldTable, write: Write, text: &str) -> bool {
    // ProtoJSON: "Either standard or URL-safe base64 encoding with/without paddings are accepted."
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    let before = out.len();
    if !put_tag(out, field, write, text.is_empty()) {
        return true;
    }
    let start = wire::open(out);
    // Three bytes for every four characters, rounded up, because the decoder requires it.
    out.resize(start + text.len().div_ceil(4) * 3, 0);
    match engine.decode_slice(text, &mut out[start..]) {
        Ok(length) => {
            out.truncate(start + length);
            wire::close(out, start);
            true
        }
        Err(_) => {
            out.truncate(before);
            false
        }
    }
}

/// Appends bytes given as base64 with line breaks in it, as MIME and `base64` write long texts; false if it has none or
/// is not base64.
#[cold]
pub(super) fn put_broken_base64(out: &mut Vec<u8>, field: &FieldTable, write: Write, text: &str) -> bool {
    text.contains(['\r', '\n']) && put_base64(out, field, write, &text.replace(['\r', '\n'], ""))
}

/// Appends raw bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, field: &FieldTable, write: Write, bytes: &[u8]) {
    if put_tag(out, field, write, bytes.is_empty()) {
        wire::put_bytes(out, bytes);
    }
}

/// Appends the tag if one is needed; false if the value must not be written either.
#[inline]
pub(super) fn put_tag(out: &mut Vec<u8>, field: &FieldTable, write: Write, is_default: bool) -> bool {
    match write {
        Write::Bare => true,
        Write::UnlessDefault if is_default => false,
        Write::Tagged | Write::UnlessDefault => {
            field.tag.put(out);
            true
        }
    }
}

/// The number of an enum value given as text: by its name, or else by a number.
pub(super) fn enum_number(table: &EnumTable, text: &str) -> Option<i32> {
    table.number(text).or_else(|| enum_from_number(table, text))
}

/// The number of an enum value given as a JSON number.
pub(super) fn enum_from_number(table: &EnumTable, text: &str) -> Option<i32> {
    let number = i32::try_from(number::integer(text)?).ok()?;
    (!table.closed || table.quoted(number).is_some()).then_some(number)
}

/// Appends the value of a text from a path or a query; false if the text is not valid for the field.
pub(super) fn put_text(out: &mut Vec<u8>, tables: &Tables, field: &FieldTable, write: Write, text: &str) -> bool {
    match field.kind {
        Kind::String => put_string(out, field, write, text.as_bytes().into()),
        Kind::Bytes => return put_base64(out, field, write, text),
        Kind::Bool => match text {
            "true" => put_varint(out, field, write, 1),
            "false" => put_varint(out, field, write, 0),
            _ => return false,
        },
        Kind::Enum(id) => match enum_number(tables.enumeration(id), text) {
            Some(number) => put_varint(out, field, write, i64::from(number) as u64),
            None => return false,
        },
        Kind::Message(id) => {
            field.tag.put(out);
            let start = wire::open(out);
            let read = put_known_text(out, tables, id, text);
            wire::close(out, start);
            field.put_end(out);
            return read;
        }
        Kind::Group(id) => {
            field.tag.put(out);
            let read = put_known_text(out, tables, id, text);
            wire::put_tag(out, field.number, wire::END_GROUP);
            return read;
        }
        _ => return put_number(out, field, write, text),
    }
    true
}

/// Appends the content of a message whose JSON form is a single text.
pub(super) fn put_known_text(out: &mut Vec<u8>, tables: &Tables, id: MessageId, text: &str) -> bool {
    let table = tables.message(id);
    match table.known {
        WellKnown::Timestamp => time::timestamp(text).map(|span| put_span(out, span)).is_some(),
        WellKnown::Duration => time::duration(text).map(|span| put_span(out, span)).is_some(),
        // Converted one path at a time, because a mask of short paths would otherwise need many times its text's
        // memory.
        WellKnown::FieldMask => time::mask_paths(text).all(|path| {
            wire::put_tag(out, 1, wire::LENGTH);
            let start = wire::open(out);
            let read = time::put_snake(out, path);
            wire::close(out, start);
            read
        }),
        WellKnown::Wrapper => match table.fields.first() {
            Some(field) => put_text(out, tables, field, Write::UnlessDefault, text),
            None => false,
        },
        WellKnown::No | WellKnown::Any | WellKnown::Struct | WellKnown::Value | WellKnown::ListValue => false,
    }
}

/// Appends the fields 1, `int64 seconds`, and 2, `int32 nanos`.
fn put_span(out: &mut Vec<u8>, span: time::Span) {
    if span.seconds != 0 {
        wire::put_tag(out, 1, wire::VARINT);
        wire::put_varint(out, span.seconds as u64);
    }
    if span.nanos != 0 {
        wire::put_tag(out, 2, wire::VARINT);
        wire::put_varint(out, i64::from(span.nanos) as u64);
    }
}
