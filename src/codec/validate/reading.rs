//! Reads values of a tree of rules, and records what is wrong with them.

use super::cel::Values;
use super::tree::{Member, Tree, TreeValue};
use crate::format::problem::Problem;
use crate::format::suggestion::{nearest, or_meant};
use crate::schema::{Kind, Message, Predefined, Tables};

/// Reads rules, and goes on after problems.
pub(super) struct Reading<'t> {
    pub(super) tables: &'t Tables,
    /// Any message type of the tables.
    pub(super) types: &'t Message,
    /// The rules that extensions in the schema define.
    pub(super) predefined: &'t [Predefined],
    pub(super) problems: Vec<Problem>,
}

impl<'t> Reading<'t> {
    /// Reads rules for message types of the tables of this one.
    pub(super) fn new(types: &'t Message) -> Self {
        Self { tables: types.tables(), types, predefined: &[], problems: Vec::new() }
    }

    /// Makes values of the message types.
    pub(super) fn values(&self) -> Values {
        Values::new(self.types.clone())
    }

    pub(super) fn wrong(&mut self, place: &str, name: &str, message: &str) {
        self.problems.push(Problem::at(place, format!("{name}: {message}")));
    }

    pub(super) fn expected(&mut self, name: &str, tree: &Tree, what: &str) {
        self.wrong(&tree.place, name, &format!("expected {what}, found {}", tree.value.shown()));
    }

    /// The members of a map, with every unknown name reported.
    pub(super) fn members<'m>(&mut self, name: &str, tree: &'m Tree, known: &[&str]) -> &'m [Member] {
        let TreeValue::Map(members) = &tree.value else {
            self.expected(name, tree, "a map of rules");
            return &[];
        };
        for member in members.iter().filter(|member| !known.contains(&member.name.as_str())) {
            let near = nearest(&member.name, known.iter().copied());
            let message = format!("unknown rule{}", or_meant(near));
            self.wrong(&member.place, &member.name, &message);
        }
        members
    }

    /// Text, converted by `parse`.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        tree: &Tree,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = match &tree.value {
            TreeValue::Text(text) => parse(text),
            _ => None,
        };
        if value.is_none() {
            self.expected(name, tree, what);
        }
        value
    }

    /// The value of a member, converted by `parse`.
    pub(super) fn value<T>(
        &mut self,
        members: &[Member],
        name: &str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let member = members.iter().find(|member| member.name == name)?;
        self.parsed(name, &member.value, what, parse)
    }

    /// Whether a member is `true`.
    pub(super) fn is_set(&mut self, members: &[Member], name: &str) -> bool {
        self.value(members, name, "`true` or `false`", truth).unwrap_or(false)
    }

    /// The items of a list, each converted by `parse`. An empty list is reported.
    pub(super) fn list<T>(
        &mut self,
        members: &[Member],
        name: &str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let member = members.iter().find(|member| member.name == name)?;
        match &member.value.value {
            TreeValue::List(items) if !items.is_empty() => {
                Some(items.iter().filter_map(|item| self.parsed(name, item, what, &parse)).collect())
            }
            _ => {
                self.expected(name, &member.value, "a list of values");
                None
            }
        }
    }
}

/// The name of a scalar type in a `.proto` file.
pub(super) fn scalar_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Double => "double",
        Kind::Float => "float",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        Kind::Sint32 => "sint32",
        Kind::Sint64 => "sint64",
        Kind::Fixed32 => "fixed32",
        Kind::Fixed64 => "fixed64",
        Kind::Sfixed32 => "sfixed32",
        Kind::Sfixed64 => "sfixed64",
        Kind::Bool => "bool",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Enum(_) => "enum",
        Kind::Message(_) | Kind::Group(_) => "",
    }
}

pub(super) fn truth(text: &str) -> Option<bool> {
    text.parse().ok()
}

/// A whole number of 0 or more.
pub(super) fn whole(text: &str) -> Option<u64> {
    text.parse().ok()
}
