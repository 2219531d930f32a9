//! Which values can fill a field in one piece: text, JSON or bytes.

use super::http_body;
use crate::schema::{Field, FieldTable, Kind, Shape, Tables, WellKnown};

/// Whether one text, from a path or a query, can fill this field.
#[must_use]
pub fn takes_text(field: &Field) -> bool {
    text_fills(field.tables(), field.table())
}

pub(super) fn text_fills(tables: &Tables, field: &FieldTable) -> bool {
    let known = |id| tables.message(id).known;
    field.shape != Shape::Map
        && field.kind.message().is_none_or(|id| {
            matches!(known(id), WellKnown::Timestamp | WellKnown::Duration | WellKnown::FieldMask | WellKnown::Wrapper)
        })
}

/// Whether one JSON text, from a query or a form, can fill this field or one of its elements. The field must be a
/// message whose JSON form is neither a scalar nor an object with its fields.
#[must_use]
pub fn takes_json(field: &Field) -> bool {
    json_fills(field.tables(), field.table())
}

pub(super) fn json_fills(tables: &Tables, field: &FieldTable) -> bool {
    field.shape != Shape::Map
        && field.kind.message().is_some_and(|id| {
            let known = tables.message(id).known;
            matches!(known, WellKnown::Any | WellKnown::Struct | WellKnown::Value | WellKnown::ListValue)
        })
}

/// Whether this field is a map and a single text can fill each of its values.
#[must_use]
pub fn takes_entries(field: &Field) -> bool {
    entries_fill(field.tables(), field.table())
}

/// Whether `field` is a map and a single text can fill each of its values.
pub(super) fn entries_fill(tables: &Tables, field: &FieldTable) -> bool {
    let entry = field.kind.message().filter(|_| field.shape == Shape::Map);
    entry.and_then(|entry| tables.message(entry).fields.get(1)).is_some_and(|value| text_fills(tables, value))
}

/// Whether raw bytes can fill each value of this field.
pub(super) fn takes_bytes(tables: &Tables, field: &FieldTable) -> bool {
    field.kind == Kind::Bytes
        || field.kind.message().is_some_and(|id| {
            let message = tables.message(id);
            message.known == WellKnown::Wrapper && message.fields.first().is_some_and(|value| value.kind == Kind::Bytes)
        })
}

/// What can fill a field, each of its elements or each of its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filling {
    /// One text, as from a path or a query.
    Text,
    /// One JSON text: the field [takes JSON](takes_json).
    Json,
    /// Raw bytes, or one text with their base64.
    Bytes,
    /// A [`HttpBody`](http_body::HttpBody).
    HttpBody,
}

/// What can fill this field in one piece; for a map, each of its entries.
#[must_use]
pub fn filling(field: &Field) -> Option<Filling> {
    let value = match field.table().shape {
        Shape::Map => &field.message()?.field("value")?,
        _ => field,
    };
    match value.table() {
        table if takes_bytes(value.tables(), table) => Some(Filling::Bytes),
        table if http_body::is_kind_of_body(value.tables(), table.kind) => Some(Filling::HttpBody),
        _ if takes_json(field) => Some(Filling::Json),
        _ => takes_text(value).then_some(Filling::Text),
    }
}
