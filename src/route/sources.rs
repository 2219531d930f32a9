//! Explains where each field of a request message came from: for `towbar explain`, not for live
//! requests.

use std::ops::ControlFlow;

use super::entry::{BodyRule, Route};
use super::query::Query;
use crate::codec::{self, DecodeError, LeafValue};

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestPart {
    /// A path variable.
    Path,
    /// A query parameter.
    Query,
    /// The body.
    Body,
}

/// A field and its source, or a query key that set no field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSource {
    /// The path to the field by the names of the proto file, such as `items[0].price`; if no field was set, the query
    /// key.
    pub field: String,
    /// The part of the request that gives the value.
    pub source: RequestPart,
    /// The value that it gives.
    pub value: SourceValue,
}

/// The value that a part of the request gives to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceValue {
    /// A value, as JSON.
    Value(String),
    /// A redacted value, which must not be shown.
    Hidden,
    /// The default value of the field, which is the same as leaving it unset.
    Default,
    /// Nothing: an empty value of a key that a template declares counts as absent.
    Empty,
    /// Nothing: the key is unknown and ignored.
    PassedOver,
}

impl Route {
    /// The source of each value of the message `wire`, which was made from a request with this query. Then the path
    /// variables and query keys that left no trace in the message.
    ///
    /// # Errors
    /// `wire` is not a valid message of the route's request type.
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

/// Whether a dotted field path equals `outer` or lies inside it.
pub(super) fn is_within(field: &str, outer: &str) -> bool {
    field.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
