//! What the reader accepts, found out by asking it: probes in, the tree of keys out.
//!
//! A probe is a file with one value at one place: a text, a map or a list. The reader does not stop at problems, so each probe shows what
//! it expects there.

use std::collections::BTreeSet;

use crate::config::input::Input;
use crate::config::load::KEYS;
use crate::config::overrides::Overrides;
use crate::config::reader::{Expected, Problems, Section};
use crate::config::yaml::{Node, Shape, parse};

/// A text that no key takes for a word, a number or an address.
pub(super) const TEXT: &str = "?";
/// A name that an operator may choose, of an rpc too.
const NAME: &str = "a.B";
/// The file is not nested deeper.
const DEEPEST: usize = 8;

/// A step from a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    /// Any key of a map whose keys are names of the operator's own.
    Name,
    /// Any item of a list.
    Item,
}

/// What the reader expects at a place.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Texts, by what the reader calls them and what it answers to one that is none.
    pub(super) texts: Vec<TextForm>,
    /// The keys of a map, in the reader's order.
    pub(super) keys: Vec<(String, Self)>,
    /// What stands under each name of a map.
    pub(super) named: Option<Box<Self>>,
    /// What the items of a list are.
    pub(super) items: Option<Box<Self>>,
}

/// A text that the reader expects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TextForm {
    /// What the reader calls it.
    pub(super) what: String,
    /// What it says of a text that is none.
    pub(super) refusal: Option<String>,
}

/// The whole file.
pub(super) fn file() -> Found {
    explore(&mut Vec::new())
}

fn explore(path: &mut Vec<Step>) -> Found {
    let mut seen: Vec<Expected> = Vec::new();
    for leaf in [format!("{TEXT:?}"), "{}".to_owned(), format!("[{TEXT:?}]")] {
        expected(path, &leaf, &mut seen);
    }
    // Some keys are read only beside others.
    let all: BTreeSet<String> = keys(&seen).map(|key| format!("{key:?}: {TEXT:?}")).collect();
    let all = all.into_iter().collect::<Vec<_>>().join(", ");
    let mut found = Found::default();
    if path.len() < DEEPEST {
        for key in keys(&seen).cloned().collect::<Vec<_>>() {
            if found.keys.iter().any(|(known, _)| *known == key) {
                continue;
            }
            path.push(Step::Key(key.clone()));
            let mut below = explore(path);
            let mut beside = Vec::new();
            // Never beside its rivals: `upstream` and `upstreams` exclude each other.
            if path.len() > 1 {
                let step = path.pop();
                expected_within(path, &format!("{{{all}}}"), step.as_ref(), &mut beside);
                path.extend(step);
            }
            below.take_texts(&beside);
            path.pop();
            found.keys.push((key, below));
        }
        if seen.contains(&Expected::Names) {
            path.push(Step::Name);
            found.named = Some(Box::new(explore(path)));
            path.pop();
        }
        if seen.contains(&Expected::Items) {
            path.push(Step::Item);
            found.items = Some(Box::new(explore(path)));
            path.pop();
        }
    }
    found.take_texts(&seen);
    found
}

impl Found {
    fn take_texts(&mut self, seen: &[Expected]) {
        for expected in seen {
            let Expected::Text { what, refusal } = expected else { continue };
            let form = TextForm { what: what.clone(), refusal: refusal.clone() };
            match self.texts.iter_mut().find(|known| known.what == form.what) {
                Some(known) => known.refusal = known.refusal.take().or(form.refusal),
                None => self.texts.push(form),
            }
        }
    }
}

fn keys(seen: &[Expected]) -> impl Iterator<Item = &String> {
    seen.iter().flat_map(|expected| match expected {
        Expected::Keys(keys) => keys.as_slice(),
        Expected::Names | Expected::Items | Expected::Text { .. } => &[],
    })
}

/// Adds what the reader expects at the place of `path` when `leaf` stands there.
fn expected(path: &[Step], leaf: &str, seen: &mut Vec<Expected>) {
    expected_within(path, leaf, None, seen);
}

/// The same at one more step, into the leaf.
fn expected_within(path: &[Step], leaf: &str, step: Option<&Step>, seen: &mut Vec<Expected>) {
    let text = path.iter().rev().fold(leaf.to_owned(), |inner, step| match step {
        Step::Key(key) => format!("{{{key:?}: {inner}}}"),
        Step::Name => format!("{{{NAME:?}: {inner}}}"),
        Step::Item => format!("[{inner}]"),
    });
    let Ok((root, _)) = parse(&text) else { return };
    let Some(node) = path.iter().chain(step).try_fold(&root, inside) else { return };
    let problems = Problems::observing();
    let overrides = Overrides::default();
    let input = Input {
        top: Section::root(&problems, &root, KEYS),
        folder: std::path::Path::new(""),
        problems: &problems,
        overrides: &overrides,
    };
    drop(input.config());
    for expected in problems.expected_of(node) {
        if !seen.contains(&expected) {
            seen.push(expected);
        }
    }
}

/// The value inside a value.
fn inside<'n>(node: &'n Node, step: &Step) -> Option<&'n Node> {
    match (&node.shape, step) {
        (Shape::Map(entries), Step::Key(key)) => {
            entries.iter().find(|entry| entry.key == *key).map(|entry| &entry.value)
        }
        (Shape::Map(entries), Step::Name) => entries.first().map(|entry| &entry.value),
        (Shape::List(items), Step::Item) => items.first(),
        _ => None,
    }
}
