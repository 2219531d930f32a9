//! Reads rules that are CEL expressions, and the rules of a message as a whole.

use super::cel::{Boxed, Expression, Known, RuleValues, Scope};
use super::options::{PREDEFINED, of_predefined};
use super::reading::{Reading, truth};
use super::tables::{CelRule, Choice};
use super::tree::{Extended, Member, Tree, TreeValue};
use crate::format::quote;
use crate::format::suggestion::{nearest, or_meant};
use crate::schema::{Message, MessageTable};

/// The keys of expressions.
pub(super) const CEL: [&str; 3] = ["cel", "cel_expression", PREDEFINED];

/// The type of the value that expressions are about, and one to try them with.
pub(super) struct About<'a> {
    pub(super) known: Known,
    pub(super) sample: &'a dyn Fn() -> Boxed,
}

/// An expression as it is written.
pub(super) struct Written<'w> {
    pub(super) place: &'w str,
    /// The key, for problems.
    pub(super) key: &'w str,
    pub(super) id: &'w str,
    pub(super) message: &'w str,
    pub(super) expression: &'w str,
}

/// The rules of a message as a whole.
#[derive(Default)]
pub(super) struct WholeRules {
    pub(super) cel: Vec<CelRule>,
    pub(super) choices: Vec<Choice>,
}

