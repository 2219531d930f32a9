//! What is checked of each message type: compiled rules by field number.

use std::collections::HashMap;

use super::rules::{BytesTest, NumberTest, Rule, Sizes, TextTest};
use crate::schema::{Kind, MessageId};

/// The rules of all message types, compiled.
#[derive(Debug, Default)]
pub struct Validator {
    pub(super) messages: Vec<MessageChecks>,
    /// The indices of the message types that are checked.
    pub(super) ids: HashMap<MessageId, usize>,
}

/// What is checked of a message type.
#[derive(Debug, Default)]
pub(super) struct MessageChecks {
    /// The fields with rules, and those whose messages have some; ordered by number.
    pub(super) fields: Box<[FieldChecks]>,
    /// For small field numbers: the index of the field plus one, or 0.
    pub(super) dense: Box<[u16]>,
    /// The oneofs of which a member must be set.
    pub(super) oneofs: Box<[OneofChecks]>,
}

/// A oneof of which a member must be set.
#[derive(Debug)]
pub(super) struct OneofChecks {
    pub(super) name: Box<str>,
    pub(super) index: u16,
}

/// What is checked of a field.
#[derive(Debug)]
pub(super) struct FieldChecks {
    pub(super) number: u32,
    pub(super) name: Box<str>,
    /// The index of its oneof in the message type.
    pub(super) oneof: Option<u16>,
    /// Whether a value must be set.
    pub(super) required: bool,
    pub(super) form: Form,
}

/// How many values a field has, and what is checked of them.
#[derive(Debug)]
pub(super) enum Form {
    /// One value. Without presence, the default value counts as set for rules, and as unset for `required`.
    One {
        has_presence: bool,
        value: ValueChecks,
    },
    List(ListChecks),
    Map(MapChecks),
}

/// What is checked of a list.
#[derive(Debug)]
pub(super) struct ListChecks {
    pub(super) sizes: Vec<Rule<Sizes>>,
    pub(super) is_unique: bool,
    pub(super) items: ValueChecks,
}

/// What is checked of a map.
#[derive(Debug)]
pub(super) struct MapChecks {
    pub(super) sizes: Vec<Rule<Sizes>>,
    pub(super) keys: ValueChecks,
    pub(super) values: ValueChecks,
}

/// What is checked of one value.
#[derive(Debug)]
pub(super) struct ValueChecks {
    pub(super) kind: Kind,
    /// Whether a default value passes without a look at the rules.
    pub(super) ignores_zero: bool,
    pub(super) rules: ValueRules,
    /// The checks of its message type: their index.
    pub(super) inner: Option<usize>,
}

/// The rules of one value, by how it is read.
#[derive(Debug)]
pub(super) enum ValueRules {
    None,
    Text(Vec<Rule<TextTest>>),
    Bytes(Vec<Rule<BytesTest>>),
    /// Integers and numbers of enum values.
    Integer(Vec<Rule<NumberTest<i128>>>),
    Float(Vec<Rule<NumberTest<f64>>>),
    Truth(Vec<Rule<bool>>),
    /// A `Timestamp` or `Duration`, in nanoseconds.
    Time(Vec<Rule<NumberTest<i128>>>),
    /// The only field of a wrapper such as `StringValue`.
    Wrapped(Box<ValueChecks>),
}

impl ValueChecks {
    /// Checks nothing.
    pub(super) fn none(kind: Kind) -> Self {
        Self { kind, ignores_zero: false, rules: ValueRules::None, inner: None }
    }

    /// Whether there is nothing to check.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.rules, ValueRules::None) && self.inner.is_none()
    }
}

impl FieldChecks {
    pub(super) fn is_idle(&self) -> bool {
        let is_free = match &self.form {
            Form::One { value, .. } => value.is_idle(),
            Form::List(list) => list.sizes.is_empty() && !list.is_unique && list.items.is_idle(),
            Form::Map(map) => map.sizes.is_empty() && map.keys.is_idle() && map.values.is_idle(),
        };
        is_free && !self.required
    }
}

impl MessageChecks {
    pub(super) fn new(mut fields: Vec<FieldChecks>, oneofs: Vec<OneofChecks>) -> Self {
        const DENSE: u32 = 64;
        fields.sort_by_key(|field| field.number);
        let mut dense = vec![0; DENSE as usize];
        for (index, field) in fields.iter().enumerate().filter(|(_, field)| field.number < DENSE) {
            dense[field.number as usize] = index as u16 + 1;
        }
        Self { fields: fields.into(), dense: dense.into(), oneofs: oneofs.into() }
    }

    /// The index of the field with this number, if something is checked of it.
    pub(super) fn by_number(&self, number: u32) -> Option<usize> {
        match self.dense.get(number as usize) {
            Some(index) => usize::from(*index).checked_sub(1),
            None => self.fields.binary_search_by_key(&number, |field| field.number).ok(),
        }
    }
}
