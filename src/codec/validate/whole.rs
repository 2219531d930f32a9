//! Checks messages, lists and maps as a whole: CEL expressions, and fields of which at most one may be set.

use super::cel::{Boxed, MessageValue, Outcome, Values, Work, now};
use super::check::{Checked, Reading, Run, Shared, Slot, Stop};
use super::raw::{Raw, is_zero};
use super::tables::{AllChecks, CelRule, Choice, FieldChecks, Form, MessageChecks, ValueChecks};
use super::violation::{Failure, Path};
use crate::format::wire::WireError;

/// How many bytes of a message are made into values for one unit of work.
const BYTES: usize = 4;

impl Run<'_> {
    /// The message as a value; `None` if it is too large for expressions, which is a violation.
    pub(super) fn tree(
        &mut self,
        values: &Values,
        checks: &MessageChecks,
        wire: &[u8],
        (above, depth): (Option<&Path<'_>>, usize),
    ) -> Result<Option<MessageValue>, Stop> {
        if !self.shared().work.can_pay((wire.len() / BYTES) as i64) {
            let id = checks.first_cel().map_or("cel", |rule| &rule.id);
            self.add(above, id, TOO_LARGE)?;
            return Ok(None);
        }
        values.message(checks.id, wire, depth).map(Some).map_err(|error| self.malformed(above, error))
    }

    /// Checks the rules of a message.
    pub(super) fn whole(&mut self, reading: &Reading<'_, '_>, tree: Option<&MessageValue>) -> Checked {
        let checks = reading.checks;
        if let Some(tree) = tree.filter(|_| !checks.cel.is_empty()) {
            self.cel(&checks.cel, || Box::new(tree.clone()), reading.above)?;
        }
        for choice in &checks.choices {
            self.choice(reading, choice)?;
        }
        Ok(())
    }

    fn choice(&mut self, reading: &Reading<'_, '_>, choice: &Choice) -> Checked {
        let fields = reading.checks.fields.iter().enumerate();
        let fields = fields.filter(|(_, field)| choice.fields.contains(&field.number));
        let set = fields.filter(|(index, field)| is_set(field, &reading.slots[*index])).count();
        match set {
            0 if choice.required => self.add(reading.above, CHOICE, &choice.none),
            0 | 1 => Ok(()),
            _ => self.add(reading.above, CHOICE, &choice.several),
        }
    }

    /// Checks the expressions of a list or a map.
    pub(super) fn all_of(
        &mut self,
        reading: &Reading<'_, '_>,
        (index, field): (usize, &FieldChecks),
        all: &AllChecks,
        (tree, path): (Option<&MessageValue>, &Path<'_>),
    ) -> Checked {
        let is_empty = !is_set(field, &reading.slots[index]);
        if all.cel.is_empty() || (is_empty && (all.ignores_zero || field.required)) {
            return Ok(());
        }
        let Some(tree) = tree else { return Ok(()) };
        self.cel(&all.cel, || tree.by_number(field.number), Some(path))
    }

    /// Checks the expressions of a single value.
    pub(super) fn cel_of_value(&mut self, value: &ValueChecks, raw: Raw<'_>, path: &Path<'_>, depth: usize) -> Checked {
        let Some(values) = &self.all.values else { return Ok(()) };
        let size = match raw {
            Raw::Bytes(bytes) => bytes.len(),
            Raw::Number(_) => 0,
        };
        if !self.shared().work.can_pay((size / BYTES) as i64) {
            return self.add(Some(path), &value.cel[0].id, TOO_LARGE);
        }
        let this =
            values.value(value.kind, raw, depth).map_err(|error: WireError| self.malformed(Some(path), error))?;
        self.cel(&value.cel, || this.clone(), Some(path))
    }

    fn cel(&mut self, rules: &[CelRule], this: impl Fn() -> Boxed, path: Option<&Path<'_>>) -> Checked {
        let Shared { now, work } = self.shared().clone();
        for rule in rules {
            match rule.expression.evaluate(this(), now.clone(), &work) {
                Outcome::Passed => {}
                Outcome::Violated(said) => {
                    let said = said.filter(|_| !rule.has_message);
                    self.add(path, &rule.id, said.as_deref().unwrap_or(&rule.expected))?;
                }
                Outcome::TooMuchWork => self.add(path, &rule.id, TOO_LARGE)?,
                Outcome::Failed => {
                    let field = path.map(Path::text).unwrap_or_default();
                    self.found.failed.get_or_insert(Failure { field, rule: rule.id.to_string() });
                }
            }
        }
        Ok(())
    }

    fn shared(&mut self) -> &Shared {
        self.cel.get_or_insert_with(|| Shared { now: now(), work: Work::new() })
    }
}

/// The rule about fields of which at most one may be set, as `buf.validate` names it.
const CHOICE: &str = "message.oneof";
const TOO_LARGE: &str = "the value is too large for this rule";

fn is_set(field: &FieldChecks, slot: &Slot<'_>) -> bool {
    match (&field.form, slot) {
        (_, Slot::Unset) => false,
        (Form::One { has_presence, value }, slot) => {
            slot.raw().is_some_and(|raw| *has_presence || !is_zero(value.kind, raw))
        }
        (Form::List(_) | Form::Map(_), _) => true,
    }
}
