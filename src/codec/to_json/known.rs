//! Converts wire format to JSON for messages with a special ProtoJSON form.

use std::borrow::Cow;
use std::collections::HashMap;

use super::decoder::{Decoder, put_base64};
use super::error::{DecodeProblem, Outcome};
use crate::codec::number::put_double;
use crate::codec::time::{self, Span};
use crate::format::json::put_string;
use crate::format::wire::{FIXED64, LENGTH, Reader, VARINT, WireError};
use crate::schema::{self, MessageTable, WellKnown};

impl<'a> Decoder<'a> {
    pub(super) fn known(&mut self, table: &'a MessageTable, known: WellKnown, wire: &[u8]) -> Outcome<()> {
        let no_form = || Box::new(DecodeProblem::NoForm { message: table.name.to_string() });
        match known {
            WellKnown::No => Err(no_form()),
            WellKnown::Any => self.any(wire),
            WellKnown::Timestamp => {
                time::put_timestamp(&mut self.out, Span::read(wire)?).then_some(()).ok_or_else(no_form)
            }
            WellKnown::Duration => {
                time::put_duration(&mut self.out, Span::read(wire)?).then_some(()).ok_or_else(no_form)
            }
            WellKnown::FieldMask => self.field_mask(wire)?.ok_or_else(no_form),
            WellKnown::Struct => self.structure(wire),
            WellKnown::Value => self.any_value(wire)?.ok_or_else(no_form),
            WellKnown::ListValue => self.list_value(wire),
            WellKnown::Wrapper => self.wrapper(table, wire),
        }
    }

    /// Prints the only field, or its default.
    fn wrapper(&mut self, table: &'a MessageTable, wire: &[u8]) -> Outcome<()> {
        let Some(field) = table.fields.first() else {
            return Err(DecodeProblem::NoForm { message: table.name.to_string() }.into());
        };
        let values = occurrences(wire, field.number, field.kind.wire_type())?;
        self.last_of(field, &values)
    }

    /// any.proto: `@type`, followed by the members of the message or by its special form in `value`.
    fn any(&mut self, wire: &[u8]) -> Outcome<()> {
        let url = last_bytes(wire, 1)?;
        let value = last_bytes(wire, 2)?;
        if url.is_empty() && value.is_empty() {
            self.out.extend_from_slice(b"{}");
            return Ok(());
        }
        let unknown = |url: &[u8]| Box::new(DecodeProblem::AnyType { url: shown(&String::from_utf8_lossy(url)) });
        let url = std::str::from_utf8(url).map_err(|_| unknown(url))?;
        let name = url.split_once('/').and_then(|_| url.rsplit('/').next());
        let Some((tables, inner)) = name.and_then(|name| schema::find_any(self.descriptors, name)) else {
            return if self.print.unknown_any { self.any_bytes(url, value) } else { Err(unknown(url.as_bytes())) };
        };
        let table = tables.message(inner);
        if table.by_name("@type").is_some() {
            // A field with this `json_name` would clash with the `@type` of the Any.
            let no_form = || DecodeProblem::NoForm { message: table.name.to_string() }.into();
            return if self.print.unknown_any { self.any_bytes(url, value) } else { Err(no_form()) };
        }
        self.out.extend_from_slice(b"{\"@type\":");
        put_string(&mut self.out, url);
        self.out.push(b',');
        let around = std::mem::replace(&mut self.tables, tables);
        if table.known == WellKnown::No {
            self.nested(|this| this.fields(table, value.into()))?;
            self.close(b'}');
        } else {
            self.out.extend_from_slice(b"\"value\":");
            self.whole(inner, value.into())?;
            self.out.push(b'}');
        }
        self.tables = around;
        Ok(())
    }

    /// Prints an Any whose content cannot be printed as JSON.
    fn any_bytes(&mut self, url: &str, value: &[u8]) -> Outcome<()> {
        self.out.extend_from_slice(b"{\"@type\":");
        put_string(&mut self.out, url);
        self.out.extend_from_slice(b",\"value\":");
        put_base64(&mut self.out, value);
        self.out.push(b'}');
        self.check_size()
    }

    fn field_mask(&mut self, wire: &[u8]) -> Outcome<Option<()>> {
        Ok(mask_text(wire)?.map(|text| put_string(&mut self.out, &text)))
    }

