//! The JSON Schema of the file, for editors.

use serde_json::{Map, Value, json};

use super::forms;
use super::manual::{Entry, Manual};
use super::probe::{self, Found, Step};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The JSON Schema of the configuration file.
#[must_use]
pub fn schema() -> Value {
    let manual = Manual::read();
    let mut schema = json!({ "$schema": DIALECT, "title": "The configuration of Towbar" });
    let file = of(&probe::file(), &mut Vec::new(), &manual);
    schema.as_object_mut().into_iter().for_each(|schema| schema.extend(file.as_object().cloned().unwrap_or_default()));
    schema
}

fn of(found: &Found, path: &mut Vec<Step>, manual: &Manual) -> Value {
    let mut choices: Vec<Value> = Vec::new();
    for choice in found.texts.iter().map(forms::text) {
        if !choices.contains(&choice) {
            choices.push(choice);
        }
    }
    if !found.keys.is_empty() {
        let mut properties = Map::new();
        for (key, below) in &found.keys {
            path.push(Step::Key(key.clone()));
            properties.insert(key.clone(), of(below, path, manual));
            path.pop();
        }
        // A key with nothing under it is a map without keys.
        choices.push(json!({ "type": ["object", "null"], "properties": properties, "additionalProperties": false }));
    }
    if let Some(named) = &found.named {
        path.push(Step::Name);
        let named = of(named, path, manual);
        path.pop();
        choices.push(json!({ "type": ["object", "null"], "additionalProperties": named }));
    }
    if let Some(items) = &found.items {
        path.push(Step::Item);
        let items = of(items, path, manual);
        path.pop();
        choices.push(json!({ "type": ["array", "null"], "items": items }));
    }
    let mut schema = match choices.len() {
        0 => json!({}),
        1 => choices.remove(0),
        _ => json!({ "anyOf": choices }),
    };
    if let Some(entry) = manual.of(path).filter(|_| path.last() != Some(&Step::Item)) {
        schema["description"] = json!(description(entry));
        if let Some(default) = default(&entry.default) {
            schema["default"] = default;
        }
    }
    schema
}

fn description(Entry { meaning, default, range }: &Entry) -> String {
    let mut text = meaning.clone();
    for (name, value) in [("Default", default), ("Range", range)] {
        if !value.is_empty() {
            let end = if text.ends_with('.') { "" } else { "." };
            text = format!("{text}{end} {name}: {value}");
        }
    }
    text
}

/// The default as a value, where it is one: `false: left out` is false.
fn default(text: &str) -> Option<Value> {
    let (value, rest) = text.strip_prefix('`')?.split_once('`')?;
    if !rest.is_empty() && !rest.starts_with(':') {
        return None;
    }
    Some(
        value
            .parse::<bool>()
            .map(Value::from)
            .or_else(|_| value.parse::<u64>().map(Value::from))
            .unwrap_or(json!(value)),
    )
}
