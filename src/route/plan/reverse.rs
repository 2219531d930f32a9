//! Applies a rule in reverse: from the bytes of a request message to the HTTP request that carries it.
//!
//! http.proto: the path carries the fields that its template binds, the body what the rule says, and the query every
//! other field that is set. So each field has exactly one place. If a rule cannot carry a message, the [`ReverseError`]
//! names the field.

use std::ops::ControlFlow;

use http::HeaderValue;
use percent_encoding::utf8_percent_encode;

use super::characters::PAIR;
use super::unfit::{MOST_TARGET, MOST_VALUE, ReverseError, ReverseProblem};
use crate::codec::{self, FieldText, HttpBody, LeafValue, NoText, Print};
use crate::route::entry::{BodyRule, Route};
use crate::schema::{FieldPath, Kind, Shape, WellKnown};

/// A request without headers, except for the content type of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestRequest {
    /// The HTTP method; `*` if the rule takes any.
    pub method: String,
    /// Path and query, percent-encoded.
    pub target: String,
    /// The content type of the body: JSON; a line of JSON if the rpc takes several messages; for a
    /// `google.api.HttpBody`, the type that it holds. Empty if there is no type.
    pub content_type: String,
    /// The body, if the request has one.
    pub body: Option<Vec<u8>>,
}

impl Route {
    /// Makes the request that carries the message `wire`. The body has at most `limit` bytes.
    ///
    /// # Errors
    /// The rule cannot carry the message, or the bytes are not a valid message of the rpc's input type.
    pub fn reverse(&self, wire: &[u8], limit: usize) -> Result<RestRequest, ReverseError> {
        let mut target = self.path_of(wire)?;
        let mut elsewhere: Vec<String> = self.captured.iter().map(ToString::to_string).collect();
        let (whole, field) = match &self.body {
            BodyRule::Whole => (true, None),
            BodyRule::None => (self.rpc.policy.accept_body && self.has_others(wire, &elsewhere)?, None),
            BodyRule::Field(path) => (false, Some(path)),
        };
        elsewhere.extend(field.map(ToString::to_string));
        if !whole {
            self.put_query(&mut target, wire, &elsewhere)?;
        }
        if target.len() > MOST_TARGET {
            return Err(ReverseError::TooLong);
        }
        let method = self.method.clone();
        if self.is_raw_request {
            let (content_type, data) = self.raw_body(field, wire)?;
            return Ok(RestRequest { method, target, content_type, body: Some(data) });
        }
        let body = (whole || field.is_some()).then(|| self.json_body(field, wire, limit)).transpose()?;
        // Under `application/json` an array means several messages, but the JSON of one message may be an array.
        let content_type = if self.rpc.streaming.client { "application/x-ndjson" } else { "application/json" };
        Ok(RestRequest { method, target, content_type: content_type.to_owned(), body })
    }

