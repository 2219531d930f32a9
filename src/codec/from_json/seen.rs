//! What an object has contained so far: its fields, or the keys of a map.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::schema::{FieldTable, MessageTable};

/// State of an object whose members are being read.
pub(super) struct Open<'a> {
    pub(super) table: &'a MessageTable,
    pub(super) seen: Bits,
    pub(super) nulls: Bits,
    /// The field after the last one read, because most writers use the order of the fields.
    pub(super) next: usize,
}

impl<'a> Open<'a> {
    pub(super) fn new(table: &'a MessageTable) -> Self {
        Self { table, seen: Bits::with_room(table.fields.len()), nulls: Bits::default(), next: 0 }
    }

    #[inline]
    pub(super) fn find(&mut self, name: &str) -> Option<usize> {
        let index = match self.table.fields.get(self.next) {
            Some(field) if *field.json_name == *name => self.next,
            _ => self.table.by_name(name)?,
        };
        self.next = index + 1;
        Some(index)
    }

    /// Another field of this oneof that has a value.
    pub(super) fn sibling(&self, index: usize, oneof: u16) -> Option<usize> {
        let is_given = |&(other, field): &(usize, &FieldTable)| {
            other != index && field.oneof == Some(oneof) && self.seen.contains(other) && !self.nulls.contains(other)
        };
        self.table.fields.iter().enumerate().find(is_given).map(|(other, _)| other)
    }
}

/// The key of a map entry.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Key<'a> {
    Text(Cow<'a, str>),
    /// In wire format, because two spellings of a number are the same key.
    Number([u8; 16]),
}

/// The keys of a map, stored without an allocation if they are few.
#[derive(Default)]
pub(super) struct Keys<'a> {
    few: [Option<Key<'a>>; 8],
    many: HashSet<Key<'a>>,
}

impl<'a> Keys<'a> {
    /// Adds a key; false if it was there already.
    pub(super) fn insert(&mut self, key: Key<'a>) -> bool {
        for place in &mut self.few {
            match place {
                Some(known) if *known == key => return false,
                Some(_) => {}
                None => {
                    *place = Some(key);
                    return true;
                }
            }
        }
        self.many.insert(key)
    }
}

/// A set of fields of one message.
#[derive(Debug, Default)]
pub(super) struct Bits {
    first: u64,
    /// The fields from index 64 on; few messages have any.
    rest: Vec<u64>,
}

impl Bits {
    fn with_room(fields: usize) -> Self {
        Self { first: 0, rest: vec![0; fields.saturating_sub(1) / 64] }
    }

    /// Adds a field; false if it was there already.
    #[inline]
    pub(super) fn insert(&mut self, index: usize) -> bool {
        let (word, bit) = (index / 64, 1 << (index % 64));
        let word = if word == 0 { &mut self.first } else { self.word(word - 1) };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn word(&mut self, place: usize) -> &mut u64 {
        if self.rest.len() <= place {
            self.rest.resize(place + 1, 0);
        }
        &mut self.rest[place]
    }

    #[inline]
    pub(super) fn contains(&self, index: usize) -> bool {
        let word = if index < 64 { self.first } else { self.rest.get(index / 64 - 1).copied().unwrap_or(0) };
        word & 1 << (index % 64) != 0
    }
}
