//! The `google.api.http` options of rpcs, read once into plain data.

use prost::Message as _;

use super::generated::google::api::{HttpRule, http_rule};
use crate::format::wire;

/// One `google.api.HttpRule` without its additional bindings, which become rules of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// HTTP method and path template.
    pub pattern: Pattern,
    /// The rule's `body` as written: empty, `*` or a field name.
    pub body: String,
    /// The rule's `response_body` as written.
    pub response_body: String,
    /// `fully_decode_reserved_expansion`: `%2F` is decoded even in what `**` captures.
    pub fully_decode: bool,
    /// Where the rule is written, if it does not come from an annotation.
    pub place: Option<String>,
}

/// The HTTP method and path template of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The HTTP method: `GET` and so on, or the `kind` of a custom pattern as written.
    pub method: String,
    /// The path template as written.
    pub template: String,
}

/// Why an annotation cannot be read as rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A rule has none of `get`, `put`, `post`, `delete`, `patch` and `custom`.
    #[error("the rule has no method; add one with its path, such as `get: \"/v1\"`")]
    NoPattern,
    /// A rule has more than one of `get`, `put`, `post`, `delete`, `patch` and `custom`.
    #[error("the rule has {}; keep one, and move the others to additional_bindings", two(.0))]
    TwoPatterns(Vec<&'static str>),
    /// http.proto: "Nested bindings must not contain an `additional_bindings` field themselves".
    #[error("additional_bindings cannot be nested")]
    NestedBindings,
    /// The option google.api.http does not hold a valid HttpRule.
    #[error("the option google.api.http is not a valid google.api.HttpRule")]
    NoRule,
}

/// The field number of `extend google.protobuf.MethodOptions { HttpRule http }` in google/api/annotations.proto.
const HTTP: u32 = 72_295_728;

/// Numbers and names of the fields in the oneof `pattern` of HttpRule.
pub(super) const PATTERNS: [(u32, &str); 6] =
    [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (6, "patch"), (8, "custom")];

/// The rules in the options of an rpc.
pub(super) fn rules(options: &[u8]) -> Result<Vec<Rule>, RuleError> {
    let Some(encoded) = option(options, HTTP).ok_or(RuleError::NoRule)? else { return Ok(Vec::new()) };
    let rule = HttpRule::decode(encoded.as_slice()).map_err(|_| RuleError::NoRule)?;
    let patterns = patterns(&encoded);
    if patterns.len() > 1 {
        return Err(RuleError::TwoPatterns(patterns));
    }
    if rule.additional_bindings.iter().any(|additional| !additional.additional_bindings.is_empty()) {
        return Err(RuleError::NestedBindings);
    }
    std::iter::once(&rule).chain(&rule.additional_bindings).map(one).collect()
}

/// The patterns that a rule sets. A decoder keeps the last of several, but another decoder might not.
fn patterns(rule: &[u8]) -> Vec<&'static str> {
    let (mut reader, mut found) = (wire::Reader::new(rule), Vec::new());
    while !reader.is_empty() {
        let Ok((number, wire_type)) = reader.tag() else { break };
        let pattern = PATTERNS.iter().find(|(known, _)| *known == number).map(|(_, name)| *name);
        found.extend(pattern.filter(|name| !found.contains(name)));
        if reader.skip(number, wire_type).is_err() {
            break;
        }
    }
    found
}

/// Formats names as a list for an error text.
pub(super) fn two(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [one, other] => format!("both {one} and {other}"),
        several => several.join(", "),
    }
}

/// The value of a message option. Its occurrences are concatenated, which merges them. `None` if the options are
/// malformed, `Some(None)` if the option is not set.
fn option(options: &[u8], wanted: u32) -> Option<Option<Vec<u8>>> {
    let mut reader = wire::Reader::new(options);
    let mut value: Option<Vec<u8>> = None;
    while !reader.is_empty() {
        let (number, wire_type) = reader.tag().ok()?;
        if (number, wire_type) == (wanted, wire::LENGTH) {
            value.get_or_insert_default().extend_from_slice(reader.bytes().ok()?);
        } else {
            reader.skip(number, wire_type).ok()?;
        }
    }
    Some(value)
}

fn one(rule: &HttpRule) -> Result<Rule, RuleError> {
    use http_rule::Pattern as P;
    let (method, template) = match rule.pattern.as_ref().ok_or(RuleError::NoPattern)? {
        P::Get(template) => ("GET", template),
        P::Put(template) => ("PUT", template),
        P::Post(template) => ("POST", template),
        P::Delete(template) => ("DELETE", template),
        P::Patch(template) => ("PATCH", template),
        P::Custom(custom) => (custom.kind.as_str(), &custom.path),
    };
    let pattern = Pattern { method: method.to_owned(), template: template.clone() };
    let (body, response_body) = (rule.body.clone(), rule.response_body.clone());
    Ok(Rule { pattern, body, response_body, fully_decode: false, place: None })
}
