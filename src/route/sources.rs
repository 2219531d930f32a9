//! Where each field of a request message came from: for a person who asks, not for calls.

use super::entry::{BodyRule, Route};
use super::leaves;
use super::query::Query;
use crate::codec::DecodeError;

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
        let leaves = leaves::of(&self.rpc.input, wire)?;
        let captured: Vec<String> = self.captured.iter().map(ToString::to_string).collect();
        let mut sources: Vec<FieldSource> = Vec::new();
        for leaf in &leaves {
            let source = match &self.body {
                _ if captured.contains(&leaf.name) => RequestPart::Path,
                BodyRule::Field(body) if is_within(&leaf.field, &body.to_string()) => RequestPart::Body,
                BodyRule::None | BodyRule::Whole if has_body => RequestPart::Body,
                _ => RequestPart::Query,
            };
            let value = if leaf.redacted { SourceValue::Hidden } else { SourceValue::Value(leaf.json.clone()) };
            sources.push(FieldSource { field: leaf.name.clone(), source, value });
        }
        let is_known = |field: &str| leaves.iter().any(|leaf| is_within(&leaf.field, field));
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
