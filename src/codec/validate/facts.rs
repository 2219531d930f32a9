//! What rules say of a field, for documents: the part that other languages of schemas can say too.

use std::ops::Bound;

use super::check::Checks;
use super::rules::{NumberTest, Rule, Sizes, TextTest};
use super::tables::{AllChecks, FieldChecks, Form, ValueChecks, ValueRules};
use crate::schema::{Kind, Message};

/// What rules say of a field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldFacts {
    /// Whether the rules demand a value: `required`, or because the default violates them.
    pub must_be_set: bool,
    /// Whether a value without presence must not be the default.
    pub is_nonzero: bool,
    /// Whether the default passes although other rules forbid it.
    pub allows_zero: bool,
    /// The number of items or entries.
    pub least: u64,
    /// `u64::MAX` if there is no limit.
    pub most: u64,
    pub is_unique: bool,
    /// Of the value, of each item, or of each value of a map.
    pub value: Vec<ValueFact>,
    /// Of each key of a map.
    pub keys: Vec<ValueFact>,
}

/// What a rule says of one value. Rules that cannot be said so are left out.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueFact {
    /// The number of Unicode code points.
    Length {
        least: u64,
        most: u64,
    },
    /// A regular expression in the syntax of the crate `regex`.
    Pattern(String),
    /// The name of a format in `buf.validate.StringRules`.
    Format(String),
    Begins(String),
    Ends(String),
    Contains(String),
    Lacks(String),
    Texts(Vec<String>),
    NotTexts(Vec<String>),
    Truth(bool),
    Within(Bound<i128>, Bound<i128>),
    Outside(Bound<i128>, Bound<i128>),
    Integers(Vec<i128>),
    NotIntegers(Vec<i128>),
    WithinDouble(Bound<f64>, Bound<f64>),
}

impl Checks {
    /// What the rules say of a field of a message type; `None` if they say nothing of it.
    #[must_use]
    pub fn facts(&self, message: &Message, number: u32) -> Option<FieldFacts> {
        let checks = self.of_message(message)?;
        Some(facts(&checks.fields[checks.by_number(number)?]))
    }

    /// The names of the oneofs of which a field must be set.
    #[must_use]
    pub fn required_oneofs(&self, message: &Message) -> Vec<&str> {
        let oneofs = self.of_message(message).map(|checks| &checks.oneofs);
        oneofs.into_iter().flatten().map(|oneof| &*oneof.name).collect()
    }
}

fn facts(field: &FieldChecks) -> FieldFacts {
    let none = FieldFacts {
        must_be_set: field.required,
        is_nonzero: false,
        allows_zero: false,
        least: 0,
        most: u64::MAX,
        is_unique: false,
        value: Vec::new(),
        keys: Vec::new(),
    };
    match &field.form {
        Form::One { has_presence, value } => {
            let is_wrong = !has_presence && !default_passes(value);
            FieldFacts {
                must_be_set: field.required || is_wrong,
                is_nonzero: field.required && !has_presence,
                allows_zero: value.ignores_zero && !field.required,
                value: of_value(value),
                ..none
            }
        }
        Form::List(list) => {
            let (least, most) = counts(&list.all, field.required);
            let is_unique = list.is_unique && !matches!(list.items.kind, Kind::Float | Kind::Double);
            FieldFacts {
                must_be_set: field.required || (least > 0 && !list.all.ignores_zero),
                least: if list.all.ignores_zero && !field.required { 0 } else { least },
                most,
                is_unique,
                value: of_element(&list.items),
                ..none
            }
        }
        Form::Map(map) => {
            let (least, most) = counts(&map.all, field.required);
            FieldFacts {
                must_be_set: field.required || (least > 0 && !map.all.ignores_zero),
                least: if map.all.ignores_zero && !field.required { 0 } else { least },
                most,
                value: of_element(&map.values),
                keys: of_element(&map.keys),
                ..none
            }
        }
    }
}

