//! Compares two schemas: does the newer one accept less, or allow more in replies?

use std::collections::BTreeSet;

use serde_json::Value;

/// The direction of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    /// Values that were accepted must still be accepted.
    Request,
    /// Members that were present must still be present, and no value may appear that callers do not expect.
    Reply,
}

/// A pair of compared schemas, by their references, and the direction of the value.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Compared {
    old: String,
    new: String,
    direction: Direction,
}

/// One keyword in both schemas.
#[derive(Clone, Copy)]
struct Keyword<'a> {
    name: &'static str,
    old: &'a Value,
    new: &'a Value,
}

/// Compares schemas of two documents.
pub(super) struct Narrowing<'a> {
    old: &'a Value,
    new: &'a Value,
    found: Vec<String>,
    /// The pairs that have been compared, since messages can contain themselves.
    seen: BTreeSet<Compared>,
}

const NUMBERS: &[(&str, f64)] =
    &[("minimum", 1.0), ("maximum", -1.0), ("exclusiveMinimum", 1.0), ("exclusiveMaximum", -1.0)];

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

impl<'a> Narrowing<'a> {
    pub(super) fn between(old: &'a Value, new: &'a Value) -> Self {
        Self { old, new, found: Vec::new(), seen: BTreeSet::new() }
    }

    pub(super) fn into_found(self) -> Vec<String> {
        self.found
    }

    /// Adds a change unless it is listed already.
    pub(super) fn add(&mut self, place: &str, what: &str) {
        let line = format!("{place}: {what}");
        if !self.found.contains(&line) {
            self.found.push(line);
        }
    }

    /// Adds the changes that make the newer schema narrower for values in this direction.
    pub(super) fn compare(&mut self, place: &str, (old, new): (&'a Value, &'a Value), direction: Direction) {
        if let (Some(one), Some(other)) = (old["$ref"].as_str(), new["$ref"].as_str())
            && !self.seen.insert(Compared { old: one.to_owned(), new: other.to_owned(), direction })
        {
            return;
        }
        let (olds, news) = (choices(self.old, old), choices(self.new, new));
        self.types(place, (&olds, &news), direction);
        for kind in TYPES {
            let of_kind = |all: &[&'a Value]| -> Vec<&'a Value> {
                all.iter().copied().filter(|schema| types(schema).contains(kind)).collect()
            };
            let (olds, news) = (of_kind(&olds), of_kind(&news));
            // With several alternatives, nothing shows which of them correspond.
            if let ([old], [new]) = (olds.as_slice(), news.as_slice()) {
                match kind {
                    "object" => self.objects(place, (old, new), direction),
                    "array" => self.elements(place, (old, new), direction),
                    "string" => self.texts(place, (old, new), direction),
                    "integer" | "number" => self.bounds(place, (old, new), direction, NUMBERS),
                    _ => {}
                }
            }
        }
    }

    fn types(&mut self, place: &str, (olds, news): (&[&Value], &[&Value]), direction: Direction) {
        let all = |schemas: &[&Value]| -> BTreeSet<&'static str> {
            let mut all: BTreeSet<&str> = schemas.iter().flat_map(|schema| types(schema)).collect();
            if all.contains("number") {
                all.insert("integer");
            }
            all
        };
        let (old, new) = (all(olds), all(news));
        match direction {
            Direction::Request => {
                for gone in old.difference(&new) {
                    self.add(place, &format!("takes no {gone} any more"));
                }
            }
            Direction::Reply => {
                for more in new.difference(&old) {
                    self.add(place, &format!("may be {more} now"));
                }
            }
        }
    }

    fn elements(&mut self, place: &str, (old, new): (&'a Value, &'a Value), direction: Direction) {
        self.bounds(place, (old, new), direction, &[("minItems", 1.0), ("maxItems", -1.0)]);
        if let (Some(old), Some(new)) = (old.get("items"), new.get("items")) {
            self.compare(&format!("{place}[]"), (old, new), direction);
        }
    }

    fn texts(&mut self, place: &str, (old, new): (&Value, &Value), direction: Direction) {
        self.enumeration(place, (old, new), direction);
        self.bounds(place, (old, new), direction, &[("minLength", 1.0), ("maxLength", -1.0)]);
        for name in ["pattern", "format"] {
            self.keyword(place, Keyword { name, old, new }, direction);
        }
    }

