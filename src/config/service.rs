//! Service configurations (`google.api.Service`): reads the rules of their `http` section and nothing else.

use std::path::Path;

use super::file::read_file;
use super::reader::{Problems, Read, Section, Value, or_default};
use super::value;
use crate::route::Selected;
use crate::schema::{Pattern, Rule};

/// Keys that do not affect calls are ignored. Any other section is refused: Towbar would not keep what it promises.
const TOP_KEYS: &[&str] = &["type", "config_version", "name", "title", "apis", "documentation", "http"];
const RULE_KEYS: &[&str] =
    &["selector", "get", "put", "post", "delete", "patch", "custom", "body", "response_body", "additional_bindings"];
/// http.proto: "Nested bindings must not contain an `additional_bindings` field themselves". Their selector is that of
/// the rule.
const BINDING_KEYS: &[&str] = &["get", "put", "post", "delete", "patch", "custom", "body", "response_body"];
const METHODS: [(&str, &str); 5] =
    [("get", "GET"), ("put", "PUT"), ("post", "POST"), ("delete", "DELETE"), ("patch", "PATCH")];

/// The rules of one file. A rule that cannot be read is recorded as a problem and left out.
pub(super) fn read(file: &Path, problems: &Problems) -> Vec<Selected> {
    let Ok(root) = read_file(file, problems) else { return Vec::new() };
    let Ok(top) = Section::root(problems, &root, TOP_KEYS) else { return Vec::new() };
    if let Some(kind) = top.value("type") {
        let _ = kind.parsed("`google.api.Service`", value::service_type);
    }
    let Some(http) = top.value("http") else {
        problems.file("`http` is missing: write the rules under `http.rules`".to_owned());
        return Vec::new();
    };
    let Ok(http) = http.section(&["rules", "fully_decode_reserved_expansion"]) else { return Vec::new() };
    let fully_decode = or_default(http.value("fully_decode_reserved_expansion"), Value::truth, false);
    http.value("rules").map_or(Vec::new(), |rules| rules.each(|rule| selected(rule, fully_decode)))
}

fn selected(item: Value, fully_decode: bool) -> Read<Selected> {
    let section = item.section(RULE_KEYS)?;
    let selector = match section.value("selector") {
        Some(selector) => selector.parsed("an rpc", value::rpc_name),
        None => Err(item.wrong("`selector` is missing")),
    };
    let first = rule(item, section, fully_decode);
    let binding = |item: Value| rule(item, item.section(BINDING_KEYS)?, fully_decode);
    let others = section.value("additional_bindings").map_or(Vec::new(), |bindings| bindings.each(binding));
    let rules = std::iter::once(first?).chain(others).collect();
    Ok(Selected { selector: selector?, place: item.place(), rules })
}

fn rule(item: Value, section: Section, fully_decode: bool) -> Read<Rule> {
    let pattern = pattern(item, section);
    let text = |key| section.value(key).map_or(Ok(String::new()), |value| value.text("a field").map(str::to_owned));
    let (body, response_body) = (text("body"), text("response_body"));
    let place = Some(item.place());
    Ok(Rule { pattern: pattern?, body: body?, response_body: response_body?, fully_decode, place })
}

fn pattern(item: Value, section: Section) -> Read<Pattern> {
    let template = |value: Value| value.text("a path").map(str::to_owned);
    let mut methods = METHODS.iter().filter_map(|(key, method)| Some((section.value(key)?, *method)));
    match (methods.next(), methods.next(), section.value("custom")) {
        (Some((value, method)), None, None) => Ok(Pattern { method: method.to_owned(), template: template(value)? }),
        (None, None, Some(custom)) => {
            let section = custom.section(&["kind", "path"])?;
            let (Some(kind), Some(path)) = (section.value("kind"), section.value("path")) else {
                return Err(custom.wrong("expected both `kind` and `path`"));
            };
            Ok(Pattern { method: kind.text("a method")?.to_owned(), template: template(path)? })
        }
        (None, None, None) => Err(item.wrong("the rule has no method; add one with its path, such as `get: /v1`")),
        _ => Err(item.wrong("expected one method, found two; move the second to `additional_bindings`")),
    }
}
