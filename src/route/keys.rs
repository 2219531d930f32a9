//! Reads keys and values into the request message: from a query string, a URL-encoded form or a multipart form.
//!
//! All are read the same way. Query keys may name the fields that neither path nor body sets. Form keys name the fields
//! of the body.

use super::entry::{BodyRule, Route};
use super::parts::value_of;
use super::plan::error::{EncodeError, QueryProblem};
use super::query::Query;
use crate::codec::{Filling, Origin, Request, Value, filling, takes_text};
use crate::format::multipart::Part;
use crate::format::quote;
use crate::format::suggestion::nearest;
use crate::schema::{Field, FieldPath, Message, Shape, WellKnown};

/// Which fields the keys may name.
#[derive(Clone, Copy)]
enum Keys<'a> {
    /// Query keys. `body_is_whole`: the body sets every field, so none is left for the query.
    Query { body_is_whole: bool },
    /// Form keys. They name fields of the message in field `of`; without it, fields of the request message itself.
    Form { of: Option<&'a FieldPath> },
}

/// The value of a key.
#[derive(Clone, Copy)]
enum Given<'a> {
    Text(&'a str),
    Part(&'a Part<'a>),
}

impl<'a> Given<'a> {
    /// The value in the form that the field (or an entry of the map) takes; `None` if no single value can fill it.
    fn value(self, field: &Field) -> Result<Option<Value<'a>>, QueryProblem> {
        match (self, filling(field)) {
            (_, None) | (Self::Text(_), Some(Filling::HttpBody)) => Ok(None),
            (Self::Text(text), Some(Filling::Json)) => Ok(Some(Value::Json(text))),
            (Self::Text(text), Some(_)) => Ok(Some(Value::Text(text))),
            (Self::Part(part), Some(filling)) => value_of(part, filling).map(Some),
        }
    }
}

impl Route {
    pub(super) fn read_query(
        &self,
        request: &mut Request,
        query: &Query,
        body_is_whole: bool,
    ) -> Result<(), EncodeError> {
        let read = self.read_keys(request, texts(query), Keys::Query { body_is_whole });
        read.map(drop).map_err(|(key, problem)| EncodeError::Query { key, problem })
    }

    /// Reads a URL-encoded form. Returns the fields that it sets.
    pub(super) fn read_form(&self, request: &mut Request, form: &Query) -> Result<Vec<FieldPath>, EncodeError> {
        let read = self.read_keys(request, texts(form), self.form_keys());
        read.map_err(|(key, problem)| EncodeError::Form { key, problem })
    }

    pub(super) fn read_parts(&self, request: &mut Request, parts: &[Part<'_>]) -> Result<Vec<FieldPath>, EncodeError> {
        let given = parts.iter().map(|part| (part.name, Given::Part(part)));
        let read = self.read_keys(request, given, self.form_keys());
        read.map_err(|(key, problem)| EncodeError::Form { key, problem })
    }

    fn form_keys(&self) -> Keys<'_> {
        Keys::Form {
            of: match &self.body {
                BodyRule::Field(path) => Some(path),
                BodyRule::None | BodyRule::Whole => None,
            },
        }
    }

    /// Whether a query key names an entry of a map, as in `labels[colour]`.
    pub(super) fn is_entry(&self, key: &str) -> bool {
        self.resolve_entry(key, Keys::Query { body_is_whole: false }).is_some()
    }

