//! Accepts enum values without the name of their enum: `STATUS_OPEN` of `Status` as `OPEN`.
//!
//! The protobuf style guides require the prefix, because the values of all enums share one scope; older REST APIs do
//! not have it. The short names are stored in a separate set of tables, built once, so the codec treats them like any
//! other names.

use std::collections::HashSet;
use std::sync::Arc;

use super::join::Schema;
use super::message::Message;
use super::table::{EnumId, EnumTable, Kind, Tables};
use crate::format::block::Padded;

/// An enum whose values cannot be named without its prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{enumeration}: {problem}")]
pub struct KeepsPrefix {
    /// The full name: `package.Enum`.
    pub enumeration: String,
    pub problem: PrefixProblem,
}

/// Why names without the prefix would be ambiguous.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say it")]
pub enum PrefixProblem {
    #[error("without its prefix, `{name}` becomes `{short}`, which is a number")]
    Number { name: String, short: String },
    #[error("without its prefix, `{name}` becomes `{short}`, which clashes with the value `{other}`")]
    Taken { name: String, short: String, other: String },
}

impl Schema {
    /// A copy of this schema whose enums accept both names of a value and print the short one. Enums whose short names
    /// would be ambiguous stay as they are: see [`Message::kept_prefixes`].
    #[must_use]
    pub fn without_enum_prefixes(&self) -> Self {
        let mut tables = Tables::clone(&self.tables);
        for table in &mut tables.enums {
            let Ok(short) = short_names(table) else { continue };
            for (name, short) in short {
                let number = table.by_name[&name];
                let quoted = format!("\"{name}\"");
                let printed = table.by_number.iter_mut().find(|(_, known)| known.text() == quoted.as_bytes());
                if let Some((_, printed)) = printed {
                    *printed = Padded::new(format!("\"{short}\"").as_bytes());
                }
                table.by_name.insert(short, number);
            }
        }
        self.with_tables(Arc::new(tables))
    }
}

impl Message {
    /// The enums in this message, and in the messages it contains, that [keep their
    /// prefixes](Schema::without_enum_prefixes).
    #[must_use]
    pub fn kept_prefixes(&self) -> Vec<KeepsPrefix> {
        let enums = self.enums();
        let tables = enums.into_iter().map(|id| self.tables.enumeration(id));
        let kept = tables.filter_map(|table| {
            let problem = short_names(table).err()?;
            Some(KeepsPrefix { enumeration: table.name.to_string(), problem })
        });
        kept.collect()
    }

    /// The enums in this message at any depth, each once.
    fn enums(&self) -> Vec<EnumId> {
        let (mut enums, mut seen, mut open) = (Vec::new(), HashSet::from([self.id]), vec![self.id]);
        while let Some(id) = open.pop() {
            for field in &self.tables.message(id).fields {
                match field.kind {
                    Kind::Enum(id) if !enums.contains(&id) => enums.push(id),
                    kind => open.extend(kind.message().filter(|id| seen.insert(*id))),
                }
            }
        }
        enums
    }
}

/// A name and its short form.
type Shortened = (Box<str>, Box<str>);

/// The names that have the prefix, each with its short form.
fn short_names(table: &EnumTable) -> Result<Vec<Shortened>, PrefixProblem> {
    let mut names: Vec<(&Box<str>, i32)> = table.by_name.iter().map(|(name, number)| (name, *number)).collect();
    names.sort_by_key(|(name, number)| (*number, *name));
    let simple = table.name.rsplit('.').next().unwrap_or_default();
    let mut short: Vec<Shortened> = Vec::new();
    for (name, number) in &names {
        let Some(rest) = without_prefix(name, simple) else { continue };
        let is_other = |known: &str, value: i32| known == rest && value != *number;
        let other = names.iter().find(|(known, value)| is_other(known, *value)).map(|(known, _)| *known);
        let other = other.or_else(|| {
            let taken = short.iter().find(|(before, known)| is_other(known, table.by_name[before]));
            taken.map(|(before, _)| before)
        });
        let (name, other) = (name.to_string(), other.map(ToString::to_string));
        if rest.starts_with(|c: char| c.is_ascii_digit()) && rest.parse::<f64>().is_ok() {
            return Err(PrefixProblem::Number { name, short: rest.to_owned() });
        }
        if let Some(other) = other {
            return Err(PrefixProblem::Taken { name, short: rest.to_owned(), other });
        }
        short.push((name.into(), rest.into()));
    }
    Ok(short)
}

/// What follows the name of the enum and `_`. Case and word boundaries are ignored, because `HTTPMethod` may be written
/// `HTTP_METHOD` or `H_T_T_P_METHOD`.
fn without_prefix<'n>(name: &'n str, simple: &str) -> Option<&'n str> {
    let mut wanted = simple.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_lowercase());
    let mut next = wanted.next();
    for (at, byte) in name.bytes().enumerate() {
        match next {
            Some(wanted_byte) if byte.to_ascii_lowercase() == wanted_byte => next = wanted.next(),
            Some(_) if byte == b'_' => {}
            Some(_) => return None,
            None if byte == b'_' => return name.get(at + 1..).filter(|rest| !rest.is_empty()),
            None => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::schema_of;

    #[test]
    fn an_enum_prefix_is_the_name_of_the_enum_and_an_underscore() {
        for (name, simple, rest) in [
            ("STATUS_OPEN", "Status", Some("OPEN")),
            ("HTTP_METHOD_GET", "HTTPMethod", Some("GET")),
            ("HTTPMETHOD_GET", "HTTPMethod", Some("GET")),
            ("TRANSFER_STATUS_IN_PROGRESS", "TransferStatus", Some("IN_PROGRESS")),
            ("transfer_status_open", "TransferStatus", Some("open")),
            ("E_E", "E", Some("E")),
            ("STATUSOPEN", "Status", None),
            ("STATUS", "Status", None),
            ("STATUS_", "Status", None),
            ("OPEN", "Status", None),
            ("STATE_OPEN", "Status", None),
        ] {
            assert_eq!(without_prefix(name, simple), rest, "{name} of {simple}");
        }
    }

    #[test]
    fn enum_values_keep_their_prefix_if_they_would_become_ambiguous() {
        for (values, problem) in [
            ("E_A = 0; E_B = 1;", None),
            ("NONE = 0; E_A = 1;", None),
            // Two names of one value.
            ("option allow_alias = true; E_A = 0; A = 0;", None),
            ("E_1_2 = 0;", None),
            ("E_2023 = 0;", Some("t.E: without its prefix, `E_2023` becomes `2023`, which is a number")),
            ("E_1E3 = 0;", Some("t.E: without its prefix, `E_1E3` becomes `1E3`, which is a number")),
            ("A = 0; E_A = 1;", Some("t.E: without its prefix, `E_A` becomes `A`, which clashes with the value `A`")),
            ("E_A = 0; E__A = 1;", None),
            (
                "E_A = 0; e_A = 1;",
                Some("t.E: without its prefix, `e_A` becomes `A`, which clashes with the value `E_A`"),
            ),
        ] {
            let proto = format!(
                "syntax = \"proto3\"; package t; enum E {{ {values} }} message N {{ repeated E es = 1; }} \
                 message M {{ map<string, N> ns = 1; M again = 2; }}"
            );
            let message = schema_of(&proto).unwrap().message("t.M").unwrap();
            let kept: Vec<_> = message.kept_prefixes().iter().map(ToString::to_string).collect();
            assert_eq!(kept, problem.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{values}");
        }
    }
}
