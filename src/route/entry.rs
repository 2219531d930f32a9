//! A route: one rule, resolved against its rpc.

use std::sync::Arc;

use super::rpc::Rpc;
use crate::format::template::Variable;
use crate::schema::FieldPath;

/// One rule, resolved against its rpc.
#[derive(Debug)]
pub struct Route {
    /// The index of the route among all routes.
    pub index: usize,
    /// The rpc that the route calls.
    pub rpc: Arc<Rpc>,
    /// The HTTP method; `*` stands for any method.
    pub method: String,
    /// The path template as written in the rule.
    pub template: String,
    /// Which part of the request message the request body sets.
    pub body: BodyRule,
    /// The field that becomes the body of the reply; `None` for the whole message.
    pub response_body: Option<FieldPath>,
    /// Whether the request body is a `google.api.HttpBody`, so that its bytes are passed on unchanged.
    pub is_raw_request: bool,
    /// Whether the reply is a `google.api.HttpBody`, whose bytes become the body of the response unchanged.
    pub is_raw_reply: bool,
    /// Whether it is no rule, but the path of the rpc itself, by which gRPC calls it.
    pub is_direct: bool,
    /// Whether it is the path of an rpc, and the template of a rule matches that path too.
    pub is_shared: bool,
    pub(super) variables: Vec<Variable>,
    /// The number of segments in the template.
    pub(super) length: usize,
    /// The index of the segment `**`, if the template has one.
    pub(super) wildcard: Option<usize>,
    /// The fields that `variables` set, in the same order.
    pub(super) captured: Vec<FieldPath>,
    /// The query keys that the template declares, each with its field.
    pub(super) declared: Vec<(String, FieldPath)>,
    /// The query keys that other routes with the same method and path declare.
    pub(super) others: Vec<String>,
    /// The `update_mask` field that Towbar fills if the request leaves it empty.
    pub(super) mask: Option<FieldPath>,
}

/// The `body` of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyRule {
    /// The request has no body.
    None,
    /// The body sets every field that the path does not bind (`*`).
    Whole,
    /// The body is the value of this field.
    Field(FieldPath),
}

impl Route {
    /// The path of the template, without the query keys that it declares.
    #[must_use]
    pub fn path(&self) -> &str {
        self.template.split('?').next().unwrap_or_default()
    }

    /// The query keys that the template declares, in its order.
    pub fn declared_keys(&self) -> impl Iterator<Item = &str> {
        self.declared.iter().map(|(key, _)| key.as_str())
    }

    /// The field that a query key names: by a key that the template declares, or by the dotted name of the field.
    pub(super) fn resolve_key(&self, key: &str) -> Option<FieldPath> {
        if let Some((_, path)) = self.declared.iter().find(|(declared, _)| declared == key) {
            return Some(path.clone());
        }
        if let Ok(path) = self.rpc.paths.resolve(key) {
            return Some(path);
        }
        let (_, path) = self.declared.iter().find(|(declared, _)| self.is_same_key(declared, key))?;
        Some(path.clone())
    }

    pub(super) fn is_same_key(&self, one: &str, other: &str) -> bool {
        one == other || self.rpc.reads_any_case() && one.eq_ignore_ascii_case(other)
    }

    /// Whether another route with the same method and path declares this query key.
    pub(super) fn is_others(&self, key: &str) -> bool {
        self.others.iter().any(|other| self.is_same_key(other, key))
    }

    /// Whether an empty value counts as absent for this key. Clients that expand a whole template, or the templates of
    /// all rpcs at a path, send empty values for keys that they do not use.
    pub(super) fn may_be_empty(&self, key: &str) -> bool {
        self.resolve_key(key).is_some_and(|path| self.declares(&path)) || self.is_others(key)
    }

    pub(super) fn declares(&self, path: &FieldPath) -> bool {
        self.declared.iter().any(|(_, declared)| declared == path)
    }
}
