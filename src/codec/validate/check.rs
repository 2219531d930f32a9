//! Checks a message in wire format.
//!
//! A message is read once. As for every reader of wire format, the last value of a field counts, the pieces of a message
//! field are joined, and a member of a oneof replaces the others. Items of lists and entries of maps are checked as they
//! come.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::cel::{Boxed, MessageValue, Work};
use super::raw::{Raw, all_texts, default, float, integer, is_zero, next_bytes, only_field, raw, time};
use super::rules::{Number, NumberTest, Rule};
use super::tables::{
    AllChecks, FieldChecks, Form, ListChecks, MapChecks, MessageChecks, Validator, ValueChecks, ValueRules,
};
use super::violation::{Key, MOST_VIOLATIONS, Path, REQUIRED, Step, Violation, Violations};
use crate::codec::depth::DEPTH_LIMIT;
use crate::format::wire::{LENGTH, Reader, WireError};
use crate::schema::{Kind, Message};

/// The most items of a list or keys of a map that are compared with each other.
const MOST_COMPARED: usize = 10_000;
/// So many fields are kept without an allocation.
const FEW: usize = 12;

/// The rules for one type of message.
#[derive(Clone)]
pub struct Checks {
    all: Arc<Validator>,
    root: usize,
}

impl Validator {
    /// What is checked of messages of this type; `None` if nothing is.
    #[must_use]
    pub fn of(self: &Arc<Self>, message: &Message) -> Option<Checks> {
        let root = *self.ids.get(&message.id())?;
        Some(Checks { all: self.clone(), root })
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checks")
    }
}

impl Checks {
    /// What this message violates.
    #[must_use]
    pub fn violations(&self, message: &[u8]) -> Violations {
        let mut run = Run { all: &self.all, found: Violations::default(), cel: None };
        // What stopped it is among the violations.
        let _ = run.message(self.root, message, None, 0);
        run.found
    }

    /// What is checked of another message type.
    pub(super) fn of_message(&self, message: &Message) -> Option<&MessageChecks> {
        Some(&self.all.messages[*self.all.ids.get(&message.id())?])
    }

    /// Whether CEL expressions may be evaluated, which takes longer than other rules.
    #[must_use]
    pub fn has_cel(&self) -> bool {
        self.all.has_cel
    }
}

/// Nothing further is checked.
pub(super) struct Stop;

pub(super) type Checked = Result<(), Stop>;

/// The value of a field so far.
#[derive(Clone, Default)]
pub(super) enum Slot<'m> {
    #[default]
    Unset,
    Number(u64),
    Bytes(Cow<'m, [u8]>),
    /// How many items or entries there are.
    Count(u64),
}

/// A value that is compared with others.
#[derive(PartialEq, Eq, Hash)]
enum Compared<'m> {
    Number(u64),
    Bytes(&'m [u8]),
}

/// The values of a list or the keys of a map that were seen.
#[derive(Default)]
struct Seen<'m> {
    values: HashSet<Compared<'m>>,
    /// How many were equal to one before.
    repeated: u64,
    is_full: bool,
}

impl<'m> Seen<'m> {
    pub(super) fn add(&mut self, value: Compared<'m>) {
        if self.values.len() >= MOST_COMPARED {
            self.is_full = true;
        } else if !self.values.insert(value) {
            self.repeated += 1;
        }
    }
}

pub(super) struct Run<'v> {
    pub(super) all: &'v Validator,
    pub(super) found: Violations,
    /// What all expressions for a message share, once there is one.
    pub(super) cel: Option<Shared>,
}

/// What all expressions for a message share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) now: Boxed,
    pub(super) work: Work,
}

/// A message that is being read.
pub(super) struct Reading<'r, 'm> {
    pub(super) checks: &'r MessageChecks,
    pub(super) slots: &'r mut [Slot<'m>],
    /// What is compared, by the index of its field. Empty until something is.
    seen: Vec<(usize, Seen<'m>)>,
    pub(super) above: Option<&'r Path<'r>>,
    depth: usize,
}