    /// Returns the fields that the keys set, in order. On an error, also returns the key in the form that may be shown.
    fn read_keys<'g>(
        &self,
        request: &mut Request,
        pairs: impl Iterator<Item = (&'g str, Given<'g>)>,
        keys: Keys,
    ) -> Result<Vec<FieldPath>, (String, QueryProblem)> {
        let mut given: Vec<FieldPath> = Vec::new();
        for (key, value) in pairs {
            self.read_key(request, key, value, keys, &mut given).map_err(|problem| {
                // The keys of a map are values too, so those of a redacted map are not shown.
                let hidden = self.resolve_entry(key, keys).filter(|(map, _)| map.is_redacted());
                let quoted = || quote::beginning(key, quote::MOST).into_owned();
                let shown = hidden.map_or_else(quoted, |(map, _)| format!("{map}[...]"));
                (problem.below(shown), problem)
            })?;
        }
        Ok(given)
    }

    fn read_key(
        &self,
        request: &mut Request,
        key: &str,
        value: Given<'_>,
        keys: Keys,
        given: &mut Vec<FieldPath>,
    ) -> Result<(), QueryProblem> {
        let is_query = matches!(keys, Keys::Query { .. });
        let absent = matches!(value, Given::Text("")) && is_query && self.may_be_empty(key);
        let Some(path) = self.resolve(key, keys) else {
            if let Some((map, entry)) = self.resolve_entry(key, keys) {
                self.check_owner(&map, keys)?;
                set_entry(request, &map, entry, value)?;
                given.push(map);
                return Ok(());
            }
            return match absent || self.rpc.policy.ignore_query.cover(key) {
                true => Ok(()),
                false => Err(QueryProblem::Unknown { near: self.near(key, keys) }),
            };
        };
        if given.contains(&path) && !path.leaf().is_repeated() {
            return Err(QueryProblem::Twice);
        }
        if !absent {
            self.read_value(request, &path, value, keys)?;
        }
        given.push(path);
        Ok(())
    }

    fn read_value(
        &self,
        request: &mut Request,
        path: &FieldPath,
        value: Given<'_>,
        keys: Keys,
    ) -> Result<(), QueryProblem> {
        if path.leaf().table().shape == Shape::Map {
            return Err(whole_of(path).unwrap_or_else(|| QueryProblem::Map(path.to_string())));
        }
        let value = value.value(path.leaf())?.ok_or_else(|| no_text(path))?;
        if self.captured.contains(path) {
            return match request.says(path, value).map_err(QueryProblem::Field)? {
                true => Ok(()),
                false => Err(QueryProblem::Path),
            };
        }
        if self.captured.iter().any(|captured| captured.is_within(path)) {
            return Err(QueryProblem::PathWithin);
        }
        self.check_owner(path, keys)?;
        request.set(path, value, Origin::Query).map_err(QueryProblem::Field)
    }

    fn check_owner(&self, path: &FieldPath, keys: Keys) -> Result<(), QueryProblem> {
        let Keys::Query { body_is_whole } = keys else { return Ok(()) };
        let is_bodys = |body: &FieldPath| path.is_within(body) || body.is_within(path);
        let is_bodys = body_is_whole || matches!(&self.body, BodyRule::Field(body) if is_bodys(body));
        if is_bodys { Err(QueryProblem::Body) } else { Ok(()) }
    }

    fn resolve(&self, key: &str, keys: Keys) -> Option<FieldPath> {
        match keys {
            Keys::Query { .. } => self.resolve_key(key),
            Keys::Form { of: None } => self.rpc.paths.resolve(key).ok(),
            Keys::Form { of: Some(body) } => FieldPath::resolve(&self.rpc.input, &format!("{body}.{key}")).ok(),
        }
    }

    /// For an unknown key, the field name that the caller may have meant: the nearest one in the message that the key
    /// leads to.
    fn near(&self, key: &str, keys: Keys) -> Option<String> {
        if key.len() > quote::MOST_TWICE {
            return None;
        }
        let (above, name) = key.rsplit_once('.').map_or((None, key), |(above, name)| (Some(above), name));
        let message = match (above, keys) {
            (Some(above), _) => self.resolve(above, keys)?.leaf().message(),
            (None, Keys::Form { of: Some(body) }) => body.leaf().message(),
            (None, _) => Some(self.rpc.input.clone()),
        }?;
        let table = message.table();
        let spellings =
            table.fields.iter().map(|field| if name.contains('_') { &*field.name } else { &*field.json_name });
        let near = nearest(name, spellings);
        match (above, keys) {
            (Some(above), _) => near.map(|near| format!("{above}.{near}")),
            (None, Keys::Form { of: Some(_) }) => near.map(str::to_owned),
            // `?iban=` for `?account.sepa.iban=`
            (None, _) => near.or_else(|| self.rpc.paths.leading_to(name, takes_text)).map(str::to_owned),
        }
    }

    /// For a key written as `map[key]`, the field of the map and the key of the entry.
    fn resolve_entry<'k>(&self, key: &'k str, keys: Keys) -> Option<(FieldPath, &'k str)> {
        let (map, entry) = key.strip_suffix(']')?.split_once('[')?;
        let path = self.resolve(map, keys)?;
        (path.leaf().table().shape == Shape::Map).then_some((path, entry))
    }
}

/// The keys and values of a query string or URL-encoded form.
fn texts(pairs: &Query) -> impl Iterator<Item = (&str, Given<'_>)> {
    pairs.pairs().map(|(key, value)| (key, Given::Text(value)))
}

/// Explains why no single text can fill the field.
fn no_text(path: &FieldPath) -> QueryProblem {
    let field = path.leaf();
    if field.is_repeated() {
        return QueryProblem::List;
    }
    let example = field.message().and_then(|message| sayable(&message, EXAMPLE_DEPTH));
    let path = path.to_string();
    let example = example.filter(|_| path.len() <= quote::MOST_TWICE);
    QueryProblem::Message { example: example.map(|below| format!("{path}.{below}")) }
}

/// How many messages deep the example key in an error text may go.
const EXAMPLE_DEPTH: usize = 2;

/// The dotted path to a field in this message that one text can fill.
fn sayable(message: &Message, depth: usize) -> Option<String> {
    let mut fields = message.fields();
    let direct = fields.find(|field| !field.is_repeated() && !field.name().starts_with('[') && takes_text(field));
    if direct.is_some() || depth == 0 {
        return direct.map(|field| field.name().to_owned());
    }
    let single = message.fields().filter(|field| !field.is_repeated());
    let mut below = single.filter_map(|field| Some((field.name().to_owned(), sayable(&field.message()?, depth - 1)?)));
    below.next().map(|(name, below)| format!("{name}.{below}"))
}

/// The problem to report if the key names something inside a `google.protobuf.Struct`, which is only taken whole.
fn whole_of(path: &FieldPath) -> Option<QueryProblem> {
    let (_, outer) = path.fields().split_last()?;
    let outer_message = outer.last()?.message()?;
    let whole = outer.iter().map(Field::name).collect::<Vec<_>>().join(".");
    (outer_message.table().known == WellKnown::Struct).then_some(QueryProblem::Struct(whole))
}

fn set_entry(request: &mut Request, map: &FieldPath, key: &str, value: Given<'_>) -> Result<(), QueryProblem> {
    let value = value.value(map.leaf())?.ok_or_else(|| whole_of(map).unwrap_or(QueryProblem::Messages))?;
    request.set_entry(map, key, value, Origin::Query).map_err(QueryProblem::Field)
}
