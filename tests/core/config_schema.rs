//! The JSON Schema of the configuration file: it has every key, and it fits what the reader accepts.

use std::path::Path;

use serde_json::Value;
use towbar::config::{self, Overrides};

use super::configuration::{ENVOY, yaml_blocks};
use super::documents::{pages, read};
use crate::support::json_schema::Schemas;

/// YAML as an editor reads it: with numbers, truth values and `null`.
fn typed(yaml: &str) -> Value {
    let value: Value = towbar::app::openapi::from_yaml(yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    if value.is_null() { Value::Object(serde_json::Map::new()) } else { value }
}

/// The schema, without the name of its dialect.
fn schema() -> Value {
    let mut schema = config::schema();
    let dialect = schema.as_object_mut().unwrap().remove("$schema");
    assert_eq!(dialect.unwrap(), "https://json-schema.org/draft/2020-12/schema");
    schema
}

#[test]
fn every_documented_example_and_the_bank_configuration_fit_the_schema() {
    let schema = schema();
    let schemas = Schemas::of(&schema);
    let mut count = 0;
    for page in pages() {
        let document = read(&page);
        for block in yaml_blocks(&document).into_iter().filter(|block| !block.starts_with(ENVOY)) {
            count += 1;
            schemas.check(&schema, &typed(block)).unwrap_or_else(|why| panic!("{page}: {why}\n{block}"));
        }
    }
    assert!(count >= 40, "{count} blocks");
    schemas.check(&schema, &typed(&read("config/towbar.yaml"))).unwrap();
}

#[test]
fn a_configuration_that_the_schema_refuses_is_refused_by_the_reader_too() {
    let schema = schema();
    let schemas = Schemas::of(&schema);
    for wrong in [
        "lsiten: 127.0.0.1:8080",
        "listen: {adress: 127.0.0.1:8080}",
        "listen: {drain: 5s}",
        "listen: [127.0.0.1:8080]",
        "requests: {body_limit: many}",
        "requests: {json_depth: 101}",
        "requests: {forms: maybe}",
        "requests: {caller_gone: wait}",
        "requests: {ignore_query: some}",
        "streams: {format: xml}",
        "streams: {deadline: 5}",
        "json: {int64: 64}",
        "errors: {form: own}",
        "errors: {statuses: {NOT_THERE: 404}}",
        "upstreams: {a: {address: 'http://a', rpcs: a.B, deadline: soon}}",
        "rpcs: {a.B: {json: {indent: 2}}}",
        "log: {access: {levels: {refused: loud}}}",
        "callers: {issuers: {a: {isuer: x}}}",
        "admin: {port: 1}",
        "openapi: /docs",
    ] {
        assert!(schemas.check(&schema, &typed(wrong)).is_err(), "{wrong}");
        let (_, problems) = config::load_text(wrong, Path::new("t.yaml"), &Overrides::default());
        let is_told =
            problems.iter().any(|problem| problem.place.as_deref().is_some_and(|place| place.starts_with("t.yaml:1:")));
        assert!(is_told, "{wrong}: {problems:?}");
    }
}

/// Every place of the schema, with its name as the documentation writes it.
fn places<'s>(schema: &'s Value, name: String, all: &mut Vec<(String, &'s Value)>) {
    for choice in schema["anyOf"].as_array().into_iter().flatten() {
        places(choice, name.clone(), all);
    }
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
        all.push((name.clone(), below));
        places(below, name, all);
    }
    if let Some(named) = schema.get("additionalProperties").filter(|named| named.is_object()) {
        places(named, format!("{name}.NAME"), all);
    }
}

#[test]
fn every_documented_key_is_in_the_schema_with_its_meaning_and_default() {
    let schema = schema();
    let mut all = Vec::new();
    places(&schema, String::new(), &mut all);
    let of = |name: &str| all.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name}")).1;
    let limit = of("requests.body_limit");
    assert_eq!(limit["default"], "1MiB");
    assert_eq!(limit["description"], "the largest request body; then 413. Default: `1MiB`. Range: 1 byte to `1GiB`");
    assert_eq!(of("requests.forms")["default"], true);
    assert_eq!(of("requests.json_depth")["maximum"], 100);
    assert_eq!(of("rpcs.NAME.json.enum_prefix")["enum"], serde_json::json!(["keep", "strip"]));
    assert_eq!(of("listen.tls.client_auth")["enum"], serde_json::json!(["required", "optional"]));
    for line in read("docs/configuration.md").lines().filter(|line| line.split(" | ").count() == 4) {
        for key in line.split(" | ").next().unwrap().split('`').skip(1).step_by(2).filter(|key| key.contains('.')) {
            // A key of any outcome stands for one of each.
            let key = key.replace("OUTCOME", "refused");
            let is_there = all.iter().any(|(name, _)| *name == key);
            assert!(is_there || key.starts_with("http."), "{key} is documented and not in the schema");
        }
    }
    let bare: Vec<&String> =
        all.iter().filter(|(_, below)| *below == &serde_json::json!({})).map(|(name, _)| name).collect();
    assert_eq!(bare, Vec::<&String>::new(), "nothing is known of the values of these");
}
