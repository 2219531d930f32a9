//! The operation for one method and path: for the route there, or for several routes that differ in their query
//! parameters.

use serde_json::{Map, Value, json};

use super::annotations;
use super::body;
use super::errors::{self, Class};
use super::parameters::{captured, of_path, of_query};
use super::path::Path;
use super::schemas::{Schemas, paragraphs};
use super::style::{Reading, Style};
use crate::format::template::Template;
use crate::gateway::Config;
use crate::route::Route;

/// The longest summary, in characters.
const SUMMARY: usize = 120;

/// A route with its path in the document.
pub(super) struct Entry<'a> {
    pub(super) route: &'a Route,
    pub(super) template: Template,
    pub(super) path: Path,
    /// The id of its operation, if the operation has no other route.
    pub(super) id: String,
}

/// The operation for these routes, of which there is at least one. `names` are the names of the variables of their
/// path.
pub(super) fn operation(schemas: &mut Schemas<'_>, config: &Config, entries: &[&Entry<'_>], names: &[String]) -> Value {
    let parts: Vec<Parts> = entries.iter().map(|entry| Parts::of(schemas, config, entry, names)).collect();
    let mut operation = Map::new();
    let mut put = |name: &str, value: Value| drop(operation.insert(name.to_owned(), value));
    let mut tags: Vec<&String> = parts.iter().flat_map(|parts| &parts.tags).collect();
    tags.dedup();
    put("tags", json!(tags));
    put("operationId", json!(entries[0].id));
    let several = parts.len() > 1;
    let summary = parts.iter().map(|parts| parts.summary.as_str()).filter(|text| !text.is_empty());
    let summary = summary.collect::<Vec<_>>().join(" / ");
    if !summary.is_empty() {
        put("summary", json!(summary));
    }
    let description = match several {
        false => parts[0].description.clone(),
        true => alternatives(entries, &parts),
    };
    if !description.is_empty() {
        put("description", json!(description));
    }
    if parts.iter().all(|parts| parts.deprecated) {
        put("deprecated", json!(true));
    }
    let rpcs: Vec<&str> = entries.iter().map(|entry| entry.route.rpc.name.as_str()).collect();
    put("x-rpc", if several { json!(rpcs) } else { json!(rpcs[0]) });
    let parameters = joined_parameters(&parts);
    if !parameters.is_empty() {
        put("parameters", Value::Array(parameters));
    }
    if let Some(body) = joined(parts.iter().filter_map(|parts| parts.body.clone())) {
        put("requestBody", body);
    }
    let reply = joined(parts.into_iter().map(|parts| parts.reply)).unwrap_or_default();
    let mut responses = json!({ "200": reply });
    for class in Class::ALL {
        let name = errors::response_name(entries[0].route.rpc.policy.errors.form, class);
        responses[class.key()] = json!({ "$ref": format!("#/components/responses/{name}") });
    }
    put("responses", responses);
    Value::Object(operation)
}

/// What one route contributes to an operation.
struct Parts {
    tags: Vec<String>,
    summary: String,
    description: String,
    deprecated: bool,
    parameters: Vec<Value>,
    body: Option<Value>,
    reply: Value,
}

impl Parts {
    fn of(schemas: &mut Schemas<'_>, config: &Config, entry: &Entry<'_>, names: &[String]) -> Self {
        let Entry { route, template, path, .. } = entry;
        let style = Style::Read(Reading::of(&route.rpc));
        let mut parameters: Vec<Value> =
            path.parts.iter().zip(names).map(|(part, name)| of_path(schemas, part, name, style)).collect();
        parameters.extend(of_query(schemas, route, template, style));
        let captured = captured(template, &route.rpc.input);
        let remark = schemas.remark(&route.rpc.name);
        let said = annotations::operation(remark);
        let comment = remark.map(|remark| remark.comment.clone()).unwrap_or_default();
        let service = route.rpc.name.rsplit_once('.').map_or("", |(service, _)| service);
        let tag = service.rsplit('.').next().unwrap_or_default().to_owned();
        // Without a comment, the name of the rpc is the summary.
        let method = route.rpc.name.rsplit('.').next().unwrap_or_default();
        let summary = [said.summary, summary(&comment), method.to_owned()].into_iter().find(|text| !text.is_empty());
        let websocket = route.rpc.policy.websocket.as_ref().map(|_| "A WebSocket may be opened at this path too.");
        let description = if said.description.is_empty() { comment } else { said.description };
        Self {
            tags: if said.tags.is_empty() { vec![tag] } else { said.tags },
            summary: summary.unwrap_or_default(),
            description: paragraphs([description, websocket.unwrap_or_default().to_owned()]),
            deprecated: said.deprecated || remark.is_some_and(|remark| remark.deprecated),
            parameters,
            body: body::request(schemas, config, route, &captured),
            reply: body::reply(schemas, config, route),
        }
    }
}

