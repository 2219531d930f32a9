//! Prints the fields of a message in the order of the bytes, as long as that is the order of the fields.

use super::error::{DecodeProblem, Outcome};
use super::print::{Int64, Print};
use crate::codec::depth::DEPTH_LIMIT;
use crate::codec::indent;
use crate::codec::number::{put_double, put_float, put_integer};
use crate::format::block::Piece;
use crate::format::json;
use crate::format::wire::{self, Reader};
use crate::schema::{EnumId, FieldTable, Kind, MessageId, MessageTable, Shape, Tables, WellKnown};

/// The JSON. On failure, the problem and the JSON printed before it.
pub(super) fn finish(decoder: Decoder<'_>, made: Outcome<()>) -> Result<Vec<u8>, (DecodeProblem, Vec<u8>)> {
    let Decoder { out, print, .. } = decoder;
    match made {
        Ok(()) if print.indent => indent::indent(&out, print.limit)
            .ok_or_else(|| (DecodeProblem::TooLarge { limit: print.limit }, Vec::new())),
        Ok(()) => Ok(out),
        Err(problem) => Err((*problem, out)),
    }
}

/// Converts a message from wire format to JSON.
pub(super) struct Decoder<'a> {
    /// The tables of the message that is being printed.
    pub(super) tables: &'a Tables,
    /// The tables of the response message.
    pub(super) descriptors: &'a Tables,
    pub(super) print: &'a Print,
    pub(super) out: Vec<u8>,
    pub(super) depth: usize,
    /// Whether the fields of an enclosing message were out of order.
    pub(super) is_scattered: bool,
}

/// Result of printing fields in the order of the bytes.
#[derive(PartialEq, Eq)]
enum Order {
    /// All fields were printed.
    Kept,
    /// A field came later than it should have, or again.
    Broken,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(tables: &'a Tables, print: &'a Print, out: Vec<u8>, depth: usize) -> Self {
        Self { tables, descriptors: tables, print, out, depth, is_scattered: false }
    }

    /// Prints a message in its JSON form, special forms included.
    #[inline]
    pub(super) fn whole(&mut self, id: MessageId, wire: Piece<'_>) -> Outcome<()> {
        let table = self.tables.message(id);
        self.nested(|this| match table.known {
            WellKnown::No => this.message(table, wire),
            known => this.known(table, known, wire.bytes()),
        })?;
        self.check_size()
    }

    /// Prints something one level deeper.
    #[inline]
    pub(super) fn nested(&mut self, inside: impl FnOnce(&mut Self) -> Outcome<()>) -> Outcome<()> {
        if self.depth == DEPTH_LIMIT {
            return Err(DecodeProblem::Depth.into());
        }
        self.depth += 1;
        inside(self)?;
        self.depth -= 1;
        Ok(())
    }

    #[inline]
    pub(super) fn message(&mut self, table: &'a MessageTable, wire: Piece<'_>) -> Outcome<()> {
        self.out.push(b'{');
        self.fields(table, wire)?;
        self.close(b'}');
        Ok(())
    }

    /// Prints the members of a message's object, each followed by a comma.
    #[inline]
    pub(super) fn fields(&mut self, table: &'a MessageTable, wire: Piece<'_>) -> Outcome<()> {
        let start = self.out.len();
        if self.is_scattered || self.in_order(table, wire.into())? == Order::Broken {
            self.out.truncate(start);
            return self.scattered(table, wire.bytes());
        }
        Ok(())
    }

    #[inline(never)]
    fn scattered(&mut self, table: &'a MessageTable, wire: &[u8]) -> Outcome<()> {
        // Nested messages were already tried in order once. Trying that again at every level would double the work with
        // each level.
        let around = std::mem::replace(&mut self.is_scattered, true);
        self.indexed(table, wire)?;
        self.is_scattered = around;
        Ok(())
    }