/// The limits of the number of items.
fn counts(all: &AllChecks, required: bool) -> (u64, u64) {
    let least = all.sizes.iter().map(|rule| rule.test.least).max().unwrap_or(0);
    let most = all.sizes.iter().map(|rule| rule.test.most).min().unwrap_or(u64::MAX);
    (least.max(u64::from(required)), most)
}

/// Whether the default of the type passes the rules that can be said.
fn default_passes(value: &ValueChecks) -> bool {
    if value.ignores_zero {
        return true;
    }
    match &value.rules {
        ValueRules::Text(rules) => rules.iter().all(|rule| rule.test.passes("")),
        ValueRules::Bytes(rules) => rules.iter().all(|rule| rule.test.passes(&[])),
        ValueRules::Integer(rules) => rules.iter().all(|rule| rule.test.passes(0)),
        ValueRules::Float(rules) => rules.iter().all(|rule| rule.test.passes(0.0)),
        ValueRules::Truth(rules) => rules.iter().all(|rule| !rule.test),
        _ => true,
    }
}

/// The facts of an item, a key or a value. One that may be the default is not described.
fn of_element(value: &ValueChecks) -> Vec<ValueFact> {
    if value.ignores_zero { Vec::new() } else { of_value(value) }
}

fn of_value(value: &ValueChecks) -> Vec<ValueFact> {
    match &value.rules {
        ValueRules::Text(rules) => rules.iter().filter_map(of_text).collect(),
        ValueRules::Integer(rules) => rules.iter().filter_map(|rule| of_integer(&rule.test)).collect(),
        ValueRules::Float(rules) if value.kind == Kind::Double => {
            let within = |rule: &Rule<NumberTest<f64>>| match &rule.test {
                NumberTest::Within(low, high) => Some(ValueFact::WithinDouble(*low, *high)),
                _ => None,
            };
            rules.iter().filter_map(within).collect()
        }
        ValueRules::Truth(rules) => rules.iter().map(|rule| ValueFact::Truth(rule.test)).collect(),
        _ => Vec::new(),
    }
}

fn of_text(rule: &Rule<TextTest>) -> Option<ValueFact> {
    let sorted = |texts: &std::collections::HashSet<Box<str>>| {
        let mut texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        texts.sort();
        texts
    };
    Some(match &rule.test {
        TextTest::Is(text) => ValueFact::Texts(vec![text.to_string()]),
        TextTest::Length(Sizes { least, most }) => ValueFact::Length { least: *least, most: *most },
        TextTest::Matches(pattern) => ValueFact::Pattern(pattern.as_str().to_owned()),
        TextTest::BeginsWith(text) => ValueFact::Begins(text.to_string()),
        TextTest::EndsWith(text) => ValueFact::Ends(text.to_string()),
        TextTest::Contains(text) => ValueFact::Contains(text.to_string()),
        TextTest::Lacks(text) => ValueFact::Lacks(text.to_string()),
        TextTest::In(texts) => ValueFact::Texts(sorted(texts)),
        TextTest::NotIn(texts) => ValueFact::NotTexts(sorted(texts)),
        TextTest::Format(_) | TextTest::FormatUnlessEmpty(_) => {
            ValueFact::Format(rule.id.strip_prefix("string.").unwrap_or(&rule.id).to_owned())
        }
        TextTest::NotEmpty => ValueFact::Length { least: 1, most: u64::MAX },
        TextTest::Bytes(_) => return None,
    })
}

fn of_integer(test: &NumberTest<i128>) -> Option<ValueFact> {
    Some(match test {
        NumberTest::Is(number) => ValueFact::Integers(vec![*number]),
        NumberTest::Within(low, high) => ValueFact::Within(*low, *high),
        NumberTest::Outside(low, high) => ValueFact::Outside(*low, *high),
        NumberTest::In(all) => ValueFact::Integers(all.to_vec()),
        NumberTest::NotIn(all) => ValueFact::NotIntegers(all.to_vec()),
        NumberTest::Finite | NumberTest::Past | NumberTest::Future | NumberTest::Near(_) => return None,
    })
}
