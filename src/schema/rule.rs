//! The `google.api.http` options of the rpcs, read once into plain data.

use prost_reflect::{DescriptorPool, ExtensionDescriptor, MethodDescriptor};

use super::{Message, Rpc};
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

/// Why an annotation cannot be read as rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A rule without `get`, `put`, `post`, `delete`, `patch` or `custom`.
    #[error("the rule has no method and path, such as `get: \"/v1\"`")]
    NoPattern,
    /// http.proto: "Nested bindings must not contain an `additional_bindings` field themselves".
    #[error("additional_bindings cannot hold additional_bindings")]
    NestedBindings,
    /// An option that is called google.api.http and is another.
    #[error("the option google.api.http is no google.api.HttpRule")]
    NoRule,
}

/// Every rpc of the pool with its rules.
pub(super) fn rpcs(pool: &DescriptorPool) -> Vec<Rpc> {
    let annotation = pool.get_extension_by_name("google.api.http");
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    methods.map(|method| rpc(&method, rules(&method, annotation.as_ref()))).collect()
}

fn rpc(method: &MethodDescriptor, rules: Result<Vec<Rule>, RuleError>) -> Rpc {
    Rpc {
        name: method.full_name().to_owned(),
        path: format!("/{}/{}", method.parent_service().full_name(), method.name()),
        input: Message(method.input()),
        output: Message(method.output()),
        streams: method.is_client_streaming() || method.is_server_streaming(),
        rules,
    }
}

fn rules(method: &MethodDescriptor, annotation: Option<&ExtensionDescriptor>) -> Result<Vec<Rule>, RuleError> {
    let options = method.options();
    let Some(annotation) = annotation.filter(|annotation| options.has_extension(annotation)) else {
        return Ok(Vec::new());
    };
    let value = options.get_extension(annotation);
    let rule = value.as_message().and_then(|message| message.transcode_to::<HttpRule>().ok());
    let rule = rule.ok_or(RuleError::NoRule)?;
    if rule.additional_bindings.iter().any(|additional| !additional.additional_bindings.is_empty()) {
        return Err(RuleError::NestedBindings);
    }
    std::iter::once(&rule).chain(&rule.additional_bindings).map(one).collect()
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
    Ok(Rule { pattern, body: rule.body.clone(), response_body: rule.response_body.clone() })
}