/// The description of an operation with several rpcs: which query parameters select each of them.
fn alternatives(entries: &[&Entry<'_>], parts: &[Parts]) -> String {
    let mut text = "The query keys that are given say which of these is called.".to_owned();
    let is_common = |key: &str| entries.iter().all(|entry| entry.route.declared_keys().any(|other| other == key));
    for (Entry { route, .. }, parts) in entries.iter().zip(parts) {
        let keys = route.declared_keys().filter(|key| !is_common(key));
        let keys: Vec<String> = keys.map(|key| format!("`{key}`")).collect();
        let keys =
            if keys.is_empty() { "without keys of its own".to_owned() } else { format!("with {}", keys.join(", ")) };
        let said = parts.description.replace('\n', "\n  ");
        let colon = if said.is_empty() { "" } else { ": " };
        text.push_str(&format!("\n\n- `{}`, {keys}{colon}{said}", route.rpc.name));
    }
    text
}

/// The parameters of all routes, each once. A parameter that some routes lack is optional.
fn joined_parameters(parts: &[Parts]) -> Vec<Value> {
    let is_same = |one: &Value, other: &Value| one["name"] == other["name"] && one["in"] == other["in"];
    let mut all: Vec<Value> = Vec::new();
    for parameter in parts.iter().flat_map(|parts| &parts.parameters) {
        if all.iter().any(|known| is_same(known, parameter)) {
            continue;
        }
        let same = parts.iter().map(|parts| parts.parameters.iter().find(|other| is_same(other, parameter)));
        let same: Vec<&Value> = same.flatten().collect();
        let mut parameter = parameter.clone();
        if same.len() < parts.len() || same.iter().any(|other| other["required"] != true) {
            parameter.as_object_mut().map(|parameter| parameter.remove("required"));
        }
        let mut schemas: Vec<Value> = Vec::new();
        for schema in same.iter().filter_map(|other| other.get("schema")).filter(|schema| !schema.is_null()) {
            if !schemas.contains(schema) {
                schemas.push(schema.clone());
            }
        }
        if schemas.len() > 1 && parameter.get("content").is_none() {
            parameter["schema"] = json!({ "anyOf": schemas });
        }
        all.push(parameter);
    }
    all
}

/// One body for several routes: the media types of all, each with the schemas of all routes that have it.
fn joined(bodies: impl Iterator<Item = Value>) -> Option<Value> {
    bodies.reduce(|mut all, body| {
        for (media_type, content) in body["content"].as_object().into_iter().flatten() {
            let schema = &content["schema"];
            let place = &mut all["content"][media_type];
            match place.get("schema").cloned() {
                None => *place = content.clone(),
                Some(known) if known == *schema => {}
                Some(known) => {
                    let mut choices = match known.get("anyOf").filter(|_| known["x-alternatives"] == true) {
                        Some(Value::Array(choices)) => choices.clone(),
                        _ => vec![known],
                    };
                    if !choices.contains(schema) {
                        choices.push(schema.clone());
                    }
                    *place = json!({ "schema": { "anyOf": choices, "x-alternatives": true } });
                }
            }
        }
        all
    })
}

/// The first sentence of a comment.
fn summary(comment: &str) -> String {
    let paragraph = comment.split("\n\n").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = paragraph.split_once(". ").map_or(paragraph.as_str(), |(sentence, _)| sentence);
    let sentence = sentence.trim_end_matches('.');
    match sentence.char_indices().nth(SUMMARY) {
        None => sentence.to_owned(),
        Some((end, _)) => format!("{}...", &sentence[..end]),
    }
}