    /// Ends an object or array whose members are each followed by a comma.
    #[inline]
    pub(super) fn close(&mut self, bracket: u8) {
        match self.out.last_mut() {
            Some(last) if *last == b',' => *last = bracket,
            _ => self.out.push(bracket),
        }
    }

    #[inline(never)]
    fn in_order(&mut self, table: &'a MessageTable, mut reader: Reader<'_>) -> Outcome<Order> {
        // The index after the last printed field, and the oneofs that have a value.
        let mut next = 0;
        let mut oneofs = 0_u64;
        while !reader.is_empty() {
            let (number, wire_type) = reader.tag()?;
            let index = match table.fields.get(next) {
                Some(field) if field.number == number => next,
                _ => match table.by_number(number) {
                    Some(index) if index < next => return Ok(Order::Broken),
                    Some(index) => index,
                    None if table.message_set && number == 1 && wire_type == wire::GROUP => return Ok(Order::Broken),
                    None => {
                        reader.skip(number, wire_type)?;
                        continue;
                    }
                },
            };
            let field = &table.fields[index];
            // The most common field: a string that needs no further checks.
            if field.is_lone_string() && wire_type == wire::LENGTH && !self.print.defaults {
                next = index + 1;
                let text = reader.piece()?;
                if text.length > 0 || field.shape != Shape::Implicit {
                    self.text_member(field, text)?;
                }
                continue;
            }
            if let Some(oneof) = field.oneof {
                let bit = 1_u64.checked_shl(u32::from(oneof)).unwrap_or(0);
                if bit == 0 || oneofs & bit != 0 {
                    return Ok(Order::Broken);
                }
                oneofs |= bit;
            }
            self.member(table, next..index, wire_type, &mut reader)?;
            next = index + 1;
        }
        if self.print.defaults {
            self.print_defaults(table, next..table.fields.len());
        }
        Ok(Order::Kept)
    }

    /// Prints the field after `skipped`, whose tag has been read. If defaults are printed, those of `skipped` come
    /// first.
    fn member(
        &mut self,
        table: &'a MessageTable,
        skipped: std::ops::Range<usize>,
        wire_type: u8,
        reader: &mut Reader<'_>,
    ) -> Outcome<()> {
        let index = skipped.end;
        let field = &table.fields[index];
        if self.print.defaults {
            self.print_defaults(table, skipped);
        }
        let written = match field.shape {
            Shape::Map => self.map_run(field, wire_type, reader)?,
            Shape::Repeated | Shape::Packed => self.list_run(field, wire_type, reader)?,
            _ => self.single(field, wire_type, reader)?,
        };
        if !written && self.print.defaults {
            self.print_defaults(table, index..index + 1);
        }
        Ok(())
    }

    /// Prints a singular field; false if nothing is printed for it.
    #[inline]
    fn single(&mut self, field: &'a FieldTable, wire_type: u8, reader: &mut Reader<'_>) -> Outcome<bool> {
        if wire_type != field.kind.wire_type() {
            reader.skip(field.number, wire_type)?;
            return Ok(false);
        }
        let before = self.out.len();
        self.key(field);
        let value_start = self.out.len();
        let default = self.value(field, reader)?;
        if value_start == self.out.len() || (default && field.shape == Shape::Implicit) {
            self.out.truncate(before);
            return Ok(false);
        }
        self.out.push(b',');
        Ok(true)
    }

    #[inline]
    fn text_member(&mut self, field: &FieldTable, text: Piece<'_>) -> Outcome<()> {
        let key = if self.print.proto_names { &field.proto_key } else { &field.json_key };
        if json::put_plain_member(&mut self.out, key, text) {
            return Ok(());
        }
        self.key(field);
        self.string(field, text)?;
        self.out.push(b',');
        Ok(())
    }

