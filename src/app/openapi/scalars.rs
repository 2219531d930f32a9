//! JSON Schema of values that are not objects with fields: numbers, texts, enums, well-known messages.

use serde_json::{Map, Value, json};

use super::style::{Reading, Style, Writing};
use crate::codec::Int64;
use crate::schema::{EnumTable, Kind, WellKnown};

/// A number in a string, as ProtoJSON reads it: with JSON's syntax for numbers.
const NUMBER: &str = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$";
const NUMBER_OR_SPECIAL: &str = r"^(-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?|NaN|-?Infinity)$";
const SIGNED: &str = "^-?(0|[1-9][0-9]{0,18})$";
const UNSIGNED: &str = "^(0|[1-9][0-9]{0,19})$";
/// Either alphabet, with or without padding.
const BASE64_READ: &str = "^([A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}$";
const BASE64_LINES_READ: &str = "^([A-Za-z0-9+/\\r\\n]*|[A-Za-z0-9_\\r\\n-]*)(=[\\r\\n]*){0,2}$";
const BASE64_WRITTEN: &str = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";
const TIMESTAMP_READ: &str =
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$";
const TIMESTAMP_WRITTEN: &str =
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.([0-9]{3}|[0-9]{6}|[0-9]{9}))?Z$";
const DURATION: &str = r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$";
const FIELD_MASK: &str = r"^([A-Za-z0-9.*]+(,[A-Za-z0-9.*]+)*)?$";

/// The integers of a kind.
struct Whole {
    format: &'static str,
    least: Value,
    most: Value,
    is_long: bool,
}

impl Whole {
    fn of(kind: Kind) -> Option<Self> {
        let whole = |format, least, most, is_long| Some(Self { format, least, most, is_long });
        match kind {
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => whole("int32", json!(i32::MIN), json!(i32::MAX), false),
            Kind::Uint32 | Kind::Fixed32 => whole("uint32", json!(0), json!(u32::MAX), false),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => whole("int64", json!(i64::MIN), json!(i64::MAX), true),
            Kind::Uint64 | Kind::Fixed64 => whole("uint64", json!(0), json!(u64::MAX), true),
            _ => None,
        }
    }

    fn digits(&self) -> &'static str {
        if self.format == "uint64" { UNSIGNED } else { SIGNED }
    }

    fn within(&self, schema: Value) -> Value {
        with(schema, [("format", json!(self.format)), ("minimum", self.least.clone()), ("maximum", self.most.clone())])
    }
}

/// The schema of a value that is neither a message nor an enum.
pub(super) fn scalar(kind: Kind, style: Style) -> Value {
    match style {
        Style::Read(reading) => read(kind, reading),
        Style::Written(writing) => written(kind, writing),
    }
}

fn read(kind: Kind, reading: Reading) -> Value {
    if let Some(whole) = Whole::of(kind) {
        let types = if whole.is_long { json!(["string", "integer"]) } else { json!(["integer", "string"]) };
        return with(whole.within(json!({ "type": types })), [("pattern", json!(NUMBER))]);
    }
    match kind {
        Kind::Double | Kind::Float => {
            let format = if kind == Kind::Float { "float" } else { "double" };
            json!({ "type": ["number", "string"], "format": format, "pattern": NUMBER_OR_SPECIAL })
        }
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Bytes => bytes(if reading.line_breaks { BASE64_LINES_READ } else { BASE64_READ }),
        _ => json!({ "type": "string" }),
    }
}

fn written(kind: Kind, writing: Writing) -> Value {
    if let Some(whole) = Whole::of(kind) {
        return match (whole.is_long, writing.int64) {
            (true, Int64::Text) => {
                json!({ "type": "string", "format": whole.format, "pattern": whole.digits() })
            }
            (true, Int64::SafeNumber) => {
                with(whole.within(json!({ "type": ["integer", "string"] })), [("pattern", json!(whole.digits()))])
            }
            _ => whole.within(json!({ "type": "integer" })),
        };
    }
    match kind {
        Kind::Double | Kind::Float => {
            let format = if kind == Kind::Float { "float" } else { "double" };
            json!({ "type": ["number", "string"], "format": format, "pattern": "^(NaN|-?Infinity)$" })
        }
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Bytes => bytes(BASE64_WRITTEN),
        _ => json!({ "type": "string" }),
    }
}

fn bytes(pattern: &str) -> Value {
    json!({ "type": "string", "contentEncoding": "base64", "pattern": pattern })
}

/// The schema of a value that is neither a message nor an enum, as text in a path, a query or a form.
pub(super) fn text(kind: Kind) -> Value {
    if let Some(whole) = Whole::of(kind) {
        return match whole.is_long {
            true => json!({ "type": "string", "format": whole.format, "pattern": whole.digits() }),
            false => whole.within(json!({ "type": "integer" })),
        };
    }
    match kind {
        Kind::Double | Kind::Float => {
            json!({ "type": "number", "format": if kind == Kind::Float { "float" } else { "double" } })
        }
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Bytes => bytes(BASE64_READ),
        _ => json!({ "type": "string" }),
    }
}

