//! Case-insensitive names: accepts names of fields and enum values that differ from the declared ones only in ASCII
//! case.
//!
//! Exact names are looked up first, in the usual tables. A name not found there is looked up in a second table, which
//! exists only if case-insensitive names are configured. A name that could mean two things is not in that table.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use super::join::Schema;
use super::message::Message;
use super::table::{EnumTable, MessageId, MessageTable, Tables};

/// Which names are accepted in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AnyCase {
    pub fields: bool,
    /// The names of enum values.
    pub enums: bool,
}

impl AnyCase {
    /// Whether all names must be exact.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// Two names that differ only in case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{owner}: `{one}` and `{other}` are two {what} that differ only in case")]
pub struct Alike {
    /// The message or enum that has both, as `package.Name`.
    pub owner: String,
    /// The name that sorts first.
    pub one: String,
    /// The name that sorts second.
    pub other: String,
    /// Whether these are names of fields or of enum values.
    pub what: Named,
}

/// A kind of name that may be accepted in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A field of a message.
    Field,
    /// A value of an enum.
    Value,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Field => "fields",
            Self::Value => "values",
        })
    }
}

impl Schema {
    /// A copy of this schema that accepts the names chosen by `any` in any case.
    #[must_use]
    pub fn in_any_case(&self, any: AnyCase) -> Self {
        let mut tables = Tables::clone(&self.tables);
        if any.fields {
            for table in &mut tables.messages {
                table.any_case = unmistakable(&table.by_name);
            }
        }
        if any.enums {
            for table in &mut tables.enums {
                table.any_case = unmistakable(&table.by_name);
            }
        }
        self.with_tables(Arc::new(tables))
    }
}

impl Message {
    /// The pairs of names in this message, and in the messages it contains, that cannot be accepted in any case. Each
    /// pair is listed once.
    #[must_use]
    pub fn alike(&self, any: AnyCase) -> Vec<Alike> {
        let (mut alike, mut enums) = (Vec::new(), HashSet::new());
        for id in self.messages_in() {
            let message = self.tables.message(id);
            if any.fields {
                alike.extend(fields_alike(message));
            }
            for id in message.fields.iter().filter_map(|field| field.kind.enumeration()) {
                if any.enums && enums.insert(id) {
                    alike.extend(values_alike(self.tables.enumeration(id)));
                }
            }
        }
        alike
    }

    /// This message and all messages it contains, at any depth, each once.
    fn messages_in(&self) -> Vec<MessageId> {
        let (mut found, mut seen, mut open) = (Vec::new(), HashSet::from([self.id]), vec![self.id]);
        while let Some(id) = open.pop() {
            found.push(id);
            let fields = &self.tables.message(id).fields;
            open.extend(fields.iter().filter_map(|field| field.kind.message()).filter(|id| seen.insert(*id)));
        }
        found
    }
}

fn fields_alike(table: &MessageTable) -> Option<Alike> {
    let (one, other) = first_alike(&table.by_name)?;
    Some(Alike { owner: table.name.to_string(), one, other, what: Named::Field })
}

fn values_alike(table: &EnumTable) -> Option<Alike> {
    let (one, other) = first_alike(&table.by_name)?;
    Some(Alike { owner: table.name.to_string(), one, other, what: Named::Value })
}

/// Maps each lower-case name to what it means, if that is unambiguous.
fn unmistakable<T: Copy + PartialEq, S: BuildHasher + Default>(
    names: &HashMap<Box<str>, T, S>,
) -> HashMap<Box<str>, T, S> {
    let clear = by_lower_case(names).into_iter().filter(|(_, named)| named.iter().all(|(_, is)| *is == named[0].1));
    clear.map(|(name, named)| (name.into(), named[0].1)).collect()
}

/// The first two names that mean different things but are equal in lower case.
fn first_alike<T: Copy + PartialEq, S>(names: &HashMap<Box<str>, T, S>) -> Option<(String, String)> {
    by_lower_case(names).into_values().find_map(|named| {
        let (first, is) = named[0];
        let (other, _) = named.iter().find(|(_, other)| *other != is)?;
        Some((first.to_owned(), (*other).to_owned()))
    })
}

