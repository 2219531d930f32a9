//! Reads a tree of nodes: a [`Section`] is a map with known keys, a [`Value`] is converted to the expected type.
//!
//! Reading does not stop at the first problem: what cannot be read is recorded in [`Problems`], and the reader goes on.
//! Only this module makes [`Noted`], so a function that returns `Err(Noted)` has recorded why. It knows no key by name.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderName;

use super::yaml::{Entry, Node, SECRET, Shape, Spot, quoted};
use crate::format::problem::Problem;
use crate::format::{header_name, quantity};
use crate::tls::pem;

pub(super) struct Problems {
    file: Option<String>,
    noted: RefCell<Vec<(Order, Problem)>>,
    /// What the reader expected of each node, if somebody wants to know.
    expected: Option<RefCell<Vec<(NodeId, Expected)>>>,
}

/// Which node of a tree it is: the tree does not move while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NodeId(*const Node);

/// What the reader expects of a node. A node may be one of several things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// A map with these keys.
    Keys(Vec<String>),
    /// A map whose keys are names that the operator chooses.
    Names,
    /// A list.
    Items,
    /// One line of text, by the name that messages have for it, and the message for this text, if it is refused.
    Text { what: String, refusal: Option<String> },
}

/// The sort order of problems.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    At(Spot),
    File,
    Other,
    Flag,
}

/// Proof that a problem has been recorded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted(());

impl Noted {
    /// For callers of an interface that returns `None` after it recorded the problem.
    pub(super) fn before() -> Self {
        Self(())
    }
}

pub(super) type Read<T> = Result<T, Noted>;

impl Problems {
    pub(super) fn new(file: Option<&Path>) -> Self {
        let file = file.map(|file| file.display().to_string());
        Self { file, noted: RefCell::new(Vec::new()), expected: None }
    }

    /// Records what the reader expects, too.
    pub(super) fn observing() -> Self {
        Self { expected: Some(RefCell::default()), ..Self::new(None) }
    }

    /// What the reader expected of a node, in the order in which it asked.
    pub(super) fn expected_of(&self, node: &Node) -> Vec<Expected> {
        let id = NodeId(node);
        let expected = self.expected.iter().flat_map(|expected| expected.borrow().clone());
        expected.filter(|(other, _)| *other == id).map(|(_, expected)| expected).collect()
    }

    fn expect(&self, node: &Node, expected: impl FnOnce() -> Expected) {
        if let Some(all) = &self.expected {
            all.borrow_mut().push((NodeId(node), expected()));
        }
    }

    pub(super) fn at(&self, spot: Spot, message: String) -> Noted {
        self.note(Order::At(spot), Problem::at(self.place(spot), message))
    }

    /// A problem with the file as a whole, or because there is no file.
    pub(super) fn file(&self, message: String) -> Noted {
        self.note(Order::File, Problem { place: self.file.clone(), message })
    }

    pub(super) fn flag(&self, flag: &str, message: String) -> Noted {
        self.note(Order::Flag, Problem::at(flag, message))
    }

    /// A problem at a place that was noted before.
    pub(super) fn add_at(&self, place: &str, message: String) -> Noted {
        self.note(Order::Other, Problem::at(place, message))
    }

    /// Appends the problems of another file.
    pub(super) fn add(&self, other: Self) {
        let others = other.into_list();
        self.noted.borrow_mut().extend(others.into_iter().map(|problem| (Order::Other, problem)));
    }

    /// A problem with an environment variable. It is recorded once, although every upstream may report it.
    pub(super) fn variable(&self, variable: &str, message: String) -> Noted {
        let problem = Problem::at(variable, message);
        if self.noted.borrow().iter().any(|(_, known)| *known == problem) {
            return Noted(());
        }
        self.note(Order::Flag, problem)
    }

    fn note(&self, order: Order, problem: Problem) -> Noted {
        self.noted.borrow_mut().push((order, problem));
        Noted(())
    }

    /// The place as `file:line:column`.
    pub(super) fn place(&self, spot: Spot) -> String {
        let file = self.file.as_deref().unwrap_or_default();
        format!("{file}:{}:{}", spot.line, spot.column)
    }

    /// All problems: in the order of the file, then those without a line, then those of flags.
    pub(super) fn into_list(self) -> Vec<Problem> {
        let mut noted = self.noted.into_inner();
        noted.sort_by(|(left, _), (right, _)| left.cmp(right));
        noted.into_iter().map(|(_, problem)| problem).collect()
    }
}

impl Expected {
    fn of_keys(known: &[&str]) -> Self {
        Self::Keys(known.iter().map(|key| (*key).to_owned()).collect())
    }
}

/// A map whose keys have been checked against the known ones.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    problems: &'a Problems,
    entries: &'a [Entry],
}