impl Reading<'_> {
    /// The rules `cel` and `cel_expression`.
    pub(super) fn cel_rules(&mut self, members: &[Member], about: &About<'_>) -> Vec<CelRule> {
        let mut rules = Vec::new();
        for member in members.iter().filter(|member| member.name == "cel_expression") {
            for item in list(&member.value) {
                match &item.value {
                    TreeValue::Text(text) => {
                        let (place, key) = (&item.place, "cel_expression");
                        let written = Written { place, key, id: text, message: "", expression: text };
                        rules.extend(self.cel_rule(&written, about, None));
                    }
                    _ => self.expected("cel_expression", item, "a CEL expression"),
                }
            }
        }
        for member in members.iter().filter(|member| member.name == "cel") {
            for item in list(&member.value) {
                let inside = self.members("cel", item, &["id", "message", "expression"]);
                let Some(expression) = text_of(item, "expression") else {
                    self.wrong(&item.place, "cel", "expected an `expression`");
                    continue;
                };
                let place = inside.iter().find(|member| member.name == "expression");
                let place = place.map_or(&item.place, |member| &member.value.place);
                let text = |name| text_of(item, name).unwrap_or_default();
                let (id, message) = (text("id"), text("message"));
                if id.is_empty() {
                    self.wrong(&item.place, "cel", "expected an `id`");
                }
                let written = Written { place, key: "cel", id, message, expression };
                rules.extend(self.cel_rule(&written, about, None));
            }
        }
        for member in members.iter().filter(|member| member.name == PREDEFINED) {
            match &member.value.value {
                TreeValue::Predefined(extended) => self.predefined(extended, &member.place, about, &mut rules),
                _ => self.wrong(&member.place, PREDEFINED, "predefined rules are extensions in .proto files"),
            }
        }
        rules
    }

    /// The expressions of predefined rules.
    fn predefined(&mut self, extended: &Extended, place: &str, about: &About<'_>, rules: &mut Vec<CelRule>) {
        let Extended { of, numbers, rules: wire } = extended;
        let message = self.tables.find(of).and_then(|id| self.values().message(id, wire, 0).ok());
        for number in numbers {
            let found = self.predefined.iter().find(|rule| rule.extends == *of && rule.number == *number);
            let (Some(rule), Some(message)) = (found, &message) else {
                self.wrong(place, of, &format!("rule number {number} is not known"));
                continue;
            };
            let tree = match of_predefined(&rule.rules, place) {
                Ok(tree) => tree,
                Err(error) => {
                    self.wrong(place, &rule.name, &error.to_string());
                    continue;
                }
            };
            let TreeValue::Map(members) = &tree.value else { continue };
            for item in members.iter().flat_map(|member| list(&member.value)) {
                let text = |name| text_of(item, name).unwrap_or_default();
                let (id, message_text, expression) = (text("id"), text("message"), text("expression"));
                let written = Written { place, key: &rule.name, id, message: message_text, expression };
                let values = RuleValues { rule: message.by_number(*number), rules: Box::new(message.clone()) };
                rules.extend(self.cel_rule(&written, about, Some(values)));
            }
        }
    }

    /// Compiles an expression.
    pub(super) fn cel_rule(
        &mut self,
        written: &Written<'_>,
        about: &About<'_>,
        rule: Option<RuleValues>,
    ) -> Option<CelRule> {
        let Written { place, key, id, message, expression } = *written;
        let scope = Scope { this: about.known.clone(), sample: (about.sample)(), rule };
        match Expression::compile(expression, scope) {
            Ok(compiled) => {
                let expected = if message.is_empty() {
                    format!("\"{}\" returned false", quote::beginning(expression, quote::MOST))
                } else {
                    message.to_owned()
                };
                let has_message = !message.is_empty();
                Some(CelRule { id: id.into(), expected: expected.into(), has_message, expression: compiled })
            }
            Err(problems) => {
                let shown = quote::beginning(expression.trim_end(), quote::MOST);
                for problem in problems {
                    self.wrong(place, key, &format!("`{shown}`: {problem}"));
                }
                None
            }
        }
    }

    /// The rules of a message as a whole.
    pub(super) fn whole(&mut self, message: &Message, name: &str, tree: &Tree) -> WholeRules {
        let members = self.members(name, tree, &[CEL[0], CEL[1], "oneof"]);
        let values = self.values();
        let sample = || -> Boxed {
            let empty = values.message(message.id(), &[], 0);
            // An empty message is never malformed.
            Box::new(empty.expect("an empty message is a message of every type"))
        };
        let about = About { known: Known::Message(message.clone()), sample: &sample };
        let cel = self.cel_rules(members, &about);
        let mut choices = Vec::new();
        for member in members.iter().filter(|member| member.name == "oneof") {
            for item in list(&member.value) {
                choices.extend(self.choice(message.table(), item));
            }
        }
        WholeRules { cel, choices }
    }

    fn choice(&mut self, table: &MessageTable, item: &Tree) -> Option<Choice> {
        let members = self.members("oneof", item, &["fields", "required"]);
        let required = self.value(members, "required", "`true` or `false`", truth).unwrap_or(false);
        let names = self.list(members, "fields", "the name of a field", |text| Some(text.to_owned()));
        let Some(names) = names else {
            if !members.iter().any(|member| member.name == "fields") {
                self.wrong(&item.place, "oneof", "expected `fields`");
            }
            return None;
        };
        let mut fields = Vec::new();
        for name in &names {
            match table.fields.iter().find(|field| *field.name == **name) {
                Some(field) if fields.contains(&field.number) => {
                    self.wrong(&item.place, "oneof", &format!("field `{name}` is listed twice"));
                }
                Some(field) => fields.push(field.number),
                None => {
                    let near = nearest(name, table.fields.iter().map(|field| &*field.name));
                    let message = format!("message {} has no field `{name}`{}", table.name, or_meant(near));
                    self.wrong(&item.place, "oneof", &message);
                }
            }
        }
        let shown = names.join(", ");
        let shown = quote::beginning(&shown, quote::MOST);
        let (none, several) = (format!("one of {shown} must be set"), format!("only one of {shown} can be set"));
        Some(Choice { fields, required, none: none.into(), several: several.into() })
    }
}

/// The text of a member of a map.
fn text_of<'t>(tree: &'t Tree, name: &str) -> Option<&'t str> {
    let TreeValue::Map(members) = &tree.value else { return None };
    match &members.iter().find(|member| member.name == name)?.value.value {
        TreeValue::Text(text) => Some(text),
        _ => None,
    }
}

/// The items of a list; another value stands for a list with it.
fn list(tree: &Tree) -> &[Tree] {
    match &tree.value {
        TreeValue::List(items) => items,
        _ => std::slice::from_ref(tree),
    }
}
