//! JSON Schema of messages and fields. Each message appears once per style, under `components/schemas`.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value, json};

use super::annotations::{Behavior, Text, resource};
use super::rules::restrict;
use super::scalars::{enumeration, in_any_case, key, known, literal, nullable, scalar, text, with};
use super::style::Style;
use crate::codec::validate::{Checks, FieldFacts};
use crate::schema::{EnumId, Field, FieldPath, Kind, Message, Remark, Remarks, Shape, WellKnown};

/// Collects the schemas that a document refers to.
pub(super) struct Schemas<'a> {
    remarks: &'a Remarks,
    /// The validation rules of all message types.
    checks: Option<&'a Checks>,
    made: BTreeMap<String, Value>,
    waiting: VecDeque<(Message, Style)>,
    /// The styles that were requested, in order; a style's index may become part of a schema's name.
    styles: Vec<Style>,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(remarks: &'a Remarks, checks: Option<&'a Checks>) -> Self {
        Self { remarks, checks, made: BTreeMap::new(), waiting: VecDeque::new(), styles: Vec::new() }
    }

    /// All schemas that were referred to, by name.
    pub(super) fn finish(mut self) -> BTreeMap<String, Value> {
        while let Some((message, style)) = self.waiting.pop_front() {
            let name = self.name(message.name(), style);
            let schema = self.object(&message, style, &Beside::default());
            self.made.insert(name, schema);
        }
        self.made
    }

    /// The comments and options of a declaration.
    pub(super) fn remark(&self, full_name: &str) -> Option<&'a Remark> {
        self.remarks.of(full_name)
    }

    /// The schema of a message: a reference, or its special ProtoJSON form.
    pub(super) fn message(&mut self, message: &Message, style: Style) -> Value {
        let table = message.table();
        if let Some(schema) = known(table.known, style) {
            return schema;
        }
        if table.known == WellKnown::Wrapper
            && let Some(field) = message.fields().next()
        {
            return self.value(&field, style);
        }
        let name = self.name(message.name(), style);
        if !self.made.contains_key(&name) {
            self.made.insert(name.clone(), Value::Null);
            self.waiting.push_back((message.clone(), style));
        }
        reference(&name)
    }

    /// The schema of a message in a body that differs from other bodies of this message, as `beside` says.
    pub(super) fn message_beside(&mut self, message: &Message, style: Style, beside: &Beside<'_>) -> Value {
        let is_as_others = beside.passed_over.is_empty() && !self.requires(&beside.bound, style);
        if is_as_others || message.table().known != WellKnown::No {
            return self.message(message, style);
        }
        self.object(message, style, beside)
    }

    /// The schema of a field with all its values.
    pub(super) fn field(&mut self, field: &Field, style: Style) -> Value {
        match field.table().shape {
            Shape::Map => {
                let entry = field.message().into_iter().flat_map(|entry| entry.fields().collect::<Vec<_>>());
                let [key_field, value] = &entry.collect::<Vec<_>>()[..] else { return json!({ "type": "object" }) };
                let values = self.value(value, style);
                let object = json!({ "type": "object", "additionalProperties": values });
                match key(key_field.table().kind) {
                    Some(keys) => with(object, [("propertyNames", keys)]),
                    None => object,
                }
            }
            Shape::Repeated | Shape::Packed => json!({ "type": "array", "items": self.value(field, style) }),
            Shape::Implicit | Shape::Explicit | Shape::Required => self.value(field, style),
        }
    }

    /// The schema of one value of a field.
    fn value(&mut self, field: &Field, style: Style) -> Value {
        match (field.table().kind, field.message()) {
            (_, Some(message)) => self.message(&message, style),
            (Kind::Enum(id), None) => self.enumeration(field, id, style),
            (kind, None) => scalar(kind, style),
        }
    }

    /// The schema of one value of a field as text, in a path, a query or a form.
    pub(super) fn text(&mut self, field: &Field, style: Style) -> Value {
        match (field.table().kind, field.message()) {
            (_, Some(message)) => match message.fields().next().filter(|_| message.table().known == WellKnown::Wrapper)
            {
                Some(inner) => self.text(&inner, style),
                None => self.message(&message, style),
            },
            (Kind::Enum(id), None) => self.enumeration(field, id, style),
            (kind, None) => text(kind),
        }
    }

    fn enumeration(&mut self, field: &Field, id: EnumId, style: Style) -> Value {
        let table = field.tables().enumeration(id);
        if table.is_null {
            return enumeration(table, style);
        }
        let name = self.name(&table.name, style);
        if !self.made.contains_key(&name) {
            let mut schema = enumeration(table, style);
            let mut text = Text::of_type(self.remark(&table.name));
            let values = table.values();
            let said = values.iter().filter_map(|(value, _)| {
                let remark = self.remark(&format!("{}.{value}", table.name))?;
                let deprecated = if remark.deprecated { " (deprecated)" } else { "" };
                let comment = remark.comment.replace('\n', "\n  ");
                let colon = if comment.is_empty() { "" } else { ": " };
                (remark.deprecated || !comment.is_empty()).then(|| format!("- `{value}`{deprecated}{colon}{comment}"))
            });
            let said = said.collect::<Vec<_>>().join("\n");
            text.description = paragraphs([text.description, said]);
            if let Value::Object(schema) = &mut schema {
                text.put(schema);
            }
            self.made.insert(name.clone(), schema);
        }
        reference(&name)
    }

    /// The object schema of a message.
    fn object(&mut self, message: &Message, style: Style, beside: &Beside<'_>) -> Value {
        let (mut properties, mut others) = (Map::new(), Map::new());
        let (mut required, mut conditions) = (Vec::new(), Vec::new());
        let name = self.name(message.name(), style);
        for field in message.fields() {
            let inner: Vec<&[Field]> =
                beside.bound.iter().filter(|path| path[0] == field).map(|path| &path[1..]).collect();
            let schema = self.property(&field, style, &inner);
            let names = Names::of(&field, style);
            if inner.is_empty() {
                match self.presence(&field, style) {
                    Presence::Open => {}
                    Presence::Required => required.push(names.shown.clone()),
                    Presence::RequiredInEitherName => conditions.push(names.is_given()),
                }
            }
            if let Style::Read(reading) = style {
                let same = match beside.is_nothing() && is_plain(&names.shown) {
                    true => json!({ "$ref": format!("#/components/schemas/{name}/properties/{}", names.shown) }),
                    false => schema.clone(),
                };
                if reading.any_case {
                    let spellings: Vec<String> = names.all().map(in_any_case).collect();
                    others.insert(format!("^({})$", spellings.join("|")), same);
                } else if let Some(other) = &names.other {
                    others.insert(format!("^{}$", literal(other)), same);
                }
            }
            properties.insert(names.shown, schema);
        }
        for name in beside.passed_over {
            if !properties.contains_key(name) {
                properties.insert(name.clone(), json!({ "description": "Ignored: the message has no such field." }));
            }
        }
        let mut oneofs = Vec::new();
        for (index, oneof) in message.table().oneofs.iter().enumerate() {
            let members = message.fields().filter(|field| field.table().oneof.map(usize::from) == Some(index));
            let members: Vec<Field> = members.collect();
            if members.is_empty() {
                continue;
            }
            let shown = members.iter().map(|field| format!("`{}`", Names::of(field, style).shown));
            let shown = shown.collect::<Vec<_>>().join(", ");
            let comment = self.remark(&format!("{}.{oneof}", message.name())).map(|remark| remark.comment.clone());
            let comment = comment.filter(|comment| !comment.is_empty()).map(|comment| format!(": {comment}"));
            oneofs.push(format!("At most one of {shown}{}", comment.unwrap_or_else(|| ".".to_owned())));
            // In replies this is not needed: the codec writes at most one.
            if members.len() > 1 && matches!(style, Style::Read(_)) {
                conditions.push(at_most_one(&members, style));
            }
            let is_required = |checks: &Checks| checks.required_oneofs(message).contains(&&**oneof);
            let is_enforced = matches!(style, Style::Read(reading) if reading.enforces_rules);
            if is_enforced && beside.bound.is_empty() && self.checks.is_some_and(is_required) {
                conditions.push(at_least_one(&members, style));
            }
        }
        let mut text = Text::of_type(self.remark(message.name()));
        text.description = paragraphs([text.description, oneofs.join("\n\n")]);
        let mut object = Map::new();
        object.insert("type".to_owned(), json!("object"));
        text.put(&mut object);
        if !properties.is_empty() {
            object.insert("properties".to_owned(), Value::Object(properties));
        }
        if !others.is_empty() {
            object.insert("patternProperties".to_owned(), Value::Object(others));
        }
        if !required.is_empty() {
            object.insert("required".to_owned(), json!(required));
        }
        if matches!(style, Style::Read(reading) if !reading.unknown_members) {
            object.insert("additionalProperties".to_owned(), json!(false));
        }
        if !conditions.is_empty() {
            // Written with `not`: client generators take `oneOf` next to properties for a separate type.
            let mut broken: Vec<Value> = conditions.into_iter().map(|condition| json!({ "not": condition })).collect();
            let broken = if broken.len() == 1 { broken.remove(0) } else { json!({ "anyOf": broken }) };
            object.insert("not".to_owned(), broken);
        }
        Value::Object(object)
    }

    /// The schema of a member of an object.
    fn property(&mut self, field: &Field, style: Style, bound: &[&[Field]]) -> Value {
        let deeper: Vec<&[Field]> = bound.iter().copied().filter(|path| !path.is_empty()).collect();
        let is_inlined = !deeper.is_empty();
        let schema = match field.message().filter(|_| !deeper.is_empty()) {
            Some(message) => self.message_beside(&message, style, &Beside { bound: deeper, passed_over: &[] }),
            None => self.field(field, style),
        };
        let facts = self.facts(field, style);
        let schema = match (style, &facts) {
            (Style::Read(reading), Some(facts)) if !is_inlined => restrict(schema, field, facts, reading),
            _ => schema,
        };
        let is_demanded = field.table().shape == Shape::Required || facts.is_some_and(|facts| facts.must_be_set);
        let schema = match style {
            Style::Read(_) if !(is_demanded && bound.is_empty()) => nullable(schema),
            _ => schema,
        };
        self.described(schema, field)
    }

    /// The schema of the texts for a field with what enforced rules say of them added.
    pub(super) fn restricted(&self, schema: Value, field: &Field, style: Style) -> Value {
        match (style, self.facts(field, style)) {
            (Style::Read(reading), Some(facts)) => restrict(schema, field, &facts, reading),
            _ => schema,
        }
    }

    /// Whether rules demand that a field of the request message is set, and it has one name only.
    pub(super) fn is_demanded(&self, field: &Field, style: Style) -> bool {
        matches!(self.presence(field, style), Presence::Required)
    }

    /// The schema of a field with its documentation added.
    pub(super) fn described(&self, schema: Value, field: &Field) -> Value {
        let Value::Object(mut schema) = schema else { return schema };
        let remark = self.remark(&full_name(field));
        let text = Text::of_field(remark);
        if !text.description.is_empty() || !text.title.is_empty() {
            schema.remove("description");
        }
        text.put(&mut schema);
        if Behavior::OutputOnly.is_of(remark) {
            schema.insert("readOnly".to_owned(), json!(true));
        }
        if Behavior::InputOnly.is_of(remark) {
            schema.insert("writeOnly".to_owned(), json!(true));
        }
        if Behavior::Immutable.is_of(remark) {
            schema.insert("x-immutable".to_owned(), json!(true));
        }
        if let Some(resource) = resource(remark) {
            schema.insert("x-resource".to_owned(), json!(resource));
        }
        if field.is_redacted() {
            schema.insert("x-sensitive".to_owned(), json!(true));
        }
        Value::Object(schema)
    }

    /// What enforced rules say of a field.
    fn facts(&self, field: &Field, style: Style) -> Option<FieldFacts> {
        let checks = self.checks.filter(|_| matches!(style, Style::Read(reading) if reading.enforces_rules))?;
        checks.facts(&field.declaring(), field.table().number)
    }

    fn presence(&self, field: &Field, style: Style) -> Presence {
        let shape = field.table().shape;
        let is_lone = field.table().oneof.is_none();
        match style {
            Style::Read(reading)
                if shape == Shape::Required || self.facts(field, style).is_some_and(|facts| facts.must_be_set) =>
            {
                match (&Names::of(field, style).other, reading.any_case) {
                    (None, false) => Presence::Required,
                    (Some(_), false) => Presence::RequiredInEitherName,
                    // In any case there are too many spellings of the name to list.
                    (_, true) => Presence::Open,
                }
            }
            Style::Read(_) => match Behavior::Required.is_of(self.remark(&full_name(field))) {
                true => Presence::Required,
                false => Presence::Open,
            },
            Style::Written(writing) => match shape {
                Shape::Implicit | Shape::Repeated | Shape::Packed | Shape::Map
                    if writing.defaults && is_lone && !field.name().starts_with('[') =>
                {
                    Presence::Required
                }
                _ => Presence::Open,
            },
        }
    }

    /// Whether an object must have one of these fields, or one nested in them.
    fn requires(&self, bound: &[&[Field]], style: Style) -> bool {
        bound.iter().copied().flatten().any(|field| {
            field.table().shape == Shape::Required
                || Behavior::Required.is_of(self.remark(&full_name(field)))
                || self.facts(field, style).is_some_and(|facts| facts.must_be_set)
        })
    }

    /// The name of a schema. It has a number unless its style is the first for its direction.
    fn name(&mut self, full_name: &str, style: Style) -> String {
        if !self.styles.contains(&style) {
            self.styles.push(style);
        }
        let is_read = |style: &Style| matches!(style, Style::Read(_));
        let alike = self.styles.iter().filter(|other| is_read(other) == is_read(&style));
        let number = alike.take_while(|other| **other != style).count() + 1;
        let direction = if is_read(&style) { "-Input" } else { "" };
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        format!("{full_name}{direction}{number}")
    }
}