impl<'a> Section<'a> {
    /// The whole file as a section.
    pub(super) fn root(problems: &'a Problems, node: &'a Node, known: &[&str]) -> Read<Self> {
        let entries = match &node.shape {
            Shape::Map(entries) => entries.as_slice(),
            Shape::Nothing => &[],
            other => {
                return Err(problems.at(node.spot, format!("expected a map of keys, found {other}")));
            }
        };
        let section = Section { problems, entries };
        problems.expect(node, || Expected::of_keys(known));
        section.refuse_unknown(known);
        Ok(section)
    }

    fn refuse_unknown(&self, known: &[&str]) {
        for entry in self.entries {
            if !known.contains(&entry.key.as_str()) {
                self.problems.at(entry.spot, unknown_key(&entry.key, known));
            }
        }
    }

    pub(super) fn value(&self, name: &str) -> Option<Value<'a>> {
        let entry = self.entries.iter().find(|entry| entry.key == name)?;
        Some(Value::of(entry, self.problems))
    }
}

/// The value under a key, or one item of a list under it.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    problems: &'a Problems,
    name: &'a str,
    /// The place of the value if it is text, else of its key: a map begins only at its first key.
    spot: Spot,
    node: &'a Node,
}

impl<'a> Value<'a> {
    fn of(entry: &'a Entry, problems: &'a Problems) -> Self {
        let spot = match entry.value.shape {
            Shape::Text(_) => entry.value.spot,
            _ => entry.spot,
        };
        Value { problems, name: &entry.key, spot, node: &entry.value }
    }

    pub(super) fn wrong(&self, message: impl Into<String>) -> Noted {
        self.problems.at(self.spot, format!("{}: {}", self.name, message.into()))
    }

    /// The place as `file:line:column`.
    pub(super) fn place(&self) -> String {
        self.problems.place(self.spot)
    }

    fn expected(&self, what: &str) -> Noted {
        self.wrong(format!("expected {what}, found {}", self.node.shape))
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.node.shape, Shape::Map(_))
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.node.shape, Shape::Text(_))
    }

    /// The value under one key of a map; other keys are not checked.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let Shape::Map(entries) = &self.node.shape else { return None };
        Some(Self::of(entries.iter().find(|entry| entry.key == name)?, self.problems))
    }

    pub(super) fn section(&self, known: &[&str]) -> Read<Section<'a>> {
        self.problems.expect(self.node, || Expected::of_keys(known));
        let section = Section { problems: self.problems, entries: self.entries()? };
        section.refuse_unknown(known);
        Ok(section)
    }

    /// The values of a map whose keys are names that the operator chose, each with its key's place.
    pub(super) fn named(self) -> Read<impl Iterator<Item = (Spot, Value<'a>)>> {
        self.problems.expect(self.node, || Expected::Names);
        let entries = self.entries()?.iter();
        Ok(entries.map(move |entry| (entry.spot, Value::of(entry, self.problems))))
    }

    /// The key under which the value stands.
    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    // A key with nothing under it counts as an empty map or list: all lines below it may be commented out.
    fn entries(self) -> Read<&'a [Entry]> {
        match &self.node.shape {
            Shape::Map(entries) => Ok(entries),
            Shape::Nothing => Ok(&[]),
            _ => Err(self.expected("a map")),
        }
    }

    /// The items that `read` accepts. A failed item is left out, and a repeated one is a problem.
    pub(super) fn each<T: PartialEq>(&self, read: impl Fn(Self) -> Read<T>) -> Vec<T> {
        let mut list = Vec::new();
        for item in self.items() {
            match read(item) {
                Ok(value) if list.contains(&value) => {
                    item.wrong(format!("{} is listed twice", item.node.shape));
                }
                Ok(value) => list.push(value),
                Err(Noted(())) => {}
            }
        }
        list
    }

    fn items(self) -> impl Iterator<Item = Value<'a>> {
        self.problems.expect(self.node, || Expected::Items);
        let items = match &self.node.shape {
            Shape::List(items) => items.as_slice(),
            Shape::Nothing => &[],
            _ => {
                self.expected("a list");
                &[]
            }
        };
        items.iter().map(move |node| Value { node, spot: node.spot, ..self })
    }

    /// A list with at least one item, or a single item written without the list. A failed item is left out.
    pub(super) fn one_or_more<T: PartialEq>(&self, what: &str, read: impl Fn(Self) -> Read<T>) -> Vec<T> {
        self.problems.expect(self.node, || Expected::Items);
        match &self.node.shape {
            Shape::Text(_) => read(*self).into_iter().collect(),
            Shape::List(items) if !items.is_empty() => self.each(read),
            _ => {
                self.expected(&format!("{what} or a list of them"));
                Vec::new()
            }
        }
    }

    /// A list with at least one item, or a single item written without the list. One failed item fails the list.
    pub(super) fn all<T: PartialEq>(&self, what: &str, read: impl Fn(Self) -> Read<T>) -> Read<Vec<T>> {
        self.problems.expect(self.node, || Expected::Items);
        match &self.node.shape {
            Shape::Text(_) => read(*self).map(|only| vec![only]),
            Shape::List(items) if !items.is_empty() => {
                let failed = Cell::new(None);
                let list = self.each(|item| read(item).inspect_err(|noted| failed.set(Some(*noted))));
                failed.get().map_or(Ok(list), Err)
            }
            _ => Err(self.expected(&format!("{what} or a list of them"))),
        }
    }

    /// One line of text. `what` names it in the message.
    pub(super) fn text(&self, what: &str) -> Read<&'a str> {
        self.problems.expect(self.node, || Expected::Text { what: what.to_owned(), refusal: None });
        match &self.node.shape {
            Shape::Text(text) if text.is_empty() => Err(self.wrong(format!("expected {what}, found empty text"))),
            Shape::Text(text) if pem::is_file(text) => Err(self.wrong(format!("expected {what}, found {SECRET}"))),
            Shape::Text(text) if text.contains(char::is_control) => {
                Err(self.wrong(format!("expected {what}, found more than one line or a control character")))
            }
            Shape::Text(text) => Ok(text),
            _ => Err(self.expected(what)),
        }
    }

    /// Text, converted by `parse`.
    pub(super) fn parsed<T>(&self, what: &str, parse: impl Fn(&str) -> Result<T, String>) -> Read<T> {
        let text = self.text(what)?;
        parse(text).map_err(|message| {
            let refusal = || Some(message.clone());
            self.problems.expect(self.node, || Expected::Text { what: what.to_owned(), refusal: refusal() });
            let quotes_secret = message.contains(text) && pem::is_secret(text);
            self.wrong(if quotes_secret { format!("expected {what}, found {SECRET}") } else { message })
        })
    }

    pub(super) fn truth(&self) -> Read<bool> {
        self.parsed("`true` or `false`", quantity::truth)
    }

    pub(super) fn duration(&self) -> Read<Duration> {
        self.parsed("a duration", quantity::duration)
    }

    pub(super) fn deadline(&self) -> Read<Duration> {
        self.parsed("a duration", quantity::deadline)
    }

    pub(super) fn size(&self) -> Read<usize> {
        self.parsed("a size", quantity::size)
    }

    pub(super) fn metadata_name(&self) -> Read<HeaderName> {
        self.parsed("a header name", header_name::metadata_name)
    }

    pub(super) fn reply_header_name(&self) -> Read<HeaderName> {
        self.parsed("a header name", header_name::reply_header_name)
    }

    /// A path; a relative one counts from `folder`.
    pub(super) fn path(&self, folder: &Path) -> Read<PathBuf> {
        let text = self.text("a path")?;
        Ok(folder.join(text))
    }
}

