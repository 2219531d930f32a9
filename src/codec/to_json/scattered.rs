//! Prints messages whose fields are out of order or repeated: indexes all fields, then prints field by field.

use std::borrow::Cow;

use super::decoder::Decoder;
use super::error::Outcome;
use crate::format::wire::{self, Reader, WireError};
use crate::schema::{FieldTable, Kind, MessageTable, Shape};

impl<'a> Decoder<'a> {
    /// Prints the value that several occurrences of a singular field result in; its default if there is none.
    pub(super) fn last_value(&mut self, field: &'a FieldTable, values: &WireValues<'_>) -> Outcome<()> {
        match (field.kind, &values.last) {
            (Kind::Message(id) | Kind::Group(id), _) => self.whole(id, values.joined(field)?.as_ref().into()),
            (_, Some(last)) => self.value(field, &mut Reader::new(last.0)).map(drop),
            (Kind::String | Kind::Bytes, None) => {
                self.out.extend_from_slice(b"\"\"");
                Ok(())
            }
            (_, None) => self.value(field, &mut Reader::new(&[0; 8])).map(drop),
        }
    }

    /// Prints the value that several occurrences of a singular field result in; `values` are the bytes from each
    /// occurrence on.
    pub(super) fn last_of(&mut self, field: &'a FieldTable, values: &[&[u8]]) -> Outcome<()> {
        self.last_value(field, &values.iter().map(|at| WireValue(at)).collect())
    }

    /// Prints the members in the order of the fields, from an index of all that the bytes hold.
    pub(super) fn indexed(&mut self, table: &'a MessageTable, wire: &[u8]) -> Outcome<()> {
        let occurrences = self.index(table, wire)?;
        let mut rest = occurrences.as_slice();
        let mut next = 0;
        while let Some(first) = rest.first().map(|occurrence| occurrence.index) {
            let count = rest.iter().take_while(|other| other.index == first).count();
            let (these, others) = rest.split_at(count);
            rest = others;
            if self.print.defaults {
                self.print_defaults(table, next..first);
            }
            next = first + 1;
            let written = self.collected(&table.fields[first], these)?;
            if !written && self.print.defaults {
                self.print_defaults(table, first..next);
            }
        }
        if self.print.defaults {
            self.print_defaults(table, next..table.fields.len());
        }
        Ok(())
    }

    /// All occurrences of known fields, sorted by field. Of a oneof, only the member that came last is kept.
    pub(super) fn index<'w>(&self, table: &MessageTable, wire: &'w [u8]) -> Result<Vec<Occurrence<'w>>, WireError> {
        let mut found: Vec<Occurrence<'w>> = Vec::new();
        // For each oneof, the member that came last, and the occurrence from which on no other member came.
        let mut last: Vec<Option<(usize, usize)>> = vec![None; table.oneofs.len()];
        let mut reader = Reader::new(wire);
        while !reader.is_empty() {
            let (number, wire_type) = reader.tag()?;
            let at = reader.rest();
            if table.message_set && number == 1 && wire_type == wire::GROUP {
                if let Some((index, message)) = message_set_item(table, reader.group(number)?)? {
                    found.push(Occurrence { index, wire_type: wire::LENGTH, at: message });
                }
                continue;
            }
            reader.skip(number, wire_type)?;
            let Some(index) = table.by_number(number) else { continue };
            let field = &table.fields[index];
            if !field.is_repeated() && (wire_type != field.kind.wire_type() || self.is_unknown(field, at)?) {
                continue;
            }
            if let Some(last) = field.oneof.and_then(|oneof| last.get_mut(usize::from(oneof)))
                && last.is_none_or(|(other, _)| other != index)
            {
                *last = Some((index, found.len()));
            }
            found.push(Occurrence { index, wire_type, at });
        }
        let mut place = 0..;
        found.retain(|Occurrence { index, .. }| {
            let last = table.fields[*index].oneof.and_then(|oneof| last.get(usize::from(oneof)).copied().flatten());
            place.next().is_some_and(|place| last.is_none_or(|(member, from)| member == *index && place >= from))
        });
        found.sort_by_key(|occurrence| occurrence.index);
        Ok(found)
    }

    /// Whether the value is a number that its closed enum does not have. The message treats it as an unknown field.
    pub(super) fn is_unknown(&self, field: &FieldTable, value: &[u8]) -> Result<bool, WireError> {
        let Kind::Enum(id) = field.kind else { return Ok(false) };
        let table = self.tables.enumeration(id);
        Ok(table.closed && table.quoted(Reader::new(value).varint()? as i32).is_none())
    }

    /// Prints one field from all its occurrences.
    pub(super) fn collected(&mut self, field: &'a FieldTable, these: &[Occurrence<'_>]) -> Outcome<bool> {
        if field.shape == Shape::Map {
            let entries = these.iter().filter(|entry| entry.wire_type == wire::LENGTH);
            let entries: Result<Vec<&[u8]>, WireError> = entries.map(|entry| Reader::new(entry.at).bytes()).collect();
            return self.map(field, &entries?);
        }
        let before = self.out.len();
        self.key(field);
        let value_start = self.out.len();
        if field.is_repeated() {
            self.out.push(b'[');
            for Occurrence { wire_type, at, .. } in these {
                self.elements(field, *wire_type, &mut Reader::new(at))?;
            }
            let is_empty = self.out.len() == value_start + 1;
            self.close(b']');
            if is_empty {
                self.out.truncate(before);
                return Ok(false);
            }
        } else {
            let own = these.iter().filter(|one| one.wire_type == field.kind.wire_type());
            let values: WireValues<'_> = own.map(|one| WireValue(one.at)).collect();
            let is_default = match (&values.last, field.kind.message()) {
                (None, _) => true,
                (Some(_), Some(_)) => {
                    self.last_value(field, &values)?;
                    false
                }
                (Some(last), None) => self.value(field, &mut Reader::new(last.0))?,
            };
            if self.out.len() == value_start || (is_default && field.shape == Shape::Implicit) {
                self.out.truncate(before);
                return Ok(false);
            }
        }
        self.out.push(b',');
        Ok(true)
    }
}