/// How a body differs from other bodies of its message.
#[derive(Default)]
pub(super) struct Beside<'b> {
    /// Fields that the path fills. The body may omit them.
    pub(super) bound: Vec<&'b [Field]>,
    /// Members that are ignored although the message has no such field.
    pub(super) passed_over: &'b [String],
}

impl Beside<'_> {
    fn is_nothing(&self) -> bool {
        self.bound.is_empty() && self.passed_over.is_empty()
    }
}

/// Whether an object must have a member.
enum Presence {
    Open,
    Required,
    /// Required, under either of its two names.
    RequiredInEitherName,
}

/// The names of a field in JSON.
struct Names {
    /// The name that the document shows.
    shown: String,
    /// A second name that is accepted too.
    other: Option<String>,
}

impl Names {
    fn of(field: &Field, style: Style) -> Self {
        let (json, proto) = (field.table().json_name.to_string(), field.name().to_owned());
        let (shown, other) = if style.proto_names() { (proto, json) } else { (json, proto) };
        Self { other: Some(other).filter(|other| *other != shown), shown }
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        [Some(&self.shown), self.other.as_ref()].into_iter().flatten().map(String::as_str)
    }

    fn is_given(&self) -> Value {
        json!({ "anyOf": self.all().map(|name| json!({ "required": [name], "properties": { name: {} } })).collect::<Vec<_>>() })
    }
}

