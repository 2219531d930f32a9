//! Validation rules as keywords of JSON Schema, where these mean exactly the same.

use std::ops::Bound;

use serde_json::{Map, Value, json};

use super::scalars::literal;
use super::style::Reading;
use crate::codec::validate::{FieldFacts, ValueFact};
use crate::schema::{EnumTable, Field, Kind, Shape};

/// Adds what rules say to the schema of a field. The schema must not allow `null` yet.
pub(super) fn restrict(schema: Value, field: &Field, facts: &FieldFacts, reading: Reading) -> Value {
    let Value::Object(mut schema) = schema else { return schema };
    let limit = |schema: &mut Map<String, Value>, [least, most]: [&str; 2]| {
        if facts.least > 0 {
            schema.insert(least.to_owned(), json!(facts.least));
        }
        if facts.most < u64::MAX {
            schema.insert(most.to_owned(), json!(facts.most));
        }
    };
    match field.table().shape {
        Shape::Repeated | Shape::Packed => {
            limit(&mut schema, ["minItems", "maxItems"]);
            if facts.is_unique {
                schema.insert("uniqueItems".to_owned(), json!(true));
            }
            let items = schema.remove("items").unwrap_or_default();
            schema.insert("items".to_owned(), value(items, field, &facts.value, reading));
        }
        Shape::Map => {
            limit(&mut schema, ["minProperties", "maxProperties"]);
            // Keys of other types have several spellings.
            let keys = text(Map::new(), &facts.keys);
            if !keys.is_empty() {
                schema.insert("propertyNames".to_owned(), Value::Object(keys));
            }
            let entry = field.message();
            let of_value = entry.and_then(|entry| entry.fields().nth(1));
            if let (Some(values), Some(of_value)) = (schema.remove("additionalProperties"), of_value) {
                schema.insert("additionalProperties".to_owned(), value(values, &of_value, &facts.value, reading));
            }
        }
        Shape::Implicit | Shape::Explicit | Shape::Required => {
            if facts.allows_zero {
                return or_zero(schema, field, &facts.value);
            }
            let mut all = facts.value.clone();
            if facts.is_nonzero {
                all.extend(nonzero(field.table().kind));
            }
            return value(Value::Object(schema), field, &all, reading);
        }
    }
    Value::Object(schema)
}

/// What says that a value is not the default of its type.
fn nonzero(kind: Kind) -> Option<ValueFact> {
    Some(match kind {
        Kind::String => ValueFact::Length { least: 1, most: u64::MAX },
        Kind::Bool => ValueFact::Truth(true),
        Kind::Bytes | Kind::Enum(_) | Kind::Message(_) | Kind::Group(_) | Kind::Float | Kind::Double => return None,
        _ => ValueFact::NotIntegers(vec![0]),
    })
}

/// A text that is empty or as the rules say. Other types are not described.
fn or_zero(schema: Map<String, Value>, field: &Field, facts: &[ValueFact]) -> Value {
    let rules = text(Map::new(), facts);
    if field.table().kind != Kind::String || rules.is_empty() || schema.contains_key("$ref") {
        return Value::Object(schema);
    }
    let mut schema = schema;
    schema.insert("anyOf".to_owned(), json!([{ "const": "" }, rules]));
    Value::Object(schema)
}

/// Adds what rules say of one value to its schema.
fn value(schema: Value, field: &Field, facts: &[ValueFact], reading: Reading) -> Value {
    let Value::Object(mut schema) = schema else { return schema };
    match field.table().kind {
        Kind::String => return Value::Object(text(schema, facts)),
        Kind::Bool => {
            let only = facts.iter().find_map(|fact| match fact {
                ValueFact::Truth(truth) => Some(*truth),
                _ => None,
            });
            if let Some(only) = only {
                schema.insert("const".to_owned(), json!(only));
            }
        }
        Kind::Enum(id) => {
            let numbers = facts.iter().find_map(|fact| match fact {
                ValueFact::Integers(numbers) => Some(numbers),
                _ => None,
            });
            let has_one_spelling = !reading.any_case_enums && !reading.unknown_enums;
            if let Some(numbers) = numbers.filter(|_| has_one_spelling && schema.contains_key("$ref")) {
                schema.insert("enum".to_owned(), enum_values(field.tables().enumeration(id), numbers));
            }
        }
        Kind::Double => facts.iter().for_each(|fact| double(&mut schema, fact)),
        Kind::Float | Kind::Bytes | Kind::Message(_) | Kind::Group(_) => {}
        _ => integer(&mut schema, facts),
    }
    Value::Object(schema)
}

/// The names and the numbers of these values of an enum.
fn enum_values(table: &EnumTable, numbers: &[i128]) -> Value {
    let values = table.values();
    let names = values.iter().filter(|(_, number)| numbers.contains(&i128::from(*number))).map(|(name, _)| json!(name));
    let numbers = numbers.iter().filter_map(|number| i32::try_from(*number).ok()).map(|number| json!(number));
    names.chain(numbers).collect()
}

