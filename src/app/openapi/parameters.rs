//! The parameters of a route: the variables of its path, and its query parameters.

use serde_json::{Value, json};

use super::annotations::Behavior;
use super::path::Part;
use super::scalars::with;
use super::schemas::{Schemas, shown};
use super::style::Style;
use crate::codec::{takes_entries, takes_json, takes_text};
use crate::format::template::Template;
use crate::route::{BodyRule, Route};
use crate::schema::{Field, FieldPath, Message, MessageId, Shape, WellKnown};

/// The most query parameters that are listed. Fields of the message come before nested ones; messages can contain each
/// other.
const MOST_KEYS: usize = 256;
/// The deepest nesting of messages whose fields are listed.
const DEEPEST: usize = 8;

/// The parameter for one variable segment of a path.
pub(super) fn of_path(schemas: &mut Schemas<'_>, part: &Part, name: &str, style: Style) -> Value {
    let mut notes: Vec<String> = Vec::new();
    let schema = match &part.field {
        None => {
            notes.push("Any text: it fills no field.".to_owned());
            json!({ "type": "string" })
        }
        Some(path) if part.is_whole && !part.is_open => {
            let schema = schemas.text(path.leaf(), style);
            let schema = schemas.restricted(schema, path.leaf(), style);
            schemas.described(schema, path.leaf())
        }
        Some(path) => {
            notes.push(format!("A part of the field `{path}`."));
            schemas.described(json!({ "type": "string" }), path.leaf())
        }
    };
    if part.is_open {
        notes.push("It may be several segments of the path, with `/` between them as it stands, or none.".to_owned());
    }
    let (schema, description) = apart(schema);
    let description = description.into_iter().chain(notes).collect::<Vec<_>>().join("\n\n");
    let schema = match schema.get("type") {
        Some(kind) if kind == "string" && !part.is_open && schema.get("minLength").is_none() => {
            with(schema, [("minLength", json!(1))])
        }
        _ => schema,
    };
    let parameter = json!({ "name": name, "in": "path", "required": true, "schema": schema });
    described(parameter, &description)
}

/// The query parameters: first those that the template declares, then all fields that neither the path nor the body
/// fills.
pub(super) fn of_query(schemas: &mut Schemas<'_>, route: &Route, template: &Template, style: Style) -> Vec<Value> {
    let input = &route.rpc.input;
    let resolved = |name: &str| FieldPath::resolve_exactly(input, name).ok();
    let declared: Vec<FieldPath> = template.query.iter().filter_map(|key| resolved(&key.field)).collect();
    let mut parameters: Vec<Value> = Vec::new();
    for (key, path) in template.query.iter().zip(&declared) {
        parameters.push(of_key(schemas, &key.key, path.leaf(), style));
    }
    if route.body == BodyRule::Whole {
        return parameters;
    }
    let captured = captured(template, input);
    for Leaf { name, path } in (Leaves { style, root: input }).found() {
        let bodys = matches!(&route.body, BodyRule::Field(body) if path.is_within(body) || body.is_within(&path));
        let taken = captured.iter().any(|captured| captured.is_within(&path) || path.is_within(captured));
        let excluded = captured.iter().any(|captured| captured.excludes(&path));
        if !bodys && !taken && !excluded && !declared.contains(&path) {
            parameters.push(of_key(schemas, &name, path.leaf(), style));
        }
    }
    parameters
}

/// The fields that path variables fill.
pub(super) fn captured(template: &Template, input: &Message) -> Vec<FieldPath> {
    template.variables.iter().filter_map(|variable| FieldPath::resolve_exactly(input, &variable.field).ok()).collect()
}

/// The schema of a form body for this message.
pub(super) fn form(schemas: &mut Schemas<'_>, message: &Message, style: Style) -> Value {
    let mut properties = serde_json::Map::new();
    for Leaf { name, path } in (Leaves { style, root: message }).found() {
        let schema = values(schemas, path.leaf(), style);
        properties.insert(name, schemas.described(schema, path.leaf()));
    }
    json!({ "type": "object", "properties": properties })
}

