//! Prints maps: entries in wire format become members of an object.

use std::collections::HashSet;

use super::decoder::Decoder;
use super::error::{DecodeProblem, Outcome};
use super::scattered::{WireValue, WireValues};
use crate::format::wire::{self, Reader, WireError};
use crate::schema::{FieldTable, Kind};

/// The most entries of a small map.
const FEW: usize = 8;

impl<'a> Decoder<'a> {
    /// Prints the consecutive entries of a map.
    pub(super) fn map_run(&mut self, field: &'a FieldTable, wire_type: u8, reader: &mut Reader<'_>) -> Outcome<bool> {
        let (before, start) = (self.out.len(), *reader);
        if wire_type == wire::LENGTH && self.few_entries(field, reader)? {
            return Ok(true);
        }
        self.out.truncate(before);
        *reader = start;
        let mut counted = *reader;
        let count = entries(field, wire_type, &mut counted, |_| {})?;
        let mut found = Vec::with_capacity(count);
        entries(field, wire_type, reader, |entry| found.push(entry))?;
        self.map(field, &found)
    }

    /// Prints a small map with distinct keys whose entries all have a key and a value. Most maps are like that, and
    /// need no allocation here. Returns false for any other map; output and reader are then in an undefined position.
    fn few_entries(&mut self, field: &'a FieldTable, reader: &mut Reader<'_>) -> Outcome<bool> {
        let table = field.kind.message().map(|id| self.tables.message(id));
        let Some([key_field, value_field]) = table.map(|table| &table.fields[..]) else { return Ok(false) };
        if key_field.kind != Kind::String {
            return Ok(false);
        }
        let mut keys: [&[u8]; FEW] = [&[]; FEW];
        self.key(field);
        self.out.push(b'{');
        for count in 0.. {
            let mut entry = Reader::from(reader.piece()?);
            if count == FEW || entry.is_empty() || entry.tag()? != (1, wire::LENGTH) {
                return Ok(false);
            }
            let key = entry.piece()?;
            let is_value = !entry.is_empty() && entry.tag()? == (2, value_field.kind.wire_type());
            if !is_value || keys[..count].contains(&key.bytes()) {
                return Ok(false);
            }
            keys[count] = key.bytes();
            self.string(key_field, key)?;
            self.out.push(b':');
            let start = self.out.len();
            self.value(value_field, &mut entry)?;
            if self.out.len() == start || !entry.is_empty() {
                return Ok(false);
            }
            self.out.push(b',');
            self.check_size()?;
            match reader.tag_of(field.number) {
                Some(wire::LENGTH) => {}
                Some(_) => return Ok(false),
                None => break,
            }
        }
        self.close(b'}');
        self.out.push(b',');
        Ok(true)
    }

    /// Prints a map from its entries. If several entries have the same key, the last counts.
    pub(super) fn map(&mut self, field: &'a FieldTable, entries: &[&[u8]]) -> Outcome<bool> {
        let Some((key_field, value_field)) = self.entry_fields(field) else { return Ok(false) };
        let read = self.read_entries(key_field, value_field, entries)?;
        let before = self.out.len();
        self.key(field);
        self.out.push(b'{');
        let start = self.out.len();
        for (key, value) in &read {
            self.entry(key_field, value_field, key, value)?;
        }
        if self.out.len() == start {
            self.out.truncate(before);
            return Ok(false);
        }
        self.close(b'}');
        self.out.push(b',');
        Ok(true)
    }

    /// The key and value fields of a map's entries.
    pub(super) fn entry_fields(&self, field: &FieldTable) -> Option<(&'a FieldTable, &'a FieldTable)> {
        match &*self.tables.message(field.kind.message()?).fields {
            [key, value] => Some((key, value)),
            _ => None,
        }
    }

    /// The keys and values of a map. If several entries have the same key, the last counts.
    pub(super) fn read_entries<'w>(
        &self,
        key_field: &FieldTable,
        value_field: &FieldTable,
        entries: &[&'w [u8]],
    ) -> Result<Vec<(MapKey<'w>, WireValues<'w>)>, WireError> {
        let mut read = Vec::with_capacity(entries.len());
        for entry in entries {
            let (key, values) = entry_of(entry, key_field, value_field)?;
            let value = values.last.as_ref().map(|value| self.is_unknown(value_field, value.0));
            // If the value is a number that a closed enum does not have, the whole entry counts as an unknown field.
            if !value.transpose()?.unwrap_or(false) {
                read.push((key, values));
            }
        }
        drop_overridden(&mut read);
        Ok(read)
    }