    /// Prints the consecutive values of a list.
    fn list_run(&mut self, field: &'a FieldTable, wire_type: u8, reader: &mut Reader<'_>) -> Outcome<bool> {
        let before = self.out.len();
        self.key(field);
        self.out.push(b'[');
        let start = self.out.len();
        let mut wire_type = wire_type;
        loop {
            self.elements(field, wire_type, reader)?;
            match reader.tag_of(field.number) {
                Some(next_type) => wire_type = next_type,
                None => break,
            }
        }
        if self.out.len() == start {
            self.out.truncate(before);
            return Ok(false);
        }
        self.close(b']');
        self.out.push(b',');
        Ok(true)
    }

    /// Prints one value of a list, or the values of a packed part of it, each followed by a comma.
    pub(super) fn elements(&mut self, field: &'a FieldTable, wire_type: u8, reader: &mut Reader<'_>) -> Outcome<()> {
        let own = field.kind.wire_type();
        if wire_type == own {
            self.element(field, reader)?;
        } else if wire_type == wire::LENGTH && own != wire::GROUP {
            let mut packed = Reader::from(reader.piece()?);
            while !packed.is_empty() {
                self.element(field, &mut packed)?;
            }
        } else {
            reader.skip(field.number, wire_type)?;
        }
        self.check_size()
    }

    #[inline]
    fn element(&mut self, field: &'a FieldTable, reader: &mut Reader<'_>) -> Outcome<()> {
        let start = self.out.len();
        self.value(field, reader)?;
        if self.out.len() > start {
            self.out.push(b',');
        }
        Ok(())
    }

    /// Prints one value; true if it is the default. Nothing is printed for a number that a closed enum does not have.
    #[inline]
    pub(super) fn value(&mut self, field: &'a FieldTable, reader: &mut Reader<'_>) -> Outcome<bool> {
        match field.kind {
            Kind::String => {
                let text = reader.piece()?;
                self.string(field, text)?;
                return Ok(text.length == 0);
            }
            Kind::Message(id) => self.whole(id, reader.piece()?)?,
            Kind::Group(id) => self.whole(id, reader.group(field.number)?.into())?,
            Kind::Enum(id) => {
                let number = reader.varint()? as i32;
                self.enumeration(id, number);
                // Readers take `null` for 0 here.
                return Ok(number == 0 || self.tables.enumeration(id).is_null);
            }
            _ => return self.scalar(field.kind, reader),
        }
        Ok(false)
    }

    pub(super) fn scalar(&mut self, kind: Kind, reader: &mut Reader<'_>) -> Outcome<bool> {
        let out = &mut self.out;
        Ok(match kind {
            Kind::Int32 => put(out, reader.varint()? as i32),
            Kind::Int64 => put_wide(out, reader.varint()? as i64, self.print.int64),
            Kind::Uint32 => put(out, reader.varint()? as u32),
            Kind::Uint64 => put_wide(out, reader.varint()?, self.print.int64),
            Kind::Sint32 => put(out, wire::unzigzag(u64::from(reader.varint()? as u32)) as i32),
            Kind::Sint64 => put_wide(out, wire::unzigzag(reader.varint()?), self.print.int64),
            Kind::Fixed32 => put(out, reader.fixed32()?),
            Kind::Fixed64 => put_wide(out, reader.fixed64()?, self.print.int64),
            Kind::Sfixed32 => put(out, reader.fixed32()? as i32),
            Kind::Sfixed64 => put_wide(out, reader.fixed64()? as i64, self.print.int64),
            Kind::Double => {
                let bits = reader.fixed64()?;
                put_double(out, f64::from_bits(bits));
                bits == 0
            }
            Kind::Float => {
                let bits = reader.fixed32()?;
                put_float(out, f32::from_bits(bits));
                bits == 0
            }
            Kind::Bool => {
                let value = reader.varint()? != 0;
                out.extend_from_slice(if value { b"true" } else { b"false" });
                !value
            }
            Kind::Bytes => {
                let bytes = reader.bytes()?;
                put_base64(out, bytes);
                bytes.is_empty()
            }
            Kind::String | Kind::Enum(_) | Kind::Message(_) | Kind::Group(_) => false,
        })
    }

