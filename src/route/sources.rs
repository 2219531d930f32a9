//! Where each field of a request message came from: for a person who asks, not for calls.

use std::ops::ControlFlow;

use super::entry::{BodyRule, Route};
use super::query::Query;
use crate::codec::{self, DecodeError, LeafValue};

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestPart {
    /// A variable of the path.
    Path,
    /// A query key.
    Query,
    /// The body.
    Body,
}

/// A field, or a query key that became none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSource {
    /// The way to it by the names of the proto file, `items[0].price`; of no field the query key.
    pub field: String,
    /// The part that says it.
    pub source: RequestPart,
    /// What it says.
    pub value: SourceValue,
}

/// What a part says of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceValue {
    /// This, in JSON.
    Value(String),
    /// What must not be shown.
    Hidden,
    /// Its default, which is as good as none.
    Default,
    /// Nothing: an empty value of a key that a template declares.
    Empty,
    /// Nothing: the request has no such field, and the key is passed over.
    PassedOver,
}

impl Route {
    /// The source of each value of the message `wire`, which a request with this query became; then what of path and query
    /// left no trace in it.
    ///
    /// # Errors
    /// `wire` is no message of the route's.
    pub fn sources(&self, query: &Query, has_body: bool, wire: &[u8]) -> Result<Vec<FieldSource>, DecodeError> {
        let captured: Vec<String> = self.captured.iter().map(ToString::to_string).collect();
        let mut sources: Vec<FieldSource> = Vec::new();
        let mut fields: Vec<String> = Vec::new();
        let visit = |leaf: LeafValue<'_>| {
            let source = match &self.body {
                _ if captured.iter().any(|field| field == leaf.name) => RequestPart::Path,
                BodyRule::Field(body) if is_within(leaf.field, &body.to_string()) => RequestPart::Body,
                BodyRule::None | BodyRule::Whole if has_body => RequestPart::Body,
                _ => RequestPart::Query,
            };
            let value = if leaf.redacted { SourceValue::Hidden } else { SourceValue::Value(leaf.json.to_owned()) };
            sources.push(FieldSource { field: leaf.name.to_owned(), source, value });
            if fields.last().is_none_or(|last| last != leaf.field) {
                fields.push(leaf.field.to_owned());
            }
            ControlFlow::Continue(())
        };
        codec::values(&self.rpc.input, wire, &[], usize::MAX, visit)?;
        let is_known = |field: &str| fields.iter().any(|known| is_within(known, field));
        for field in captured.iter().filter(|field| !is_known(field)) {
            sources.push(FieldSource { field: field.clone(), source: RequestPart::Path, value: SourceValue::Default });
        }
        for (key, value) in query.pairs() {
            let said = match self.resolve_key(key) {
                _ if value.is_empty() && self.may_be_empty(key) => SourceValue::Empty,
                Some(path) if is_known(&path.to_string()) => continue,
                Some(_) => SourceValue::Default,
                None if self.is_entry(key) => continue,
                None => SourceValue::PassedOver,
            };
            sources.push(FieldSource { field: key.to_owned(), source: RequestPart::Query, value: said });
        }
        Ok(sources)
    }
}

/// Whether a dotted field is another or lies in it.
pub(super) fn is_within(field: &str, outer: &str) -> bool {
    field.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
