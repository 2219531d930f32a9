//! A route: one rule, resolved against its rpc.

use std::sync::Arc;

use super::rpc::Rpc;
use crate::format::template::Variable;
use crate::schema::FieldPath;

/// One rule, resolved against its rpc.
#[derive(Debug)]
pub struct Route {
    /// Its place among all routes.
    pub index: usize,
    /// What it is a way in to.
    pub rpc: Arc<Rpc>,
    /// The HTTP method, `*` for any.
    pub method: String,
    /// The template as written.
    pub template: String,
    /// What the request's body is the value of.
    pub body: BodyRule,
    /// The field that the reply's body is the value of; the whole message if there is none.
    pub response_body: Option<FieldPath>,
    /// Whether the request's body passes as it is, as a `google.api.HttpBody`.
    pub is_raw_request: bool,
    /// Whether the reply's does.
    pub is_raw_reply: bool,
    pub(super) variables: Vec<Variable>,
    /// How many segments the template has.
    pub(super) length: usize,
    /// Which of them is `**`.
    pub(super) wildcard: Option<usize>,
    /// The fields of `variables`, in the same order.
    pub(super) captured: Vec<FieldPath>,
    /// The query keys that the template declares.
    pub(super) declared: Vec<(String, FieldPath)>,
    /// The query keys that other routes of the same method and path declare.
    pub(super) others: Vec<String>,
    /// The `update_mask` that is filled.
    pub(super) mask: Option<FieldPath>,
}

/// The `body` of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyRule {
    /// No body.
    None,
    /// `*`: every field that the path does not bind.
    Whole,
    /// The value of this field.
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

    /// The field that a query key names, if it names one: a key of the template, or the dotted name of a field.
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

    /// Whether a route of the same method and path declares this query key.
    pub(super) fn is_others(&self, key: &str) -> bool {
        self.others.iter().any(|other| self.is_same_key(other, key))
    }

    /// Whether a key with an empty value means nothing here: a client that expands a whole template, or those of all
    /// rpcs at a path, sends empty values for what it does not use.
    pub(super) fn may_be_empty(&self, key: &str) -> bool {
        self.resolve_key(key).is_some_and(|path| self.declares(&path)) || self.is_others(key)
    }

    pub(super) fn declares(&self, path: &FieldPath) -> bool {
        self.declared.iter().any(|(_, declared)| declared == path)
    }
}