    /// A key as written in a query parameter. Overwrites the output.
    pub(super) fn key_text(&mut self, key_field: &FieldTable, key: &MapKey<'_>) -> Outcome<String> {
        if let MapKey::Text(text) = key {
            let text = std::str::from_utf8(text).map(str::to_owned);
            return text.map_err(|_| DecodeProblem::Utf8 { field: key_field.json_name.to_string() }.into());
        }
        self.out.clear();
        self.put_key(key_field, key)?;
        Ok(String::from_utf8_lossy(&self.out).trim_matches('"').to_owned())
    }

    fn entry(
        &mut self,
        key_field: &'a FieldTable,
        value_field: &'a FieldTable,
        key: &MapKey<'_>,
        value: &WireValues<'_>,
    ) -> Outcome<()> {
        let before = self.out.len();
        self.put_key(key_field, key)?;
        self.out.push(b':');
        let start = self.out.len();
        self.last_value(value_field, value)?;
        if self.out.len() == start {
            self.out.truncate(before);
        } else {
            self.out.push(b',');
        }
        self.check_size()
    }

    fn put_key(&mut self, key_field: &FieldTable, key: &MapKey<'_>) -> Outcome<()> {
        match key {
            MapKey::Text(text) => self.string(key_field, (*text).into())?,
            MapKey::Number(wire) => {
                let bytes = wire.to_le_bytes();
                let (varint, size) = wire::varint(*wire);
                let mut reader = if key_field.kind.wire_type() == wire::VARINT {
                    Reader::new(&varint[..size])
                } else {
                    Reader::new(&bytes)
                };
                let start = self.out.len();
                self.scalar(key_field.kind, &mut reader)?;
                // A 64-bit integer may be quoted already.
                if self.out.get(start) != Some(&b'"') {
                    self.out.insert(start, b'"');
                    self.out.push(b'"');
                }
            }
        }
        Ok(())
    }
}

/// Passes consecutive entries to `take` and counts them.
fn entries<'w>(
    field: &FieldTable,
    mut wire_type: u8,
    reader: &mut Reader<'w>,
    mut take: impl FnMut(&'w [u8]),
) -> Result<usize, WireError> {
    let mut count = 0;
    loop {
        if wire_type == wire::LENGTH {
            take(reader.bytes()?);
            count += 1;
        } else {
            reader.skip(field.number, wire_type)?;
        }
        match reader.tag_of(field.number) {
            Some(next_type) => wire_type = next_type,
            None => return Ok(count),
        }
    }
}

/// The key of an entry: a string, or the bits of any other type.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
pub(super) enum MapKey<'w> {
    Text(&'w [u8]),
    Number(u64),
}

/// Key and value of an entry; missing ones have their default.
fn entry_of<'w>(
    entry: &'w [u8],
    key_field: &FieldTable,
    value_field: &FieldTable,
) -> Result<(MapKey<'w>, WireValues<'w>), WireError> {
    let mut key = if key_field.kind == Kind::String { MapKey::Text(&[]) } else { MapKey::Number(0) };
    let mut values = WireValues::default();
    let mut reader = Reader::new(entry);
    while !reader.is_empty() {
        let (number, wire_type) = reader.tag()?;
        if number == 1 && wire_type == key_field.kind.wire_type() {
            key = match wire_type {
                wire::LENGTH => MapKey::Text(reader.bytes()?),
                wire::FIXED32 => MapKey::Number(u64::from(reader.fixed32()?)),
                wire::FIXED64 => MapKey::Number(reader.fixed64()?),
                _ => MapKey::Number(normal(key_field.kind, reader.varint()?)),
            };
        } else {
            let at = reader.rest();
            reader.skip(number, wire_type)?;
            if number == 2 && wire_type == value_field.kind.wire_type() {
                values.push(WireValue(at));
            }
        }
    }
    Ok((key, values))
}

/// Normalizes varints so that equal keys have equal bits.
fn normal(kind: Kind, varint: u64) -> u64 {
    match kind {
        Kind::Bool => u64::from(varint != 0),
        Kind::Int32 => i64::from(varint as i32) as u64,
        Kind::Uint32 | Kind::Sint32 => u64::from(varint as u32),
        _ => varint,
    }
}

/// Of several entries with the same key, keeps the last.
fn drop_overridden(entries: &mut Vec<(MapKey<'_>, WireValues<'_>)>) {
    if entries.len() <= FEW {
        // Too few for a hash set to be worth its memory.
        let mut place = 0;
        while place < entries.len() {
            let is_overridden = entries[place + 1..].iter().any(|(key, _)| *key == entries[place].0);
            if is_overridden { drop(entries.remove(place)) } else { place += 1 }
        }
        return;
    }
    let mut seen = HashSet::with_capacity(entries.len());
    let mut keep: Vec<bool> = entries.iter().rev().map(|(key, _)| seen.insert(*key)).collect();
    if keep.iter().all(|&keep| keep) {
        return;
    }
    entries.retain(|_| keep.pop() == Some(true));
}