    fn objects(&mut self, place: &str, (old, new): (&'a Value, &'a Value), direction: Direction) {
        self.bounds(place, (old, new), direction, &[("minProperties", 1.0), ("maxProperties", -1.0)]);
        let between = if is_member(place) { "." } else { ", member " };
        let inner = |name: &str| format!("{place}{between}{name}");
        for (name, old_member) in old["properties"].as_object().into_iter().flatten() {
            match new["properties"].get(name) {
                Some(new_member) => self.compare(&inner(name), (old_member, new_member), direction),
                None if direction == Direction::Request && takes_by_pattern(new, name) => {}
                None if direction == Direction::Reply || new["additionalProperties"] == false => {
                    self.add(&inner(name), "is gone");
                }
                None => {}
            }
        }
        let (before, now) = (names(&old["required"]), names(&new["required"]));
        match direction {
            Direction::Request => {
                for name in now.difference(&before) {
                    self.add(&inner(name), "is required now");
                }
                if new["additionalProperties"] == false && old["additionalProperties"] != false {
                    self.add(place, "takes no unknown members any more");
                }
            }
            Direction::Reply => {
                for name in before.difference(&now) {
                    self.add(&inner(name), "may be left out now");
                }
            }
        }
        if let (Some(old), Some(new)) = (old.get("additionalProperties"), new.get("additionalProperties"))
            && old.is_object()
            && new.is_object()
        {
            self.compare(&format!("{place}[]"), (old, new), direction);
        }
    }

    /// Reports an enum value that is no longer accepted. A new value in a reply is not reported: enums are expected to
    /// grow.
    fn enumeration(&mut self, place: &str, (old, new): (&Value, &Value), direction: Direction) {
        let (Some(now), Direction::Request) = (new["enum"].as_array(), direction) else { return };
        match old["enum"].as_array() {
            None => self.add(place, "takes some texts only now"),
            Some(before) => {
                for gone in before.iter().filter(|value| !now.contains(value)) {
                    self.add(place, &format!("takes no {gone} any more"));
                }
            }
        }
    }

    /// Compares a keyword that restricts the form of a text.
    fn keyword(&mut self, place: &str, Keyword { name, old, new }: Keyword<'_>, direction: Direction) {
        let (old, new) = (old[name].as_str(), new[name].as_str());
        let is_broken = match direction {
            Direction::Request => new.is_some() && new != old,
            Direction::Reply => old.is_some() && new != old,
        };
        if is_broken {
            let shown = |text: Option<&str>| text.map_or_else(|| "none".to_owned(), |text| format!("`{text}`"));
            self.add(place, &format!("has the {name} {} now, before {}", shown(new), shown(old)));
        }
    }

    /// Compares keywords with their sign: 1 for a lower bound, -1 for an upper one.
    fn bounds(&mut self, place: &str, (old, new): (&Value, &Value), direction: Direction, names: &[(&str, f64)]) {
        for &(name, sign) in names {
            let bound = |schema: &Value| schema[name].as_f64().map_or(f64::NEG_INFINITY, |bound| bound * sign);
            let (before, now) = (bound(old), bound(new));
            let is_broken = match direction {
                Direction::Request => now > before,
                Direction::Reply => now < before,
            };
            if is_broken {
                let shown = |schema: &Value| schema.get(name).map_or_else(|| "none".to_owned(), Value::to_string);
                self.add(place, &format!("has the {name} {} now, before {}", shown(new), shown(old)));
            }
        }
    }
}

/// The alternatives of a schema, with references resolved.
fn choices<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let mut found = Vec::new();
    let mut left = vec![(schema, 0)];
    while let Some((schema, depth)) = left.pop() {
        // A document from elsewhere may have circular references.
        if depth > 32 {
            continue;
        }
        let referred = schema["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
        if let Some(referred) = referred {
            left.extend(document.pointer(referred).map(|schema| (schema, depth + 1)));
        } else if let Some(choices) = schema["anyOf"].as_array() {
            left.extend(choices.iter().rev().map(|schema| (schema, depth + 1)));
        } else {
            found.push(schema);
        }
    }
    found
}

/// The types of values that a schema without references allows.
fn types(schema: &Value) -> BTreeSet<&'static str> {
    let known = |name: &str| TYPES.iter().find(|known| **known == name).copied();
    match &schema["type"] {
        Value::String(one) => known(one).into_iter().collect(),
        Value::Array(several) => several.iter().filter_map(|one| known(one.as_str()?)).collect(),
        _ => TYPES.into(),
    }
}

fn is_member(place: &str) -> bool {
    place.rsplit(", ").next().is_some_and(|last| last.starts_with("member "))
}

fn names(list: &Value) -> BTreeSet<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Whether one of the object's patterns allows a member of this name. The patterns are whole names between `^` and `$`.
fn takes_by_pattern(object: &Value, name: &str) -> bool {
    let mut patterns = object["patternProperties"].as_object().into_iter().flatten().map(|(pattern, _)| pattern);
    patterns.any(|pattern| pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')) == Some(name))
}