/// The schema of a map key, which is a string in JSON; `None` if every string is allowed.
pub(super) fn key(kind: Kind) -> Option<Value> {
    match kind {
        Kind::Bool => Some(json!({ "enum": ["true", "false"] })),
        _ => Whole::of(kind).map(|_| json!({ "pattern": NUMBER })),
    }
}

/// The schema of a message with a special ProtoJSON form, except a wrapper; `None` for any other message.
pub(super) fn known(known: WellKnown, style: Style) -> Option<Value> {
    let is_read = matches!(style, Style::Read(_));
    Some(match known {
        WellKnown::Timestamp => {
            let pattern = if is_read { TIMESTAMP_READ } else { TIMESTAMP_WRITTEN };
            json!({ "type": "string", "format": "date-time", "pattern": pattern })
        }
        WellKnown::Duration => json!({ "type": "string", "format": "duration-seconds", "pattern": DURATION }),
        WellKnown::FieldMask => json!({ "type": "string", "format": "field-mask", "pattern": FIELD_MASK }),
        WellKnown::Struct => json!({ "type": "object", "additionalProperties": true }),
        WellKnown::Value => json!({ "description": "Any JSON value." }),
        WellKnown::ListValue => json!({ "type": "array", "items": {} }),
        WellKnown::Any => json!({
            "type": "object",
            "description": "A message of the type that `@type` names, with its fields beside it; one that JSON has a form of \
                            its own for stands in `value`.",
            "properties": { "@type": { "type": "string" } },
            "additionalProperties": true,
        }),
        WellKnown::No | WellKnown::Wrapper => return None,
    })
}

/// The schema of an enum.
pub(super) fn enumeration(table: &EnumTable, style: Style) -> Value {
    let values = table.values();
    let mut numbers: Vec<i32> = values.iter().map(|(_, number)| *number).collect();
    numbers.dedup();
    let number = match table.closed {
        true => json!({ "type": "integer", "enum": numbers }),
        false => json!({ "type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX }),
    };
    match style {
        Style::Read(reading) => {
            let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
            let name = match reading {
                Reading { unknown_enums: true, .. } => json!({ "type": "string", "examples": names }),
                Reading { any_case_enums: true, .. } => {
                    let names: Vec<String> = names.iter().map(|name| in_any_case(name)).collect();
                    json!({ "type": "string", "pattern": format!("^({})$", names.join("|")) })
                }
                _ => json!({ "type": "string", "enum": names }),
            };
            match table.is_null {
                true => json!({ "anyOf": [{ "type": "null" }, name, number] }),
                false => json!({ "anyOf": [name, number] }),
            }
        }
        Style::Written(_) if table.is_null => json!({ "type": "null" }),
        Style::Written(Writing { enums_as_ints: true, .. }) => number,
        Style::Written(_) => {
            let written = |(name, number): &&(&str, i32)| {
                table.quoted(*number).is_some_and(|quoted| quoted.text() == format!("\"{name}\"").as_bytes())
            };
            let names: Vec<&str> = values.iter().filter(written).map(|(name, _)| *name).collect();
            let name = json!({ "type": "string", "enum": names });
            if table.closed { name } else { json!({ "anyOf": [name, number] }) }
        }
    }
}

/// The schema, with `null` allowed too.
pub(super) fn nullable(schema: Value) -> Value {
    let nothing = json!({ "type": "null" });
    let is_listed = schema.get("const").is_some() || (schema.get("enum").is_some() && schema.get("type").is_some());
    let has_choices = schema.get("anyOf").is_some() && schema.get("type") == Some(&json!("string"));
    if schema.get("$ref").is_some() || is_listed || has_choices {
        return json!({ "anyOf": [schema, nothing] });
    }
    let Value::Object(mut schema) = schema else { return schema };
    match schema.get_mut("type") {
        Some(Value::String(one)) if one != "null" => {
            let both = json!([one, "null"]);
            schema.insert("type".to_owned(), both);
        }
        Some(Value::Array(types)) if !types.contains(&json!("null")) => types.push(json!("null")),
        Some(_) => {}
        None => {
            if let Some(Value::Array(choices)) = schema.get_mut("anyOf")
                && !choices.contains(&nothing)
            {
                choices.push(nothing);
            }
        }
    }
    Value::Object(schema)
}

/// The schema with these keywords added.
pub(super) fn with<const N: usize>(schema: Value, keywords: [(&str, Value); N]) -> Value {
    let mut schema = match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    };
    schema.extend(keywords.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(schema)
}

/// A pattern that matches exactly this text.
pub(super) fn literal(text: &str) -> String {
    text.chars().fold(String::new(), |mut pattern, c| {
        if r"\^$.|?*+()[]{}/".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
        pattern
    })
}

/// A pattern that matches this text, whatever the case of its ASCII letters.
pub(super) fn in_any_case(text: &str) -> String {
    text.chars().fold(String::new(), |pattern, c| match c.is_ascii_alphabetic() {
        true => format!("{pattern}[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase()),
        false => pattern + &literal(&c.to_string()),
    })
}
