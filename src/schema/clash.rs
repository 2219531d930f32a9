//! Finds messages in which JSON cannot tell two fields apart.
//!
//! protoc accepts them in proto2, and many that are never served have such fields. Only served messages must not
//! contain one; which messages are served is known only when the routes are. An `Any` of such a type is treated as one
//! of an unknown type.

use std::collections::{HashMap, HashSet};

use super::check::{self, Violation};
use super::descriptor::File;
use super::message::Message;
use super::table::{MessageId, Tables};
use crate::format::problem::Problem;

/// Messages with clashing fields, and the problems of each.
#[derive(Debug, Default)]
pub(super) struct Clashes(HashMap<MessageId, Vec<Problem>>);

impl Clashes {
    /// Collects the clashing messages of the files, each of which came from one of `origins`. From then on,
    /// [`Tables::find`] no longer finds these messages.
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

    /// The problems of these messages and of all messages they contain.
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

/// These messages, and all that contain one of them at any depth.
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