    /// Whether the message sets any field besides these.
    fn has_others(&self, wire: &[u8], fields: &[String]) -> Result<bool, ReverseError> {
        let mut found = false;
        let visit = |_: LeafValue<'_>| {
            found = true;
            ControlFlow::Break(())
        };
        let walk = codec::values(&self.rpc.input, wire, fields, MOST_VALUE, visit);
        match walk.map_err(ReverseError::of_value) {
            Err(ReverseError::TooLong) => Ok(true),
            walk => walk.map(|()| found),
        }
    }

    /// Adds to the query every field that is set, except for those in `elsewhere`.
    fn put_query(&self, target: &mut String, wire: &[u8], elsewhere: &[String]) -> Result<(), ReverseError> {
        let declared: Vec<(&str, String)> =
            self.declared.iter().map(|(key, path)| (key.as_str(), path.to_string())).collect();
        let mut put = Ok(());
        let (mut mark, length) = ('?', target.len());
        let visit = |leaf: LeafValue<'_>| {
            put = self.put_pair(target, mark, &leaf, &declared);
            if target.len() > length {
                mark = '&';
            }
            if put.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let walk = codec::values(&self.rpc.input, wire, elsewhere, MOST_VALUE, visit);
        walk.map_err(ReverseError::of_value).and(put)
    }

    fn put_pair(
        &self,
        target: &mut String,
        mark: char,
        leaf: &LeafValue<'_>,
        declared: &[(&str, String)],
    ) -> Result<(), ReverseError> {
        let has_captured = |path: &FieldPath| {
            let within = path.to_string();
            within.strip_prefix(leaf.field).is_some_and(|rest| rest.starts_with('.'))
        };
        if leaf.text == Err(NoText::Empty) && self.captured.iter().any(has_captured) {
            // The path sets it.
            return Ok(());
        }
        let value = leaf.text.map_err(|reason| ReverseProblem::from(reason).at(leaf.name))?;
        let key = declared.iter().find(|(_, field)| field == leaf.key).map_or(leaf.key, |(key, _)| key);
        if value.is_empty() && self.may_be_empty(key) {
            return Err(ReverseProblem::EmptyKey { key: key.to_owned() }.at(leaf.name));
        }
        if key.contains('\0') || value.contains('\0') {
            return Err(ReverseProblem::Nul.at(leaf.name));
        }
        target.push(mark);
        target.extend(utf8_percent_encode(key, &PAIR));
        target.push('=');
        target.extend(utf8_percent_encode(value, &PAIR));
        if target.len() > MOST_TARGET { Err(ReverseError::TooLong) } else { Ok(()) }
    }

    /// The JSON body: the message, or the value of one field, without the fields that the path binds.
    fn json_body(&self, field: Option<&FieldPath>, wire: &[u8], limit: usize) -> Result<Vec<u8>, ReverseError> {
        let print = Print { limit, ..Print::default() };
        let rest = codec::without(&self.rpc.input, wire, &self.captured).map_err(ReverseError::Message)?;
        let Some(path) = field else {
            return codec::reply(&self.rpc.input, &rest, &print).map_err(ReverseError::Message);
        };
        let body = codec::reply_field(path, &rest, &print).map_err(ReverseError::Message)?;
        if body == b"null" && null_is_value(path) && !is_set(path, &rest)? {
            return Err(ReverseProblem::Added.at(&path.to_string()));
        }
        // The gateway would fill the update mask from the body.
        match self.mask.as_ref().filter(|_| !matches!(&*body, b"null" | b"{}")) {
            Some(mask) if !is_set(mask, wire)? => Err(ReverseProblem::Added.at(&mask.to_string())),
            _ => Ok(body),
        }
    }

    /// The content type and the bytes of a body that is passed on unchanged.
    fn raw_body(&self, field: Option<&FieldPath>, wire: &[u8]) -> Result<(String, Vec<u8>), ReverseError> {
        let owned = |body: HttpBody<'_>| (body.content_type.to_owned(), body.data.to_vec());
        let body = codec::http_body(&self.rpc.input, field, wire, owned);
        let (content_type, data) = body.map_err(ReverseError::Message)?;
        let header = HeaderValue::from_str(&content_type).ok().filter(|value| value.to_str().is_ok());
        if header.is_none() || content_type.trim() != content_type {
            let within = field.map(|field| format!("{field}.")).unwrap_or_default();
            return Err(ReverseProblem::Header.at(&format!("{within}content_type")));
        }
        Ok((content_type, data))
    }
}

/// Whether a field has a value other than the empty text.
fn is_set(path: &FieldPath, wire: &[u8]) -> Result<bool, ReverseError> {
    match codec::field_text(path, wire, MOST_VALUE).map_err(ReverseError::of_value) {
        Err(ReverseError::TooLong) => Ok(true),
        text => text.map(|text| matches!(text, FieldText::Text(text) if !text.is_empty())),
    }
}

/// Whether `null` sets the field: it is a `google.protobuf.Value`, or a `NullValue` with field presence.
fn null_is_value(path: &FieldPath) -> bool {
    let leaf = path.leaf();
    match leaf.table().kind {
        Kind::Enum(id) => leaf.table().shape == Shape::Explicit && leaf.tables().enumeration(id).is_null,
        Kind::Message(id) => !leaf.is_repeated() && leaf.tables().message(id).known == WellKnown::Value,
        _ => false,
    }
}
