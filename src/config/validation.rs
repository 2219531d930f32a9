//! `validation`: where rules for messages are. The mode belongs to a policy.

use std::path::{Path, PathBuf};

use super::file::{parse, read_file};
use super::input::Input;
use super::reader::{Problems, Read, Value, or_default};
use super::yaml::{Entry, Node, Shape, Spot};
use crate::codec::validate::{Member, MessageRules, Sources, Tree, TreeValue};
use crate::format::problem::Problem;
use crate::route::RpcOptions;
use crate::route::policy::{Policy, Validation};

/// The rules of files, and the paths of those files.
#[derive(Default)]
pub(super) struct RuleFiles {
    pub(super) sources: Sources,
    pub(super) files: Vec<PathBuf>,
}

impl Input<'_> {
    /// The rules of `validation`.
    pub(super) fn validation(&self, all: &Policy, rpcs: &[RpcOptions]) -> RuleFiles {
        let section = self.value("validation");
        let value = |key| section.and_then(|section| section.get(key));
        let files = value("rules");
        let files = files.map_or(Vec::new(), |value| value.one_or_more("a path", |file| file.path(self.folder)));
        let is_used = |mode: Option<Validation>| mode.is_some_and(|mode| mode != Validation::Off);
        let [protovalidate, field_behavior, tells_buf] = ["protovalidate", "field_behavior", "buf_violations"]
            .map(|key| or_default(value(key), Value::truth, false));
        if files.is_empty() && !protovalidate && !field_behavior {
            let message = "there are no rules to validate by; list their files in `validation.rules`";
            match section {
                Some(section) if is_used(Some(all.validation)) => {
                    section.wrong(message);
                }
                _ => {
                    for rpc in rpcs.iter().filter(|rpc| is_used(rpc.policy.validation)) {
                        self.problems.add_at(&rpc.place, format!("validation: {message}"));
                    }
                }
            }
        }
        let rules = files.iter().flat_map(|file| self.rules_of(file)).collect();
        RuleFiles { sources: Sources { rules, protovalidate, field_behavior, tells_buf }, files }
    }

    fn rules_of(&self, file: &Path) -> Vec<MessageRules> {
        let problems = Problems::new(Some(file));
        let rules = rules_in(read_file(file, &problems), &problems);
        self.problems.add(problems);
        rules
    }
}

/// The rules of a file with this text; `file` is its path in problems.
///
/// # Errors
/// Every problem found.
pub fn rules_text(text: &str, file: &Path) -> Result<Vec<MessageRules>, Vec<Problem>> {
    let problems = Problems::new(Some(file));
    let rules = rules_in(parse(text, &problems), &problems);
    let found = problems.into_list();
    if found.is_empty() { Ok(rules) } else { Err(found) }
}

fn rules_in(root: Read<Node>, problems: &Problems) -> Vec<MessageRules> {
    match root {
        Ok(Node { shape: Shape::Map(entries), .. }) => {
            entries.iter().map(|entry| message_rules(problems, entry)).collect()
        }
        Ok(Node { shape: Shape::Nothing, .. }) | Err(_) => Vec::new(),
        Ok(Node { spot, shape }) => {
            problems.at(spot, format!("expected a map of messages, found {shape}"));
            Vec::new()
        }
    }
}

fn message_rules(problems: &Problems, entry: &Entry) -> MessageRules {
    let fields = tree(problems, entry.spot, &entry.value);
    MessageRules { message: entry.key.clone(), place: problems.place(entry.spot), fields }
}

/// A node as a tree. The place of a map is that of its key: it begins only at its first entry.
fn tree(problems: &Problems, key: Spot, node: &Node) -> Tree {
    let value = match &node.shape {
        Shape::Nothing => TreeValue::Nothing,
        Shape::Text(text) => TreeValue::Text(text.clone()),
        Shape::List(items) => TreeValue::List(items.iter().map(|item| tree(problems, item.spot, item)).collect()),
        Shape::Map(entries) => TreeValue::Map(entries.iter().map(|entry| member(problems, entry)).collect()),
    };
    let spot = if matches!(node.shape, Shape::Text(_)) { node.spot } else { key };
    Tree { place: problems.place(spot), value }
}

fn member(problems: &Problems, Entry { key, spot, value }: &Entry) -> Member {
    Member { name: key.clone(), place: problems.place(*spot), value: tree(problems, *spot, value) }
}