    pub(super) fn enumeration(&mut self, id: EnumId, number: i32) {
        let table = self.tables.enumeration(id);
        match table.quoted(number) {
            _ if table.is_null => self.out.extend_from_slice(b"null"),
            Some(name) if !self.print.enums_as_ints => name.put(&mut self.out),
            // For a closed enum, an unknown number is an unknown field.
            None if table.closed => {}
            _ => put_integer(&mut self.out, number),
        }
    }

    #[inline]
    pub(super) fn string(&mut self, field: &FieldTable, text: Piece<'_>) -> Outcome<()> {
        if json::put_plain_string(&mut self.out, text) {
            return Ok(());
        }
        self.other_string(field, text.bytes())
    }

    /// Prints a string that is not plain ASCII or needs an escape in JSON.
    #[inline(never)]
    fn other_string(&mut self, field: &FieldTable, bytes: &[u8]) -> Outcome<()> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Err(DecodeProblem::Utf8 { field: field.json_name.to_string() }.into());
        };
        json::put_string(&mut self.out, text);
        Ok(())
    }

    #[inline]
    pub(super) fn key(&mut self, field: &FieldTable) {
        let key = if self.print.proto_names { &field.proto_key } else { &field.json_key };
        key.put(&mut self.out);
    }

    pub(super) fn check_size(&self) -> Outcome<()> {
        let limit = self.print.limit;
        if self.out.len() > limit { Err(DecodeProblem::TooLarge { limit }.into()) } else { Ok(()) }
    }

    /// Prints the defaults of fields without presence that are not set.
    pub(super) fn print_defaults(&mut self, table: &'a MessageTable, range: std::ops::Range<usize>) {
        for field in &table.fields[range] {
            if field.name.starts_with('[') {
                continue;
            }
            let before = self.out.len();
            self.key(field);
            if self.put_default(field) {
                self.out.push(b',');
            } else {
                self.out.truncate(before);
            }
        }
    }

    /// Prints the default of a field; false if the field has presence and therefore no default.
    pub(super) fn put_default(&mut self, field: &FieldTable) -> bool {
        match field.shape {
            Shape::Explicit | Shape::Required => return false,
            Shape::Repeated | Shape::Packed => self.out.extend_from_slice(b"[]"),
            Shape::Map => self.out.extend_from_slice(b"{}"),
            Shape::Implicit => match field.kind {
                Kind::Enum(id) => self.enumeration(id, 0),
                Kind::String => self.out.extend_from_slice(b"\"\""),
                kind => {
                    // For every other kind, eight zero bytes decode to the default.
                    let zeros = Reader::new(&[0; 8]);
                    let _ = self.scalar(kind, &mut { zeros });
                }
            },
        }
        true
    }
}

/// Appends an integer; true if it is zero.
fn put<T: itoa::Integer + Default + PartialEq>(out: &mut Vec<u8>, value: T) -> bool {
    let is_zero = value == T::default();
    put_integer(out, value);
    is_zero
}

/// Appends a 64-bit integer, as a string if a JSON number might lose digits; true if it is zero.
fn put_wide<T: itoa::Integer + Default + PartialEq + Into<i128>>(out: &mut Vec<u8>, value: T, form: Int64) -> bool {
    const SAFE: u128 = (1 << 53) - 1;
    if form == Int64::Number || (form == Int64::SafeNumber && value.into().unsigned_abs() <= SAFE) {
        return put(out, value);
    }
    out.push(b'"');
    let is_zero = put(out, value);
    out.push(b'"');
    is_zero
}

pub(super) fn put_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    use base64::Engine as _;
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = base64::engine::general_purpose::STANDARD.encode_slice(bytes, &mut out[start..]);
    out.truncate(start + written.expect("four characters for three bytes are enough"));
    out.push(b'"');
}
