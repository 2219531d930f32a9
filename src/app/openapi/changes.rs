//! Finds the changes in a newer document that break callers of an older one.
//!
//! Requests that were accepted must still be accepted, and replies must still have what they had. Additions break
//! nobody: routes, members, optional query parameters, enum values.

use serde_json::{Map, Value};

use super::narrowing::{Direction, Narrowing};

/// Each change that breaks callers, as one line of text, in the order of the older document.
#[must_use]
pub fn breaking_changes(old: &Value, new: &Value) -> Vec<String> {
    let mut changes = Changes { narrowing: Narrowing::between(old, new), old, new };
    changes.operations();
    changes.narrowing.into_found()
}

struct Changes<'a> {
    old: &'a Value,
    new: &'a Value,
    narrowing: Narrowing<'a>,
}

/// An operation that is in both documents.
struct Pair<'a> {
    place: String,
    old: &'a Value,
    new: &'a Value,
}

impl<'a> Changes<'a> {
    fn operations(&mut self) {
        let (old, new) = (self.old, self.new);
        for (path, item) in members(&old["paths"]) {
            let now = members(&new["paths"]).find(|(other, _)| shape(other) == shape(path)).map(|(_, item)| item);
            let extended = members(&item["x-additionalOperations"]);
            for (method, old) in members(item).filter(|(_, operation)| is_operation(operation)).chain(extended) {
                let place = format!("{} {path}", method.to_ascii_uppercase());
                let found = now.and_then(|now| {
                    let here = now.get(method).or_else(|| now["x-additionalOperations"].get(method));
                    here.filter(|operation| is_operation(operation))
                });
                match found {
                    Some(new) => self.operation(&Pair { place, old, new }),
                    None => self.narrowing.add(&place, "is gone"),
                }
            }
        }
        if is_open(&old["security"]) && !is_open(&new["security"]) {
            self.narrowing.add("all operations", "need credentials now");
        }
    }

    fn operation(&mut self, pair: &Pair<'a>) {
        // Without its own `security`, an operation has that of the document.
        let is_own = !pair.new["security"].is_null();
        let old = if pair.old["security"].is_null() { &self.old["security"] } else { &pair.old["security"] };
        if is_own && is_open(old) && !is_open(&pair.new["security"]) {
            self.narrowing.add(&pair.place, "needs credentials now");
        }
        self.parameters(pair);
        self.request(pair);
        let (old, new) = (&pair.old["responses"]["200"], &pair.new["responses"]["200"]);
        self.content(&format!("{}, reply", pair.place), (old, new), Direction::Reply);
    }

    fn parameters(&mut self, Pair { place, old, new }: &Pair<'a>) {
        let (old, new) = (list(&old["parameters"]), list(&new["parameters"]));
        let is_path = |parameter: &&&Value| parameter["in"] == "path";
        // Path variables are matched by position: callers do not send their names.
        let paths = old.iter().filter(is_path).zip(new.iter().filter(is_path));
        let others = old.iter().filter(|parameter| parameter["in"] != "path");
        let others = others.map(|old| (old, new.iter().find(|new| key(new) == key(old))));
        let pairs = paths.map(|(old, new)| (old, Some(new))).chain(others);
        for (old, new) in pairs.collect::<Vec<_>>() {
            let place = format!("{place}, {} {}", text(&old["in"]), text(&old["name"]));
            match new {
                None => self.narrowing.add(&place, "is gone"),
                Some(new) => {
                    if new["required"] == true && old["required"] != true {
                        self.narrowing.add(&place, "is required now");
                    }
                    let schemas = (schema_of(old), schema_of(new));
                    self.narrowing.compare(&place, schemas, Direction::Request);
                }
            }
        }
        let is_new = |new: &&&Value| new["in"] != "path" && !old.iter().any(|old| key(old) == key(new));
        for new in new.iter().filter(is_new).filter(|new| new["required"] == true) {
            let place = format!("{place}, {} {}", text(&new["in"]), text(&new["name"]));
            self.narrowing.add(&place, "is new and required");
        }
    }

    fn request(&mut self, Pair { place, old, new }: &Pair<'a>) {
        let place = format!("{place}, body");
        match (old.get("requestBody"), new.get("requestBody")) {
            (Some(_), None) => self.narrowing.add(&place, "is not taken any more"),
            (None, Some(new)) if new["required"] == true => self.narrowing.add(&place, "is required now"),
            (Some(old), Some(new)) => {
                if new["required"] == true && old["required"] != true {
                    self.narrowing.add(&place, "is required now");
                }
                self.content(&place, (old, new), Direction::Request);
            }
            _ => {}
        }
    }

    fn content(&mut self, place: &str, (old, new): (&'a Value, &'a Value), direction: Direction) {
        for (media_type, old) in members(&old["content"]) {
            match new["content"].get(media_type) {
                None => self.narrowing.add(&format!("{place} {media_type}"), "is gone"),
                Some(new) => {
                    // Forms have the same fields as JSON, and one change need not be reported three times.
                    if !media_type.contains("form") {
                        self.narrowing.compare(place, (&old["schema"], &new["schema"]), direction);
                    }
                }
            }
        }
    }
}

/// A path with `{}` in place of each variable, so that renamed variables do not matter.
fn shape(path: &str) -> String {
    let mut pieces = path.split('{');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |shape, piece| shape + "{}" + piece.split_once('}').map_or("", |(_, rest)| rest))
}

/// Whether this `security` lets callers in without credentials.
fn is_open(security: &Value) -> bool {
    let ways = list(security);
    ways.is_empty() || ways.iter().any(|way| way.as_object().is_some_and(Map::is_empty))
}

fn schema_of(parameter: &Value) -> &Value {
    let content = members(&parameter["content"]).next().map(|(_, content)| &content["schema"]);
    content.unwrap_or(&parameter["schema"])
}

fn key(parameter: &Value) -> (&Value, &Value) {
    (&parameter["in"], &parameter["name"])
}

fn is_operation(value: &Value) -> bool {
    value.get("responses").is_some()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn list(value: &Value) -> Vec<&Value> {
    value.as_array().map(|list| list.iter().collect()).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
