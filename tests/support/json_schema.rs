//! Whether a value fits a schema of an OpenAPI document: the keywords that Towbar's documents use, and no others, by JSON Schema 2020-12.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::cell::RefCell;
use std::collections::HashMap;

use regex::Regex;
use serde_json::{Number, Value};

/// Keywords that say nothing of which values fit.
const ANNOTATIONS: [&str; 10] = [
    "title",
    "description",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "contentEncoding",
    "contentMediaType",
    "default",
];

/// The schemas of one document.
pub struct Schemas<'a> {
    document: &'a Value,
    /// Whether an object whose schema lists members has no others: what the codec writes is all there is.
    is_closed: bool,
    patterns: RefCell<HashMap<String, Regex>>,
}

impl<'a> Schemas<'a> {
    pub fn of(document: &'a Value) -> Self {
        Self { document, is_closed: false, patterns: RefCell::default() }
    }

    pub fn closed(self) -> Self {
        Self { is_closed: true, ..self }
    }

    /// Why a value does not fit.
    pub fn check(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let keywords = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Bool(false) => return Err(format!("nothing fits, found {value}")),
            schema => schema.as_object().unwrap(),
        };
        for (keyword, wanted) in keywords {
            self.keyword(schema, (keyword, wanted), value)?;
        }
        Ok(())
    }

    fn fits(&self, schema: &Value, value: &Value) -> bool {
        self.check(schema, value).is_ok()
    }

    fn keyword(&self, schema: &Value, (keyword, wanted): (&str, &Value), value: &Value) -> Result<(), String> {
        let list = || wanted.as_array().unwrap();
        let fits = |schema: &Value| self.fits(schema, value);
        let is_met = match keyword {
            "$ref" => {
                let place = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                let referred = self.document.pointer(place).unwrap_or_else(|| panic!("{place} is not there"));
                return self.check(referred, value);
            }
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|one| is_of(one.as_str().unwrap(), value)),
                one => is_of(one.as_str().unwrap(), value),
            },
            "enum" => list().iter().any(|wanted| is_same(wanted, value)),
            "const" => is_same(wanted, value),
            "allOf" => list().iter().all(fits),
            "anyOf" => list().iter().any(fits),
            "oneOf" => list().iter().filter(|schema| fits(schema)).count() == 1,
            "not" => !fits(wanted),
            "pattern" => value.as_str().is_none_or(|text| self.matches(wanted.as_str().unwrap(), text)),
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= wanted.as_u64().unwrap()),
            "maxLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 <= wanted.as_u64().unwrap()),
            "minimum" => value.as_number().is_none_or(|number| compare(number, wanted).is_ge()),
            "maximum" => value.as_number().is_none_or(|number| compare(number, wanted).is_le()),
            "exclusiveMinimum" => value.as_number().is_none_or(|number| compare(number, wanted).is_gt()),
            "exclusiveMaximum" => value.as_number().is_none_or(|number| compare(number, wanted).is_lt()),
            "minProperties" => value.as_object().is_none_or(|members| members.len() as u64 >= wanted.as_u64().unwrap()),
            "maxProperties" => value.as_object().is_none_or(|members| members.len() as u64 <= wanted.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= wanted.as_u64().unwrap()),
            "uniqueItems" => {
                let is_first =
                    |(at, item): (usize, &Value), all: &[Value]| !all[..at].iter().any(|it| is_same(it, item));
                value.as_array().is_none_or(|items| items.iter().enumerate().all(|item| is_first(item, items)))
            }
            "required" => value
                .as_object()
                .is_none_or(|members| list().iter().all(|name| members.contains_key(name.as_str().unwrap()))),
            "propertyNames" => value
                .as_object()
                .is_none_or(|members| members.keys().all(|name| self.fits(wanted, &Value::from(name.as_str())))),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= wanted.as_u64().unwrap()),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.check(wanted, item).map_err(|why| format!("[{index}]{why}"))?;
                }
                true
            }
            "properties" | "patternProperties" | "additionalProperties" => return self.members(schema, keyword, value),
            name => {
                assert!(ANNOTATIONS.contains(&name) || name.starts_with("x-"), "the keyword `{name}` is not checked");
                true
            }
        };
        if is_met { Ok(()) } else { Err(format!(": {keyword} {wanted}, found {value}")) }
    }

    fn members(&self, schema: &Value, keyword: &str, value: &Value) -> Result<(), String> {
        for (name, member) in value.as_object().into_iter().flatten() {
            let patterns = schema["patternProperties"].as_object().into_iter().flatten();
            let mut patterns = patterns.filter(|(pattern, _)| self.matches(pattern, name));
            let listed = schema["properties"].get(name);
            let within = |why: String| format!(".{name}{why}");
            match keyword {
                "properties" => {
                    if let Some(schema) = listed {
                        self.check(schema, member).map_err(within)?;
                    } else if self.is_closed && schema.get("additionalProperties").is_none() {
                        return Err(within(": is not listed".to_owned()));
                    }
                }
                "patternProperties" => {
                    for (_, schema) in patterns {
                        self.check(schema, member).map_err(within)?;
                    }
                }
                _ if listed.is_none() && patterns.next().is_none() => {
                    self.check(&schema["additionalProperties"], member).map_err(within)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn matches(&self, pattern: &str, text: &str) -> bool {
        let mut patterns = self.patterns.borrow_mut();
        if !patterns.contains_key(pattern) {
            // `$` of ECMA-262 is the end of the text.
            patterns.insert(pattern.to_owned(), Regex::new(pattern).unwrap());
        }
        patterns[pattern].is_match(text)
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.as_number().is_some_and(|number| {
            number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
        }),
        kind => panic!("{kind}"),
    }
}

/// Whether two values are equal: numbers are by their value, however they are written.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one.as_number(), other.as_number()) {
        (Some(number), Some(_)) => compare(number, other).is_eq(),
        _ => one == other,
    }
}

fn compare(number: &Number, bound: &Value) -> std::cmp::Ordering {
    match (number.as_i128(), bound.as_number().unwrap().as_i128()) {
        (Some(number), Some(bound)) => number.cmp(&bound),
        // JSON has no number that cannot be compared, and -0 is 0.
        _ => number.as_f64().unwrap().partial_cmp(&bound.as_f64().unwrap()).unwrap(),
    }
}