/// Groups the names by their lower-case form, sorted; no group is empty.
fn by_lower_case<T: Copy, S>(names: &HashMap<Box<str>, T, S>) -> BTreeMap<String, Vec<(&str, T)>> {
    let mut sorted: Vec<(&str, T)> = names.iter().map(|(name, is)| (&**name, *is)).collect();
    sorted.sort_by_key(|(name, _)| *name);
    let mut lower: BTreeMap<String, Vec<(&str, T)>> = BTreeMap::new();
    for (name, is) in sorted {
        lower.entry(name.to_ascii_lowercase()).or_default().push((name, is));
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::schema_of;

    const BOTH: AnyCase = AnyCase { fields: true, enums: true };

    #[test]
    fn names_that_differ_only_in_case_are_reported() {
        for (fields, values, problem) in [
            ("string id = 1; string long_name = 2;", "A = 0; B = 1;", None),
            (
                "string id = 1; string two = 2 [json_name = \"ID\"];",
                "A = 0;",
                Some("t.N: `ID` and `id` are two fields that differ only in case"),
            ),
            // `longname` is the proto name of one field and `longName` the JSON name of another.
            (
                "string longname = 1; string two = 2 [json_name = \"longName\"];",
                "A = 0;",
                Some("t.N: `longName` and `longname` are two fields that differ only in case"),
            ),
            // Two spellings of one field.
            ("string x = 1 [json_name = \"X\"];", "A = 0;", None),
            ("string id = 1;", "A = 0; a = 1;", Some("t.E: `A` and `a` are two values that differ only in case")),
            ("string id = 1;", "option allow_alias = true; A = 0; a = 0;", None),
        ] {
            let proto = format!(
                "syntax = \"proto3\"; package t; enum E {{ {values} }} message N {{ {fields} repeated E es = 90; }} \
                 message M {{ map<string, N> ns = 1; M again = 2; }}"
            );
            let message = schema_of(&proto).unwrap().message("t.M").unwrap();
            let alike: Vec<_> = message.alike(BOTH).iter().map(ToString::to_string).collect();
            assert_eq!(alike, problem.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{fields} {values}");
            assert_eq!(message.alike(AnyCase::default()), [], "{fields} {values}");
        }
    }

    #[test]
    fn an_exact_name_takes_precedence_and_an_ambiguous_one_is_unknown() {
        let proto = "syntax = \"proto3\"; package t; enum E { A = 0; a = 1; LONG = 2; } \
                     message M { string id = 1; string two = 2 [json_name = \"ID\"]; string long_name = 3; E e = 4; }";
        let schema = schema_of(proto).unwrap();
        let any = schema.in_any_case(BOTH);
        for (name, exactly, in_any_case) in [
            ("id", Some(0), Some(0)),
            ("ID", Some(1), Some(1)),
            ("Id", None, None),
            ("long_name", Some(2), Some(2)),
            ("LONG_NAME", None, Some(2)),
            ("LONGNAME", None, Some(2)),
            ("Long-Name", None, None),
            ("", None, None),
            // Only ASCII case counts: other rules turn U+0130 into an `i`.
            ("\u{130}d", None, None),
        ] {
            assert_eq!(schema.message("t.M").unwrap().table().by_name(name), exactly, "{name}");
            assert_eq!(any.message("t.M").unwrap().table().by_name(name), in_any_case, "{name}");
        }
        let number = |schema: &Schema, name: &str| {
            let message = schema.message("t.M").unwrap();
            let id = message.field("e").unwrap().table().kind.enumeration().unwrap();
            message.tables().enumeration(id).number(name)
        };
        for (name, exactly, in_any_case) in
            [("A", Some(0), Some(0)), ("a", Some(1), Some(1)), ("long", None, Some(2)), ("LONG", Some(2), Some(2))]
        {
            assert_eq!((number(&schema, name), number(&any, name)), (exactly, in_any_case), "{name}");
        }
    }
}