impl Run<'_> {
    pub(super) fn add(&mut self, path: Option<&Path<'_>>, rule: &str, expected: &str) -> Checked {
        if self.found.list.len() == MOST_VIOLATIONS {
            self.found.is_cut = true;
            return Err(Stop);
        }
        let field = path.map(Path::text).unwrap_or_default();
        self.found.list.push(Violation { field, rule: rule.to_owned(), expected: expected.to_owned() });
        Ok(())
    }

    pub(super) fn malformed(&mut self, path: Option<&Path<'_>>, error: WireError) -> Stop {
        let Violation { rule, expected, .. } = Violation::malformed(String::new(), error);
        let _ = self.add(path, &rule, &expected);
        Stop
    }

    fn message(&mut self, index: usize, wire: &[u8], above: Option<&Path<'_>>, depth: usize) -> Checked {
        if depth > DEPTH_LIMIT {
            return Err(self.malformed(above, WireError::Depth));
        }
        let checks = &self.all.messages[index];
        let mut few = [const { Slot::Unset }; FEW];
        let mut many;
        let slots = if checks.fields.len() <= FEW {
            &mut few[..checks.fields.len()]
        } else {
            many = vec![Slot::Unset; checks.fields.len()];
            &mut many[..]
        };
        let mut reading = Reading { checks, slots, seen: Vec::new(), above, depth };
        let mut reader = Reader::new(wire);
        while !reader.is_empty() {
            self.field(&mut reading, &mut reader)?;
        }
        let tree = match (&self.all.values, checks.needs_tree) {
            (Some(values), true) => Some(self.tree(values, checks, wire, (above, depth))?),
            _ => None,
        };
        self.whole(&reading, tree.as_ref().and_then(Option::as_ref))?;
        self.ended(&reading, tree.as_ref().and_then(Option::as_ref))
    }

    /// Reads a field with its tag.
    fn field<'m>(&mut self, reading: &mut Reading<'_, 'm>, reader: &mut Reader<'m>) -> Checked {
        let above = reading.above;
        let (number, wire_type) = reader.tag().map_err(|error| self.malformed(above, error))?;
        let checks = reading.checks;
        let Some(index) = checks.by_number(number) else {
            return reader.skip(number, wire_type).map_err(|error| self.malformed(above, error));
        };
        let field = &checks.fields[index];
        let path = Path { above, step: Step::Field(&field.name) };
        let kind = kind_of(field);
        if wire_type == LENGTH && kind.wire_type() != LENGTH && matches!(field.form, Form::List(_)) {
            let packed = reader.bytes().map_err(|error| self.malformed(Some(&path), error))?;
            return self.packed(reading, (index, kind), packed, &path);
        }
        if wire_type != kind.wire_type() {
            // An unknown field, for every reader.
            return reader.skip(number, wire_type).map_err(|error| self.malformed(Some(&path), error));
        }
        let raw = raw(reader, number, wire_type).map_err(|error| self.malformed(Some(&path), error))?;
        match &field.form {
            Form::One { .. } => reading.set(index, raw, kind),
            Form::List(list) => self.item(reading, (index, list), raw, &path)?,
            Form::Map(map) => self.entry(reading, (index, map), raw, &path)?,
        }
        Ok(())
    }

    fn packed<'m>(
        &mut self,
        reading: &mut Reading<'_, 'm>,
        (index, kind): (usize, Kind),
        packed: &'m [u8],
        path: &Path<'_>,
    ) -> Checked {
        let Form::List(list) = &reading.checks.fields[index].form else { return Ok(()) };
        let mut reader = Reader::new(packed);
        while !reader.is_empty() {
            let raw = raw(&mut reader, 0, kind.wire_type()).map_err(|error| self.malformed(Some(path), error))?;
            self.item(reading, (index, list), raw, path)?;
        }
        Ok(())
    }

    fn item<'m>(
        &mut self,
        reading: &mut Reading<'_, 'm>,
        (index, list): (usize, &ListChecks),
        raw: Raw<'m>,
        path: &Path<'_>,
    ) -> Checked {
        let count = reading.counted(index);
        if list.is_unique {
            reading.compare(index, compared(list.items.kind, raw));
        }
        if list.items.is_idle() {
            return Ok(());
        }
        let path = Path { above: Some(path), step: Step::Index(count - 1) };
        self.value(&list.items, raw, &path, reading.depth)
    }

    /// An entry is a message with its key as field 1 and its value as field 2.
    fn entry<'m>(
        &mut self,
        reading: &mut Reading<'_, 'm>,
        (index, map): (usize, &MapChecks),
        raw_entry: Raw<'m>,
        path: &Path<'_>,
    ) -> Checked {
        reading.counted(index);
        let Raw::Bytes(entry) = raw_entry else { return Ok(()) };
        let (mut key, mut value) = (None, Slot::Unset);
        let mut reader = Reader::new(entry);
        while !reader.is_empty() {
            let read = reader.tag().and_then(|(number, wire_type)| {
                match number {
                    1 if wire_type == map.keys.kind.wire_type() => key = Some(raw(&mut reader, 1, wire_type)?),
                    2 if wire_type == map.values.kind.wire_type() => {
                        value.take(raw(&mut reader, 2, wire_type)?, map.values.kind);
                    }
                    _ => reader.skip(number, wire_type)?,
                }
                Ok(())
            });
            read.map_err(|error| self.malformed(Some(path), error))?;
        }
        let key = key.unwrap_or_else(|| default(map.keys.kind));
        if !map.all.sizes.is_empty() {
            reading.compare(index, compared(map.keys.kind, key));
        }
        let path = Path { above: Some(path), step: Step::Key(shown(map.keys.kind, key)) };
        self.value(&map.keys, key, &path, reading.depth)?;
        if map.values.is_idle() {
            return Ok(());
        }
        self.value(&map.values, value.raw().unwrap_or_else(|| default(map.values.kind)), &path, reading.depth)
    }

    /// Checks the fields of which all is known only at the end of a message.
    fn ended(&mut self, reading: &Reading<'_, '_>, tree: Option<&MessageValue>) -> Checked {
        let Reading { checks, above, depth, .. } = *reading;
        for (index, field) in checks.fields.iter().enumerate() {
            let path = Path { above, step: Step::Field(&field.name) };
            let slot = &reading.slots[index];
            match &field.form {
                Form::One { has_presence, value } => {
                    let raw = slot.raw();
                    let is_set = raw.is_some_and(|raw| *has_presence || !is_zero(value.kind, raw));
                    if field.required && !is_set {
                        self.add(Some(&path), REQUIRED, MISSING)?;
                        continue;
                    }
                    let raw = raw.or((!has_presence).then(|| default(value.kind)));
                    if let Some(raw) = raw.filter(|_| !value.is_idle()) {
                        self.value(value, raw, &path, depth)?;
                    }
                }
                Form::List(ListChecks { all, is_unique, .. }) => {
                    self.sizes(reading, (index, field), all, *is_unique, &path)?;
                    self.all_of(reading, (index, field), all, (tree, &path))?;
                }
                Form::Map(MapChecks { all, .. }) => {
                    self.sizes(reading, (index, field), all, false, &path)?;
                    self.all_of(reading, (index, field), all, (tree, &path))?;
                }
            }
        }
        for oneof in &checks.oneofs {
            let is_set = |(index, field): (usize, &FieldChecks)| {
                field.oneof == Some(oneof.index) && !matches!(reading.slots[index], Slot::Unset)
            };
            if !checks.fields.iter().enumerate().any(is_set) {
                let path = Path { above, step: Step::Field(&oneof.name) };
                self.add(Some(&path), REQUIRED, "one of its fields is required")?;
            }
        }
        Ok(())
    }

    /// Checks how many items or entries there are, and whether they differ.
    fn sizes(
        &mut self,
        reading: &Reading<'_, '_>,
        (index, field): (usize, &FieldChecks),
        all: &AllChecks,
        is_unique: bool,
        path: &Path<'_>,
    ) -> Checked {
        let mut count = match reading.slots[index] {
            Slot::Count(count) => count,
            _ => 0,
        };
        if field.required && count == 0 {
            return self.add(Some(path), REQUIRED, MISSING);
        }
        if all.ignores_zero && count == 0 {
            return Ok(());
        }
        let seen = reading.seen.iter().find(|(of, _)| *of == index).map(|(_, seen)| seen);
        if let Some(seen) = seen {
            if is_unique && seen.repeated > 0 {
                self.add(Some(path), "repeated.unique", "expected items that all differ")?;
            } else if is_unique && seen.is_full {
                let expected = format!("expected at most {MOST_COMPARED} items");
                self.add(Some(path), "repeated.unique", &expected)?;
            }
            if matches!(field.form, Form::Map(_)) {
                // The last entry of a key replaces those before.
                count -= seen.repeated;
            }
        }
        for rule in all.sizes.iter().filter(|rule| !rule.test.has(count)) {
            self.add(Some(path), &rule.id, &rule.expected)?;
        }
        Ok(())
    }

    fn value(&mut self, value: &ValueChecks, raw: Raw<'_>, path: &Path<'_>, depth: usize) -> Checked {
        if value.ignores_zero && value.kind.message().is_none() && is_zero(value.kind, raw) {
            return Ok(());
        }
        match (&value.rules, raw) {
            (ValueRules::None, _) => {}
            (ValueRules::Text(rules), Raw::Bytes(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => self.tested(rules, |test| test.passes(text), path)?,
                Err(_) => self.add(Some(path), "string.utf8", "expected text in UTF-8")?,
            },
            (ValueRules::Bytes(rules), Raw::Bytes(bytes)) => self.tested(rules, |test| test.passes(bytes), path)?,
            (ValueRules::Integer(rules), Raw::Number(bits)) => {
                self.numbers(rules, integer(value.kind, bits), path)?;
            }
            (ValueRules::Float(rules), Raw::Number(bits)) => self.numbers(rules, float(value.kind, bits), path)?,
            (ValueRules::Truth(rules), Raw::Number(bits)) => self.tested(rules, |is| *is == (bits != 0), path)?,
            (ValueRules::Time(rules), Raw::Bytes(bytes)) => {
                let time = time(bytes).map_err(|error| self.malformed(Some(path), error))?;
                self.numbers(rules, time, path)?;
            }
            (ValueRules::AnyType(rules), Raw::Bytes(bytes)) => {
                let url = only_field(bytes, Kind::String).map_err(|error| self.malformed(Some(path), error))?;
                let url = match url {
                    Some(Raw::Bytes(url)) => String::from_utf8_lossy(url),
                    _ => Cow::Borrowed(""),
                };
                self.tested(rules, |test| test.passes(&url), path)?;
            }
            (ValueRules::Mask(rules), Raw::Bytes(bytes)) => {
                let paths = all_texts(bytes).map_err(|error| self.malformed(Some(path), error))?;
                self.tested(rules, |test| test.passes(&paths), path)?;
            }
            (ValueRules::Wrapped(inner), Raw::Bytes(bytes)) => {
                let wrapped = only_field(bytes, inner.kind).map_err(|error| self.malformed(Some(path), error))?;
                let raw = wrapped.unwrap_or_else(|| default(inner.kind));
                // A wrapper that is empty is set, to the default.
                if !(value.ignores_zero && is_zero(inner.kind, raw)) {
                    self.value(inner, raw, path, depth)?;
                }
            }
            // Never: the kind of a field decides both.
            (_, Raw::Number(_) | Raw::Bytes(_)) => {}
        }
        if !value.cel.is_empty() {
            self.cel_of_value(value, raw, path, depth)?;
        }
        match (value.inner, raw) {
            (Some(inner), Raw::Bytes(bytes)) => self.message(inner, bytes, Some(path), depth + 1),
            _ => Ok(()),
        }
    }

    fn numbers<N: Number>(&mut self, rules: &[Rule<NumberTest<N>>], number: N, path: &Path<'_>) -> Checked {
        self.tested(rules, |test| test.passes(number), path)
    }

    fn tested<T>(&mut self, rules: &[Rule<T>], passes: impl Fn(&T) -> bool, path: &Path<'_>) -> Checked {
        for rule in rules {
            if !passes(&rule.test) {
                self.add(Some(path), &rule.id, &rule.expected)?;
            }
        }
        Ok(())
    }
}