fn of_key(schemas: &mut Schemas<'_>, name: &str, field: &Field, style: Style) -> Value {
    let schema = values(schemas, field, style);
    let (mut schema, description) = apart(schemas.described(schema, field));
    let is_deprecated = schema.as_object_mut().and_then(|schema| schema.remove("deprecated")).is_some();
    let is_json = takes_json(field) && !field.is_repeated();
    let mut parameter = json!({ "name": name, "in": "query" });
    let remark = schemas.remark(&format!("{}.{}", owner(field), field.name()));
    if (Behavior::Required.is_of(remark) || schemas.is_demanded(field, style)) && !name.contains('.') {
        parameter = with(parameter, [("required", json!(true))]);
    }
    if is_deprecated {
        parameter = with(parameter, [("deprecated", json!(true))]);
    }
    parameter = match (is_json, field.table().shape) {
        (true, _) => with(parameter, [("content", json!({ "application/json": { "schema": schema } }))]),
        // Written as `map[key]=value`.
        (false, Shape::Map) => {
            with(parameter, [("style", json!("deepObject")), ("explode", json!(true)), ("schema", schema)])
        }
        (false, _) => with(parameter, [("schema", schema)]),
    };
    described(parameter, &description.unwrap_or_default())
}

/// The schema of all values of a field, written as texts.
fn values(schemas: &mut Schemas<'_>, field: &Field, style: Style) -> Value {
    let value_field = field.message().and_then(|entry| entry.field("value"));
    let schema = match (field.table().shape, value_field) {
        (Shape::Map, Some(value)) => {
            json!({ "type": "object", "additionalProperties": schemas.text(&value, style) })
        }
        _ if takes_json(field) && field.is_repeated() => {
            json!({ "type": "array", "items": { "type": "string", "contentMediaType": "application/json" } })
        }
        (Shape::Repeated | Shape::Packed, _) => json!({ "type": "array", "items": schemas.text(field, style) }),
        _ => schemas.text(field, style),
    };
    schemas.restricted(schema, field, style)
}

/// A field that a query parameter can set.
struct Leaf {
    name: String,
    path: FieldPath,
}

/// Lists the fields of a message as query parameters, in a style.
struct Leaves<'m> {
    style: Style,
    root: &'m Message,
}

impl Leaves<'_> {
    fn found(&self) -> Vec<Leaf> {
        let mut found = Vec::new();
        self.add(self.root, (&[], &[]), &mut found);
        found
    }

    fn add(&self, message: &Message, (names, around): (&[Name], &[MessageId]), found: &mut Vec<Leaf>) {
        if around.contains(&message.id()) || around.len() == DEEPEST {
            return;
        }
        let around = [around, &[message.id()]].concat();
        let mut inner = Vec::new();
        for field in message.fields() {
            // The name of an extension contains dots, which would separate fields.
            if found.len() == MOST_KEYS || field.name().starts_with('[') {
                continue;
            }
            let names = [names, &[Name::of(&field, self.style)]].concat();
            let nested = field.message().filter(|_| !field.is_repeated() && !takes_text(&field) && !takes_json(&field));
            if takes_text(&field) || takes_json(&field) || takes_entries(&field) {
                let resolved: String = names.iter().map(|name| name.proto.as_str()).collect::<Vec<_>>().join(".");
                if let Ok(path) = FieldPath::resolve_exactly(self.root, &resolved) {
                    let shown: Vec<&str> = names.iter().map(|name| name.shown.as_str()).collect();
                    found.push(Leaf { name: shown.join("."), path });
                }
            } else if let Some(nested) = nested.filter(|nested| nested.table().known == WellKnown::No) {
                inner.push((nested, names));
            }
        }
        for (message, names) in inner {
            self.add(&message, (&names, &around), found);
        }
    }
}

#[derive(Clone)]
struct Name {
    proto: String,
    shown: String,
}

impl Name {
    fn of(field: &Field, style: Style) -> Self {
        let proto = field.name().to_owned();
        // A name with these characters would be split, so the query uses the proto name.
        let shown = Some(shown(field, style)).filter(|name| !name.contains(['.', '[', ']']));
        Self { shown: shown.unwrap_or_else(|| proto.clone()), proto }
    }
}

fn owner(field: &Field) -> &str {
    &field.tables().message(field.owner()).name
}

/// Splits a schema into the schema without its description, and the description.
fn apart(schema: Value) -> (Value, Option<String>) {
    let Value::Object(mut schema) = schema else { return (schema, None) };
    let description = schema.remove("description").and_then(|text| text.as_str().map(str::to_owned));
    (Value::Object(schema), description)
}

fn described(parameter: Value, description: &str) -> Value {
    if description.is_empty() { parameter } else { with(parameter, [("description", json!(description))]) }
}
