//! What an object has given so far: its fields, or the keys of a map.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::schema::{FieldTable, MessageTable};

/// An object whose members are being read.
pub(super) struct Open<'a> {
    pub(super) table: &'a MessageTable,
    pub(super) seen: Bits,
    pub(super) nulls: Bits,
    /// The field that comes after the last: most writers keep to the order of the fields.
    pub(super) next: usize,
}

impl<'a> Open<'a> {
    pub(super) fn new(table: &'a MessageTable) -> Self {
        Self { table, seen: Bits::new(table.fields.len()), nulls: Bits::default(), next: 0 }
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

    /// Another field of the oneof that has a value.
    pub(super) fn sibling(&self, index: usize, oneof: u16) -> Option<usize> {
        let is_given = |&(other, field): &(usize, &FieldTable)| {
            other != index && field.oneof == Some(oneof) && self.seen.contains(other) && !self.nulls.contains(other)
        };
        self.table.fields.iter().enumerate().find(is_given).map(|(other, _)| other)
    }
}

/// The keys of a map; those of a small map need no memory of their own.
#[derive(Default)]
pub(super) struct Keys<'a> {
    few: [Option<Cow<'a, [u8]>>; 8],
    many: HashSet<Cow<'a, [u8]>>,
}

impl<'a> Keys<'a> {
    /// False if it was among them.
    pub(super) fn insert(&mut self, key: Cow<'a, [u8]>) -> bool {
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

/// A set of the fields of one message.
#[derive(Debug, Default)]
pub(super) struct Bits {
    first: u128,
    /// For the fields from 128 on, of which few messages have any.
    rest: Vec<bool>,
}

impl Bits {
    fn new(fields: usize) -> Self {
        Self { first: 0, rest: vec![false; fields.saturating_sub(128)] }
    }

    /// False if it was in the set.
    #[inline]
    pub(super) fn insert(&mut self, index: usize) -> bool {
        if index < 128 {
            let bit = 1 << index;
            let is_new = self.first & bit == 0;
            self.first |= bit;
            return is_new;
        }
        if self.rest.len() <= index - 128 {
            self.rest.resize(index - 127, false);
        }
        !std::mem::replace(&mut self.rest[index - 128], true)
    }

    #[inline]
    pub(super) fn contains(&self, index: usize) -> bool {
        if index < 128 { self.first & 1 << index != 0 } else { self.rest.get(index - 128) == Some(&true) }
    }
}