const MISSING: &str = "this field is required";

impl<'m> Reading<'_, 'm> {
    /// Takes the value of a field. A member of a oneof replaces the others.
    fn set(&mut self, index: usize, raw: Raw<'m>, kind: Kind) {
        let fields = &self.checks.fields;
        if let Some(oneof) = fields[index].oneof {
            for (other, field) in fields.iter().enumerate() {
                if field.oneof == Some(oneof) && other != index {
                    self.slots[other] = Slot::Unset;
                }
            }
        }
        self.slots[index].take(raw, kind);
    }

    /// Counts an item or an entry, and returns how many there are now.
    fn counted(&mut self, index: usize) -> u64 {
        let count = match self.slots[index] {
            Slot::Count(count) => count + 1,
            _ => 1,
        };
        self.slots[index] = Slot::Count(count);
        count
    }

    fn compare(&mut self, index: usize, value: Compared<'m>) {
        let at = self.seen.iter().position(|(of, _)| *of == index).unwrap_or_else(|| {
            self.seen.push((index, Seen::default()));
            self.seen.len() - 1
        });
        self.seen[at].1.add(value);
    }
}

impl<'m> Slot<'m> {
    /// Takes the next value of the field.
    fn take(&mut self, raw: Raw<'m>, kind: Kind) {
        *self = match (raw, std::mem::take(self)) {
            (Raw::Number(bits), _) => Slot::Number(bits),
            (Raw::Bytes(bytes), Slot::Bytes(before)) => Slot::Bytes(next_bytes(before, bytes, kind)),
            (Raw::Bytes(bytes), _) => Slot::Bytes(Cow::Borrowed(bytes)),
        }
    }