/// The name of a field that the document shows.
pub(super) fn shown(field: &Field, style: Style) -> String {
    Names::of(field, style).shown
}

/// A condition that holds if at most one of these oneof members is set. `null` does not count as set, except for fields
/// that can hold it.
fn at_most_one(members: &[Field], style: Style) -> Value {
    let mut choices: Vec<Value> = members.iter().map(|field| is_set(field, style)).collect();
    choices.push(json!({ "not": { "anyOf": choices } }));
    json!({ "oneOf": choices })
}

/// A condition that holds if one of these oneof members is set.
fn at_least_one(members: &[Field], style: Style) -> Value {
    json!({ "anyOf": members.iter().map(|field| is_set(field, style)).collect::<Vec<_>>() })
}

/// A condition that holds if a member of a oneof is set.
fn is_set(field: &Field, style: Style) -> Value {
    let names = Names::of(field, style);
    let takes_null = match (field.table().kind, field.message()) {
        (_, Some(message)) => message.table().known == WellKnown::Value,
        (Kind::Enum(id), None) => field.tables().enumeration(id).is_null,
        _ => false,
    };
    let set = |name: &str| {
        let value = if takes_null { json!({}) } else { json!({ "not": { "type": "null" } }) };
        json!({ "required": [name], "properties": { name: value } })
    };
    match &names.other {
        Some(other) => json!({ "anyOf": [set(&names.shown), set(other)] }),
        None => set(&names.shown),
    }
}

/// The fields that the path fills within the body, relative to the body's field.
pub(super) fn behind<'p>(bound: &'p [FieldPath], body: Option<&FieldPath>) -> Vec<&'p [Field]> {
    let depth = body.map_or(0, |body| body.fields().len());
    let within = bound.iter().filter(|path| body.is_none_or(|body| path.is_within(body)));
    within.map(|path| &path.fields()[depth..]).filter(|path| !path.is_empty()).collect()
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn full_name(field: &Field) -> String {
    match field.name().strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(extension) => extension.to_owned(),
        None => format!("{}.{}", field.tables().message(field.owner()).name, field.name()),
    }
}

/// Whether a name can be part of a reference without escapes.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Joins non-empty texts with a blank line between them.
pub(super) fn paragraphs<const N: usize>(texts: [String; N]) -> String {
    texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}
