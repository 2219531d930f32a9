//! Keys and values into the request message: of a query, or of a form.
//!
//! Both are read alike. A query has what path and body leave; a form is a body, and its keys name the body's fields.

use super::plan::QueryProblem;
use super::{BodyRule, EncodeError, Query, Route};
use crate::codec::{Origin, Request, takes_entries, takes_text};
use crate::schema::{FieldPath, Shape};

/// What keys may name.
#[derive(Clone, Copy)]
enum Keys<'a> {
    /// Of the query.
    Query { body_is_whole: bool },
    /// Of a form, which is the value of this field, or of the message as a whole.
    Form { of: Option<&'a FieldPath> },
}

impl Route {
    pub(super) fn read_query(
        &self,
        request: &mut Request,
        query: &Query,
        body_is_whole: bool,
    ) -> Result<(), EncodeError> {
        let read = self.read_keys(request, query, Keys::Query { body_is_whole });
        read.map_err(|(key, problem)| EncodeError::Query { key, problem })
    }

    pub(super) fn read_form(&self, request: &mut Request, form: &Query) -> Result<(), EncodeError> {
        let of = match &self.body {
            BodyRule::Field(path) => Some(path),
            BodyRule::None | BodyRule::Whole => None,
        };
        let read = self.read_keys(request, form, Keys::Form { of });
        read.map_err(|(key, problem)| EncodeError::Form { key, problem })
    }

    /// Whether a query key names an entry of a map.
    pub(super) fn is_entry(&self, key: &str) -> bool {
        self.resolve_entry(key, Keys::Query { body_is_whole: false }).is_some()
    }

    /// On an error also the key, as it may be shown.
    fn read_keys(&self, request: &mut Request, pairs: &Query, keys: Keys) -> Result<(), (String, QueryProblem)> {
        let mut given: Vec<FieldPath> = Vec::new();
        for (key, value) in pairs.pairs() {
            self.read_key(request, key, value, keys, &mut given).map_err(|problem| {
                // The keys of a map are values too, and not to be shown where those are not.
                let hidden = self.resolve_entry(key, keys).filter(|(map, _)| map.is_redacted());
                (hidden.map_or_else(|| key.to_owned(), |(map, _)| format!("{map}[...]")), problem)
            })?;
        }
        Ok(())
    }

    fn read_key(
        &self,
        request: &mut Request,
        key: &str,
        value: &str,
        keys: Keys,
        given: &mut Vec<FieldPath>,
    ) -> Result<(), QueryProblem> {
        let is_query = matches!(keys, Keys::Query { .. });
        let absent = value.is_empty() && is_query && self.may_be_empty(key);
        let Some(path) = self.resolve(key, keys) else {
            if let Some((map, entry)) = self.resolve_entry(key, keys) {
                self.check_owner(&map, keys)?;
                return set_entry(request, &map, entry, value);
            }
            return match absent || self.unknown_keys.cover(key) {
                true => Ok(()),
                false => Err(if is_query { QueryProblem::Unknown } else { QueryProblem::NoField }),
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

    fn read_value(&self, request: &mut Request, path: &FieldPath, value: &str, keys: Keys) -> Result<(), QueryProblem> {
        if !takes_text(path.leaf()) {
            let is_map = path.leaf().table().shape == Shape::Map;
            return Err(if is_map { QueryProblem::Map(path.to_string()) } else { QueryProblem::Message });
        }
        if self.captured.contains(path) {
            return match request.says(path, value).map_err(QueryProblem::Field)? {
                true => Ok(()),
                false => Err(QueryProblem::Path),
            };
        }
        self.check_owner(path, keys)?;
        request.set(path, value, Origin::Query).map_err(QueryProblem::Field)
    }

    fn check_owner(&self, path: &FieldPath, keys: Keys) -> Result<(), QueryProblem> {
        let Keys::Query { body_is_whole } = keys else { return Ok(()) };
        let is_bodys = body_is_whole || matches!(&self.body, BodyRule::Field(body) if path.is_within(body));
        if is_bodys { Err(QueryProblem::Body) } else { Ok(()) }
    }

    fn resolve(&self, key: &str, keys: Keys) -> Option<FieldPath> {
        match keys {
            Keys::Query { .. } => self.resolve_key(key),
            Keys::Form { of: None } => FieldPath::resolve(&self.input, key).ok(),
            Keys::Form { of: Some(body) } => FieldPath::resolve(&self.input, &format!("{body}.{key}")).ok(),
        }
    }

    /// The map and its key that `map[key]` names.
    fn resolve_entry<'k>(&self, key: &'k str, keys: Keys) -> Option<(FieldPath, &'k str)> {
        let (map, entry) = key.strip_suffix(']')?.split_once('[')?;
        let path = self.resolve(map, keys)?;
        (path.leaf().table().shape == Shape::Map).then_some((path, entry))
    }
}

fn set_entry(request: &mut Request, map: &FieldPath, key: &str, value: &str) -> Result<(), QueryProblem> {
    if !takes_entries(map.leaf()) {
        return Err(QueryProblem::Messages);
    }
    request.set_entry(map, key, value, Origin::Query).map_err(QueryProblem::Field)
}