/// One occurrence of a field in the bytes.
#[derive(Clone, Copy)]
pub(super) struct Occurrence<'w> {
    /// The index of the field.
    pub(super) index: usize,
    pub(super) wire_type: u8,
    /// The bytes after the tag.
    pub(super) at: &'w [u8],
}

/// The bytes of a value, starting after its tag.
pub(super) struct WireValue<'w>(pub(super) &'w [u8]);

/// The values of one singular field, in the order of the bytes. Usually there is only one, which needs no allocation.
#[derive(Default)]
pub(super) struct WireValues<'w> {
    before: Vec<WireValue<'w>>,
    pub(super) last: Option<WireValue<'w>>,
}

impl<'w> WireValues<'w> {
    pub(super) fn push(&mut self, value: WireValue<'w>) {
        self.before.extend(self.last.replace(value));
    }

    /// The content of the message that the values result in: concatenating encoded messages merges them.
    pub(super) fn joined(&self, field: &FieldTable) -> Result<Cow<'w, [u8]>, WireError> {
        match &self.last {
            None => Ok(Cow::Borrowed(&[])),
            Some(one) if self.before.is_empty() => one.inside(field).map(Cow::Borrowed),
            Some(_) => {
                let parts = self.before.iter().chain(&self.last).map(|part| part.inside(field));
                Ok(Cow::Owned(parts.collect::<Result<Vec<_>, _>>()?.concat()))
            }
        }
    }
}

impl<'w> FromIterator<WireValue<'w>> for WireValues<'w> {
    fn from_iter<T: IntoIterator<Item = WireValue<'w>>>(values: T) -> Self {
        let mut all = Self::default();
        values.into_iter().for_each(|value| all.push(value));
        all
    }
}

impl<'w> WireValue<'w> {
    /// The content of a message.
    pub(super) fn inside(&self, field: &FieldTable) -> Result<&'w [u8], WireError> {
        let mut reader = Reader::new(self.0);
        match field.kind {
            Kind::Group(_) => reader.group(field.number),
            _ => reader.bytes(),
        }
    }
}

/// Reads an item of a MessageSet: `int32 type_id = 2`, `bytes message = 3`. The returned bytes start with the length of
/// the message.
fn message_set_item<'w>(table: &MessageTable, item: &'w [u8]) -> Result<Option<(usize, &'w [u8])>, WireError> {
    let (mut type_id, mut message) = (None, None);
    let mut reader = Reader::new(item);
    while !reader.is_empty() {
        match reader.tag()? {
            (2, wire::VARINT) => type_id = u32::try_from(reader.varint()?).ok(),
            (3, wire::LENGTH) => {
                message = Some(reader.rest());
                reader.bytes()?;
            }
            (number, wire_type) => reader.skip(number, wire_type)?,
        }
    }
    Ok(type_id.and_then(|id| table.by_number(id)).zip(message))
}
