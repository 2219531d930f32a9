//! Messages in which JSON cannot tell two fields apart.
//!
//! protoc lets proto2 have them, and much that is not served does. Only what is served must not hold one: which that is, the
//! routes know. An `Any` of such a type is one of an unknown type.

use std::collections::{HashMap, HashSet};

use super::check::{self, Violation};
use super::descriptor::File;
use super::message::Message;
use super::table::{MessageId, Tables};
use crate::format::problem::Problem;

/// Those messages, with what is wrong with each.
#[derive(Debug, Default)]
pub(super) struct Clashes(HashMap<MessageId, Vec<Problem>>);

impl Clashes {
    /// Those of the files, each of which came from one of `origins`; they can no longer be found in the tables by name.
    pub(super) fn of(files: &[File], origins: &[String], tables: &mut Tables) -> Self {
        let mut clashes = HashMap::new();
        for (file, origin) in files.iter().zip(origins) {
            for (message, violations) in check::clashes(file) {
                let Some(id) = tables.declared(&message) else { continue };
                let problem = |Violation { declaration, message }| {
                    Problem::at(origin, format!("{}: {declaration}: {message}", file.name))
                };
                clashes.insert(id, violations.into_iter().map(problem).collect());
            }
        }
        if !clashes.is_empty() {
            tables.unclear = holders(tables, clashes.keys().copied().collect());
        }
        Self(clashes)
    }

    /// What is wrong with these messages and with those in them.
    pub(super) fn reached<'a>(&self, messages: impl Iterator<Item = &'a Message>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.0.is_empty() {
            return problems;
        }
        let mut seen = HashSet::new();
        for message in messages {
            let mut open = vec![message.id];
            while let Some(id) = open.pop() {
                if seen.insert(id) {
                    problems.extend(self.0.get(&id).into_iter().flatten().cloned());
                    open.extend(message.tables.message(id).fields.iter().filter_map(|field| field.kind.message()));
                }
            }
        }
        problems
    }
}

/// These messages, and all that hold one of them, however deep.
fn holders(tables: &Tables, mut unclear: HashSet<MessageId>) -> HashSet<MessageId> {
    loop {
        let before = unclear.len();
        for (index, table) in tables.messages.iter().enumerate() {
            let mut held = table.fields.iter().filter_map(|field| field.kind.message());
            if held.any(|id| unclear.contains(&id)) {
                unclear.insert(MessageId(index as u32));
            }
        }
        if unclear.len() == before {
            return unclear;
        }
    }
}