/// Adds what rules say of a text.
fn text(mut schema: Map<String, Value>, facts: &[ValueFact]) -> Map<String, Value> {
    let (mut least, mut most) = (0, u64::MAX);
    let (mut patterns, mut forbidden) = (Vec::new(), Vec::new());
    for fact in facts {
        match fact {
            ValueFact::Length { least: one, most: other } => (least, most) = (least.max(*one), most.min(*other)),
            ValueFact::Pattern(pattern) if is_common(pattern) => patterns.push(pattern.clone()),
            ValueFact::Begins(text) => patterns.push(format!("^{}", literal(text))),
            ValueFact::Ends(text) => patterns.push(format!("{}$", literal(text))),
            ValueFact::Contains(text) => patterns.push(literal(text)),
            ValueFact::Lacks(text) => forbidden.push(json!({ "pattern": literal(text) })),
            ValueFact::Texts(texts) => drop(schema.insert("enum".to_owned(), json!(texts))),
            ValueFact::NotTexts(texts) => forbidden.push(json!({ "enum": texts })),
            ValueFact::Format(name) => match format(name) {
                Said::Pattern(pattern) => patterns.push(pattern.to_owned()),
                Said::Format(name) => drop(schema.insert("format".to_owned(), json!(name))),
                Said::Nothing => {}
            },
            _ => {}
        }
    }
    if least > 0 {
        schema.insert("minLength".to_owned(), json!(least));
    }
    if most < u64::MAX {
        schema.insert("maxLength".to_owned(), json!(most));
    }
    match patterns.as_slice() {
        [] => {}
        [only] => drop(schema.insert("pattern".to_owned(), json!(only))),
        several => {
            let several: Vec<Value> = several.iter().map(|pattern| json!({ "pattern": pattern })).collect();
            schema.insert("allOf".to_owned(), json!(several));
        }
    }
    match forbidden.as_slice() {
        [] => {}
        [only] => drop(schema.insert("not".to_owned(), only.clone())),
        several => drop(schema.insert("not".to_owned(), json!({ "anyOf": several }))),
    }
    schema
}

/// What JSON Schema says of a format.
enum Said {
    /// Exactly the same.
    Pattern(&'static str),
    /// Nearly the same; tools take it for a remark.
    Format(&'static str),
    Nothing,
}

fn format(name: &str) -> Said {
    match name {
        "uuid" => Said::Pattern("^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"),
        "tuuid" => Said::Pattern("^[0-9a-fA-F]{32}$"),
        "ulid" => Said::Pattern("^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"),
        "protobuf_fqn" => Said::Pattern(r"^[A-Za-z_][A-Za-z_0-9]*(\.[A-Za-z_][A-Za-z_0-9]*)*$"),
        "protobuf_dot_fqn" => Said::Pattern(r"^\.[A-Za-z_][A-Za-z_0-9]*(\.[A-Za-z_][A-Za-z_0-9]*)*$"),
        "email" => Said::Format("email"),
        "hostname" => Said::Format("hostname"),
        "ipv4" => Said::Format("ipv4"),
        "ipv6" => Said::Format("ipv6"),
        "uri" => Said::Format("uri"),
        "uri_ref" => Said::Format("uri-reference"),
        _ => Said::Nothing,
    }
}

/// Whether a pattern means the same in ECMA-262: classes such as `\d` and the dot do not.
fn is_common(pattern: &str) -> bool {
    let mut characters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some('x') => {
                    let digits = [characters.next(), characters.next()];
                    if !digits.iter().all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())) {
                        return false;
                    }
                }
                Some(escaped) if escaped.is_ascii_punctuation() || matches!(escaped, 't' | 'n' | 'r') => {}
                _ => return false,
            },
            '[' if in_class => return false,
            '[' => in_class = true,
            ']' => in_class = false,
            // Classes are joined and cut with `&&`, `--` and `~~`.
            '&' | '-' | '~' if in_class && characters.peek() == Some(&c) => return false,
            '.' if !in_class => return false,
            '(' if !in_class && characters.peek() == Some(&'?') => {
                characters.next();
                if characters.next() != Some(':') {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
}

/// Adds what rules say of an integer. It may be written as text, of which nothing is said.
fn integer(schema: &mut Map<String, Value>, facts: &[ValueFact]) {
    let mut others = Vec::new();
    for fact in facts {
        match fact {
            ValueFact::Within(low, high) => bounds(schema, low, high, whole),
            ValueFact::Outside(low, high) => {
                let (mut above, mut below) = (Map::new(), Map::new());
                bounds(&mut above, low, &Bound::Unbounded, whole);
                bounds(&mut below, &Bound::Unbounded, high, whole);
                others.push(json!({ "anyOf": [{ "type": ["string", "null"] }, above, below] }));
            }
            ValueFact::Integers(all) => {
                let all: Vec<Value> = all.iter().filter_map(whole).collect();
                others.push(json!({ "anyOf": [{ "type": ["string", "null"] }, { "enum": all }] }));
            }
            ValueFact::NotIntegers(all) => {
                let all: Vec<Value> = all.iter().filter_map(whole).collect();
                others.push(json!({ "not": { "enum": all } }));
            }
            _ => {}
        }
    }
    match others.as_slice() {
        [] => {}
        [Value::Object(only)] => schema.extend(only.clone()),
        several => drop(schema.insert("allOf".to_owned(), json!(several))),
    }
}

fn double(schema: &mut Map<String, Value>, fact: &ValueFact) {
    if let ValueFact::WithinDouble(low, high) = fact {
        bounds(schema, low, high, |number| number.is_finite().then(|| json!(number)));
    }
}

fn whole(number: &i128) -> Option<Value> {
    i64::try_from(*number)
        .map(|number| json!(number))
        .or_else(|_| u64::try_from(*number).map(|number| json!(number)))
        .ok()
}

fn bounds<N>(schema: &mut Map<String, Value>, low: &Bound<N>, high: &Bound<N>, written: impl Fn(&N) -> Option<Value>) {
    let named = [(low, ["minimum", "exclusiveMinimum"]), (high, ["maximum", "exclusiveMaximum"])];
    for (bound, [with, without]) in named {
        let (name, number) = match bound {
            Bound::Included(number) => (with, written(number)),
            Bound::Excluded(number) => (without, written(number)),
            Bound::Unbounded => continue,
        };
        if let Some(number) = number {
            schema.insert(name.to_owned(), number);
        }
    }
}