    /// struct.proto: `map<string, Value> fields = 1`. If several entries have the same key, the last counts.
    fn structure(&mut self, wire: &[u8]) -> Outcome<()> {
        let mut entries: Vec<(&[u8], Cow<'_, [u8]>)> = Vec::new();
        let mut places: HashMap<&[u8], usize> = HashMap::new();
        for entry in occurrences(wire, 1, LENGTH)? {
            let entry = Reader::new(entry).bytes()?;
            let (key, value) = (last_bytes(entry, 1)?, joined(entry, 2)?);
            match places.get(key) {
                Some(&place) => entries[place].1 = value,
                None => {
                    places.insert(key, entries.len());
                    entries.push((key, value));
                }
            }
        }
        self.out.push(b'{');
        for (key, value) in entries {
            self.text(key)?;
            self.out.push(b':');
            self.nested_value(&value)?;
            self.out.push(b',');
        }
        self.close(b'}');
        Ok(())
    }

    fn list_value(&mut self, wire: &[u8]) -> Outcome<()> {
        self.out.push(b'[');
        for value in occurrences(wire, 1, LENGTH)? {
            self.nested_value(Reader::new(value).bytes()?)?;
            self.out.push(b',');
        }
        self.close(b']');
        Ok(())
    }

    fn nested_value(&mut self, wire: &[u8]) -> Outcome<()> {
        let problem = || Box::new(DecodeProblem::NoForm { message: "google.protobuf.Value".to_owned() });
        self.nested(|this| this.any_value(wire)?.ok_or_else(problem))
    }

    /// struct.proto: prints the member of the oneof `kind` that came last; the parts of an object or list are joined.
    /// `None` for a number that JSON cannot express.
    fn any_value(&mut self, wire: &[u8]) -> Outcome<Option<()>> {
        let mut reader = Reader::new(wire);
        let mut last: (u32, &[u8]) = (1, &[0]);
        let mut is_set = false;
        // Starts where only this member follows.
        let mut run = wire;
        while !reader.is_empty() {
            let from = reader.rest();
            let (number, wire_type) = reader.tag()?;
            let at = reader.rest();
            reader.skip(number, wire_type)?;
            if matches!((number, wire_type), (1 | 4, VARINT) | (2, FIXED64) | (3 | 5 | 6, LENGTH)) {
                if number != last.0 {
                    run = from;
                }
                (last, is_set) = ((number, at), true);
            }
        }
        let mut reader = Reader::new(last.1);
        match last.0 {
            // An empty Value; it also stands for the missing value of an entry in a Struct.
            _ if !is_set => self.out.extend_from_slice(b"null"),
            1 => self.out.extend_from_slice(b"null"),
            2 => {
                let number = f64::from_bits(reader.fixed64()?);
                if !number.is_finite() {
                    return Ok(None);
                }
                put_double(&mut self.out, number);
            }
            3 => self.text(reader.bytes()?)?,
            4 => self.out.extend_from_slice(if reader.varint()? == 0 { b"false" } else { b"true" }),
            5 => self.nested(|this| this.structure(&joined(run, 5)?))?,
            _ => self.nested(|this| this.list_value(&joined(run, 6)?))?,
        }
        Ok(Some(()))
    }

    fn text(&mut self, bytes: &[u8]) -> Outcome<()> {
        let text = std::str::from_utf8(bytes);
        let text = text.map_err(|_| Box::new(DecodeProblem::Utf8 { field: "google.protobuf.Value".to_owned() }))?;
        put_string(&mut self.out, text);
        Ok(())
    }
}

/// The paths of a FieldMask as in JSON; `None` if JSON cannot express them.
pub(super) fn mask_text(wire: &[u8]) -> Result<Option<String>, WireError> {
    let mut paths = Vec::new();
    for path in occurrences(wire, 1, LENGTH)? {
        let path = std::str::from_utf8(Reader::new(path).bytes()?).ok().and_then(time::camel);
        let Some(path) = path else { return Ok(None) };
        paths.push(path);
    }
    Ok(Some(paths.join(",")))
}

/// A type URL for the log, shortened to 200 bytes.
fn shown(url: &str) -> String {
    const LONGEST: usize = 200;
    url[..url.floor_char_boundary(LONGEST)].escape_debug().to_string()
}

/// The last value of a length-delimited field; empty if there is none.
pub(super) fn last_bytes(wire: &[u8], number: u32) -> Result<&[u8], WireError> {
    match occurrences(wire, number, LENGTH)?.last() {
        Some(last) => Reader::new(last).bytes(),
        None => Ok(&[]),
    }
}

/// The values of a length-delimited field, concatenated: concatenating encoded messages merges them.
fn joined(wire: &[u8], wanted: u32) -> Result<Cow<'_, [u8]>, WireError> {
    let mut all = Cow::Borrowed(&[][..]);
    let mut reader = Reader::new(wire);
    while !reader.is_empty() {
        let (number, wire_type) = reader.tag()?;
        if (number, wire_type) != (wanted, LENGTH) {
            reader.skip(number, wire_type)?;
        } else if all.is_empty() {
            all = Cow::Borrowed(reader.bytes()?);
        } else {
            all.to_mut().extend_from_slice(reader.bytes()?);
        }
    }
    Ok(all)
}

/// The positions after the tags of a field's values.
fn occurrences(wire: &[u8], wanted: u32, wanted_type: u8) -> Result<Vec<&[u8]>, WireError> {
    let mut found = Vec::new();
    let mut reader = Reader::new(wire);
    while !reader.is_empty() {
        let (number, wire_type) = reader.tag()?;
        let at = reader.rest();
        reader.skip(number, wire_type)?;
        if (number, wire_type) == (wanted, wanted_type) {
            found.push(at);
        }
    }
    Ok(found)
}
