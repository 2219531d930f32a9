//! What is checked of each message type: compiled rules by field number.

use std::collections::HashMap;

use super::cel::{Expression, Values};
use super::rules::{BytesTest, MaskTest, NumberTest, Rule, Sizes, TextTest};
use crate::schema::{Kind, MessageId};

/// The rules of all message types, compiled.
#[derive(Debug, Default)]
pub struct Validator {
    pub(super) messages: Vec<MessageChecks>,
    /// The indices of the message types that are checked.
    pub(super) ids: HashMap<MessageId, usize>,
    /// Makes values for CEL expressions; `None` if nothing is checked.
    pub(super) values: Option<Values>,
    /// Whether there are CEL expressions.
    pub(super) has_cel: bool,
}

/// What is checked of a message type.
#[derive(Debug)]
pub(super) struct MessageChecks {
    pub(super) id: MessageId,
    /// The fields with rules, and those whose messages have some; ordered by number.
    pub(super) fields: Box<[FieldChecks]>,
    /// For small field numbers: the index of the field plus one, or 0.
    pub(super) dense: Box<[u16]>,
    /// The oneofs of which a member must be set.
    pub(super) oneofs: Box<[OneofChecks]>,
    /// Expressions about the message.
    pub(super) cel: Vec<CelRule>,
    /// Fields of which at most one may be set.
    pub(super) choices: Vec<Choice>,
    /// Whether there are expressions about the message or its lists and maps.
    pub(super) needs_tree: bool,
}

/// A CEL expression that must hold.
#[derive(Debug)]
pub(super) struct CelRule {
    pub(super) id: Box<str>,
    /// What is reported, unless the expression returns another text.
    pub(super) expected: Box<str>,
    /// Whether the rule has a message, which counts more than what the expression returns.
    pub(super) has_message: bool,
    pub(super) expression: Expression,
}

/// Fields of which at most one may be set.
#[derive(Debug)]
pub(super) struct Choice {
    /// Their numbers.
    pub(super) fields: Vec<u32>,
    /// Whether one must be set.
    pub(super) required: bool,
    /// What is reported if none is set.
    pub(super) none: Box<str>,
    /// What is reported if several are set.
    pub(super) several: Box<str>,
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
    /// Whether the rules say when they are ignored.
    pub(super) has_ignore: bool,
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
    pub(super) all: AllChecks,
    pub(super) is_unique: bool,
    pub(super) items: ValueChecks,
}

/// What is checked of a map.
#[derive(Debug)]
pub(super) struct MapChecks {
    pub(super) all: AllChecks,
    pub(super) keys: ValueChecks,
    pub(super) values: ValueChecks,
}

/// What is checked of a list or a map as a whole.
#[derive(Debug, Default)]
pub(super) struct AllChecks {
    pub(super) sizes: Vec<Rule<Sizes>>,
    pub(super) cel: Vec<CelRule>,
    /// Whether an empty one passes without a look at the rules.
    pub(super) ignores_zero: bool,
}

/// What is checked of one value.
#[derive(Debug)]
pub(super) struct ValueChecks {
    pub(super) kind: Kind,
    /// Whether a default value passes without a look at the rules.
    pub(super) ignores_zero: bool,
    pub(super) rules: ValueRules,
    pub(super) cel: Vec<CelRule>,
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
    /// The type URL of an `Any`.
    AnyType(Vec<Rule<TextTest>>),
    /// The paths of a `FieldMask`.
    Mask(Vec<Rule<MaskTest>>),
    /// The only field of a wrapper such as `StringValue`.
    Wrapped(Box<ValueChecks>),
}

impl ValueChecks {
    /// Checks nothing.
    pub(super) fn none(kind: Kind) -> Self {
        Self { kind, ignores_zero: false, rules: ValueRules::None, cel: Vec::new(), inner: None }
    }

    /// Whether there is nothing to check.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.rules, ValueRules::None) && self.cel.is_empty() && self.inner.is_none()
    }
}

impl AllChecks {
    fn is_idle(&self) -> bool {
        self.sizes.is_empty() && self.cel.is_empty()
    }
}

impl FieldChecks {
    /// The expressions about the list or map.
    fn cel_of_all(&self) -> &[CelRule] {
        match &self.form {
            Form::One { .. } => &[],
            Form::List(list) => &list.all.cel,
            Form::Map(map) => &map.all.cel,
        }
    }

    /// Lets a default value pass, unless the field has presence.
    pub(super) fn ignore_zero(&mut self) {
        match &mut self.form {
            Form::One { has_presence, value } => value.ignores_zero = !*has_presence,
            Form::List(list) => list.all.ignores_zero = true,
            Form::Map(map) => map.all.ignores_zero = true,
        }
    }

    /// Whether there are expressions.
    pub(super) fn has_cel(&self) -> bool {
        let inside = match &self.form {
            Form::One { value, .. } => !value.cel.is_empty(),
            Form::List(list) => !list.items.cel.is_empty(),
            Form::Map(map) => !map.keys.cel.is_empty() || !map.values.cel.is_empty(),
        };
        inside || !self.cel_of_all().is_empty()
    }

    pub(super) fn is_idle(&self) -> bool {
        let is_free = match &self.form {
            Form::One { value, .. } => value.is_idle(),
            Form::List(list) => list.all.is_idle() && !list.is_unique && list.items.is_idle(),
            Form::Map(map) => map.all.is_idle() && map.keys.is_idle() && map.values.is_idle(),
        };
        is_free && !self.required
    }
}

impl MessageChecks {
    pub(super) fn new(
        id: MessageId,
        mut fields: Vec<FieldChecks>,
        oneofs: Vec<OneofChecks>,
        (cel, choices): (Vec<CelRule>, Vec<Choice>),
    ) -> Self {
        const DENSE: u32 = 64;
        fields.sort_by_key(|field| field.number);
        let mut dense = vec![0; DENSE as usize];
        for (index, field) in fields.iter().enumerate().filter(|(_, field)| field.number < DENSE) {
            dense[field.number as usize] = index as u16 + 1;
        }
        let needs_tree = !cel.is_empty() || fields.iter().any(|field| !field.cel_of_all().is_empty());
        Self { id, fields: fields.into(), dense: dense.into(), oneofs: oneofs.into(), cel, choices, needs_tree }
    }

    /// An expression about the message, or about one of its lists and maps.
    pub(super) fn first_cel(&self) -> Option<&CelRule> {
        self.cel.first().or_else(|| self.fields.iter().find_map(|field| field.cel_of_all().first()))
    }

    /// The index of the field with this number, if something is checked of it.
    pub(super) fn by_number(&self, number: u32) -> Option<usize> {
        match self.dense.get(number as usize) {
            Some(index) => usize::from(*index).checked_sub(1),
            None => self.fields.binary_search_by_key(&number, |field| field.number).ok(),
        }
    }
}