    pub(super) fn raw(&self) -> Option<Raw<'_>> {
        match self {
            Slot::Number(bits) => Some(Raw::Number(*bits)),
            Slot::Bytes(bytes) => Some(Raw::Bytes(bytes)),
            Slot::Unset | Slot::Count(_) => None,
        }
    }
}

/// The type of one value of a field: of a map, that of its entries.
fn kind_of(field: &FieldChecks) -> Kind {
    match &field.form {
        Form::One { value, .. } => value.kind,
        Form::List(list) => list.items.kind,
        // An entry is always length-prefixed, as bytes are.
        Form::Map(_) => Kind::Bytes,
    }
}

/// What two values have in common if they are equal.
fn compared(kind: Kind, raw: Raw<'_>) -> Compared<'_> {
    match raw {
        Raw::Bytes(bytes) => Compared::Bytes(bytes),
        Raw::Number(bits) => Compared::Number(match kind {
            Kind::Float | Kind::Double => (float(kind, bits) + 0.0).to_bits(),
            Kind::Bool => u64::from(bits != 0),
            _ => integer(kind, bits) as u64,
        }),
    }
}

fn shown(kind: Kind, raw: Raw<'_>) -> Key<'_> {
    match raw {
        Raw::Bytes(bytes) => Key::Text(bytes),
        Raw::Number(bits) if kind == Kind::Bool => Key::Truth(bits != 0),
        Raw::Number(bits) => Key::Number(integer(kind, bits)),
    }
}