/// The value converted by `read`; `default` if it is missing or cannot be read.
pub(super) fn or_default<'a, T>(value: Option<Value<'a>>, read: impl Fn(&Value<'a>) -> Read<T>, default: T) -> T {
    value.and_then(|value| read(&value).ok()).unwrap_or(default)
}

fn unknown_key(key: &str, known: &[&str]) -> String {
    let shown = quoted(key);
    match nearest(key, known) {
        Some(near) => format!("unknown key {shown}; did you mean `{near}`?"),
        None => format!("unknown key {shown}; known here: `{}`", known.join("`, `")),
    }
}

/// The known key that `key` is most likely a misspelling of: at most a third of its characters differ.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let distances = known.iter().map(|name| (strsim::levenshtein(&key.to_lowercase(), &name.to_lowercase()), *name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    let allowed = (key.chars().count().max(name.len()) / 3).max(1);
    (distance <= allowed).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_key_is_suggested_for_an_unknown_one() {
        for (key, known, answer) in [
            ("adress", &["address", "tls"][..], Some("address")),
            ("lsiten", &["listen", "schema"], Some("listen")),
            ("client-ca", &["cert", "key", "client_ca"], Some("client_ca")),
            ("clientCA", &["cert", "key", "client_ca"], Some("client_ca")),
            ("Schema", &["listen", "schema"], Some("schema")),
            ("not_found", &["ABORTED", "NOT_FOUND"], Some("NOT_FOUND")),
            ("bodylimit", &["body_limit", "json_types"], Some("body_limit")),
            ("ke", &["cert", "key"], Some("key")),
            ("port", &["address", "tls"], None),
            ("<<", &["address", "tls"], None),
        ] {
            assert_eq!(nearest(key, known), answer, "{key}");
        }
    }

    #[test]
    fn problems_are_listed_in_file_order_and_those_of_flags_last() {
        let problems = Problems::new(Some(Path::new("t.yaml")));
        problems.flag("--listen", "last".into());
        problems.file("fourth".into());
        problems.at(Spot { line: 10, column: 1 }, "third".into());
        problems.at(Spot { line: 9, column: 20 }, "second".into());
        problems.at(Spot { line: 9, column: 3 }, "first".into());
        let texts: Vec<_> = problems.into_list().iter().map(Problem::to_string).collect();
        assert_eq!(
            texts,
            ["t.yaml:9:3: first", "t.yaml:9:20: second", "t.yaml:10:1: third", "t.yaml: fourth", "--listen: last"]
        );
    }
}
