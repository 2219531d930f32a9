//! The `google.api.http` options of the rpcs, read once into plain data.

use prost_reflect::{DescriptorPool, ExtensionDescriptor, MethodDescriptor};

use super::{Message, Rpc};
use crate::problem::Problem;
use crate::protos::google::api::{HttpRule, http_rule};

/// One `google.api.HttpRule` without its additional bindings, which stand beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Method and path.
    pub pattern: Pattern,
    /// The rule's `body` as written: empty, `*` or a field.
    pub body: String,
    /// The rule's `response_body` as written.
    pub response_body: String,
}

/// The `pattern` of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// `GET`, ... or the `kind` of a custom pattern as written.
    pub method: String,
    /// The template as written.
    pub template: String,
}

/// Every rpc of the pool with its rules.
pub(super) fn rpcs(pool: &DescriptorPool) -> Result<Vec<Rpc>, Vec<Problem>> {
    let annotation = pool.get_extension_by_name("google.api.http");
    let mut problems = Vec::new();
    let mut rpcs = Vec::new();
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let rules = annotation.as_ref().map_or(Ok(Vec::new()), |annotation| rules(&method, annotation));
        match rules {
            Ok(rules) => rpcs.push(rpc(&method, rules)),
            Err(message) => problems.push(Problem::at(method.full_name(), message)),
        }
    }
    if problems.is_empty() { Ok(rpcs) } else { Err(problems) }
}

fn rpc(method: &MethodDescriptor, rules: Vec<Rule>) -> Rpc {
    Rpc {
        name: method.full_name().to_owned(),
        path: format!("/{}/{}", method.parent_service().full_name(), method.name()),
        input: Message(method.input()),
        output: Message(method.output()),
        streams: method.is_client_streaming() || method.is_server_streaming(),
        rules,
    }
}

fn rules(method: &MethodDescriptor, annotation: &ExtensionDescriptor) -> Result<Vec<Rule>, String> {
    let options = method.options();
    if !options.has_extension(annotation) {
        return Ok(Vec::new());
    }
    let value = options.get_extension(annotation);
    let message = value.as_message().ok_or("the option google.api.http is not a message")?;
    let rule: HttpRule = message.transcode_to().map_err(|error| format!("the option google.api.http: {error}"))?;
    let mut rules = vec![one(&rule)?];
    for additional in &rule.additional_bindings {
        // http.proto: "Nested bindings must not contain an `additional_bindings` field themselves".
        if !additional.additional_bindings.is_empty() {
            return Err("additional_bindings cannot hold additional_bindings".to_owned());
        }
        rules.push(one(additional)?);
    }
    Ok(rules)
}

fn one(rule: &HttpRule) -> Result<Rule, String> {
    use http_rule::Pattern as P;
    let (method, template) =
        match rule.pattern.as_ref().ok_or("the rule has no method and path, such as `get: \"/v1\"`")? {
            P::Get(template) => ("GET", template),
            P::Put(template) => ("PUT", template),
            P::Post(template) => ("POST", template),
            P::Delete(template) => ("DELETE", template),
            P::Patch(template) => ("PATCH", template),
            P::Custom(custom) => (custom.kind.as_str(), &custom.path),
        };
    let pattern = Pattern { method: method.to_owned(), template: template.clone() };
    Ok(Rule { pattern, body: rule.body.clone(), response_body: rule.response_body.clone() })
}
