//! Makes one request message of path variables, query and body, and the response body of a reply.
//!
//! Path variables set the fields that the template binds, and the body sets those that the rule gives to it. The query
//! sets the rest. Query and body may repeat a value from the path, but not change it.

use super::error::{EncodeError, FormError, QueryProblem, ValueProblem};
use crate::codec::{self, Body, DecodeError, HttpBody, Origin, Print, Request, Texts, Value};
use crate::route::entry::{BodyRule, Route};
use crate::route::policy::EmptyBody;
use crate::route::query::Query;
use crate::route::system::System;
use crate::route::text::{self, Keep};
use crate::schema::{FieldPath, Message, WellKnown};

impl Route {
    /// Whether a request on this route may have a body.
    #[must_use]
    pub fn takes_body(&self) -> bool {
        self.rpc.policy.accept_body || self.body != BodyRule::None
    }

    /// Makes the request message in wire format. `captures` holds the raw texts of the path variables.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn encode(&self, captures: &[&str], query: &Query, body: Option<&[u8]>) -> Result<Vec<u8>, EncodeError> {
        let body = self.body(body)?;
        let mut request = self.request(captures)?;
        self.read_query(&mut request, query, body.is_some_and(|body| body.field.is_none()))?;
        if let (Some(mask), Some(body)) = (&self.mask, body) {
            self.fill_mask(&mut request, mask, body)?;
        }
        request.encode(body).map_err(EncodeError::from)
    }

    /// Reads path and query for a call of several messages, each of which gets these values.
    ///
    /// # Errors
    /// What is wrong with path or query.
    pub fn prepare(&self, captures: &[&str], query: &Query) -> Result<Texts, EncodeError> {
        let mut request = self.request(captures)?;
        self.read_query(&mut request, query, self.takes_body() && !matches!(self.body, BodyRule::Field(_)))?;
        Ok(request.into_texts())
    }

    /// Makes one message of a call that [`prepare`](Self::prepare) has begun.
    ///
    /// # Errors
    /// What is wrong with the body, by itself or together with path and query.
    pub fn encode_one(&self, texts: &Texts, body: Option<&[u8]>) -> Result<Vec<u8>, EncodeError> {
        texts.encode(&self.rpc.input, self.body(body)?).map_err(EncodeError::from)
    }

    /// Makes the request message around a body that is passed on unchanged, on a route that [says
    /// so](Self::is_raw_request).
    ///
    /// # Errors
    /// What is wrong with path or query.
    pub fn encode_raw(&self, captures: &[&str], query: &Query, body: &HttpBody<'_>) -> Result<Vec<u8>, EncodeError> {
        self.encode_raw_one(&self.prepare(captures, query)?, body)
    }

    /// Makes one message of a call whose body is passed on unchanged.
    ///
    /// # Errors
    /// The query sets another member of the oneof that the body is in.
    pub fn encode_raw_one(&self, texts: &Texts, body: &HttpBody<'_>) -> Result<Vec<u8>, EncodeError> {
        let field = match &self.body {
            BodyRule::Field(path) => path,
            BodyRule::None | BodyRule::Whole => return Ok(body.encode()),
        };
        let mut request = texts.request(&self.rpc.input);
        let bound = request.set(field, Value::HttpBody(*body), Origin::Query);
        bound
            .map_err(|problem| EncodeError::Query { key: field.to_string(), problem: QueryProblem::Field(problem) })?;
        request.encode(None).map_err(EncodeError::from)
    }

    /// Makes the request message from a URL-encoded form, on a route that [takes one](Self::takes_form).
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn encode_form(&self, captures: &[&str], query: &Query, form: &[u8]) -> Result<Vec<u8>, EncodeError> {
        let text = std::str::from_utf8(form).ok().filter(|text| text.is_ascii());
        let pairs = text
            .ok_or(FormError::Bytes)
            .and_then(|text| Query::form(text, self.rpc.policy.query_limits()).map_err(FormError::Pairs));
        let pairs = pairs.map_err(EncodeError::FormText)?;
        let mut request = self.request(captures)?;
        self.read_query(&mut request, query, !matches!(self.body, BodyRule::Field(_)))?;
        let given = self.read_form(&mut request, &pairs)?;
        self.fill_mask_by_form(&mut request, &given, form.len())?;
        request.encode(None).map_err(EncodeError::from)
    }

    /// Whether the body is a message whose fields the keys of a form can name.
    #[must_use]
    pub fn takes_form(&self) -> bool {
        let has_fields = |message: &Message| message.table().known == WellKnown::No;
        match &self.body {
            BodyRule::None => self.rpc.policy.accept_body && has_fields(&self.rpc.input),
            BodyRule::Whole => has_fields(&self.rpc.input),
            BodyRule::Field(path) => {
                !path.leaf().is_repeated() && path.leaf().message().as_ref().is_some_and(has_fields)
            }
        }
    }

    /// Starts a request message with the values of the path variables.
    pub(crate) fn request(&self, captures: &[&str]) -> Result<Request<'_>, EncodeError> {
        let mut request = Request::new(&self.rpc.input).with_json_depth(self.rpc.policy.json_depth);
        for (path, value) in self.captured.iter().zip(&self.path_values(captures)?) {
            request.set(path, value, Origin::Path).map_err(|problem| EncodeError::Path {
                field: path.to_string(),
                problem: ValueProblem::Field(problem),
            })?;
        }
        Ok(request)
    }

    /// Makes the response body: the reply as JSON, or the field of it that the rule's `response_body` names. `system`
    /// holds the caller's `$alt` and `$prettyPrint`.
    ///
    /// # Errors
    /// The reply is not a valid message of its type.
    pub fn decode(&self, reply: &[u8], system: System) -> Result<Vec<u8>, DecodeError> {
        self.printed(reply, system.applied_to(self.rpc.print))
    }

    fn printed(&self, reply: &[u8], print: Print) -> Result<Vec<u8>, DecodeError> {
        match &self.response_body {
            None => codec::reply(&self.rpc.output, reply, &print),
            Some(path) => codec::reply_field(path, reply, &print),
        }
    }

    /// Makes the JSON of one message of a stream: always on one line, even if `json.indent` is set.
    ///
    /// # Errors
    /// The bytes are not a valid message of their type.
    pub fn decode_line(&self, message: &[u8], system: System) -> Result<Vec<u8>, DecodeError> {
        self.printed(message, Print { indent: false, ..system.applied_to(self.rpc.print) })
    }

    /// Gives `take` the content type and data of a reply that is passed on unchanged, on a route that [says
    /// so](Self::is_raw_reply).
    ///
    /// # Errors
    /// The reply is not a valid message of its type.
    pub fn raw_reply<T>(&self, reply: &[u8], take: impl FnOnce(HttpBody<'_>) -> T) -> Result<T, DecodeError> {
        codec::http_body(&self.rpc.output, self.response_body.as_ref(), reply, take)
    }

    /// The body as the rule takes it; `None` if there is nothing to read.
    fn body<'a>(&'a self, text: Option<&'a [u8]>) -> Result<Option<Body<'a>>, EncodeError> {
        let takes_empty_body = self.rpc.policy.empty_body == EmptyBody::Object;
        let field = match (&self.body, text) {
            (BodyRule::None, None) => return Ok(None),
            (BodyRule::None, Some(_)) if !self.rpc.policy.accept_body => return Err(self.body_unexpected()),
            (BodyRule::Field(_), None) if takes_empty_body => return Ok(None),
            (_, None) if !takes_empty_body => return Err(EncodeError::BodyMissing),
            (BodyRule::None | BodyRule::Whole, _) => None,
            (BodyRule::Field(path), _) => Some(path),
        };
        let text = text.unwrap_or(b"{}");
        Ok(Some(Body { text, field, ignored: &self.rpc.ignored }))
    }

    /// The error for a body that this route does not take.
    #[must_use]
    pub fn body_unexpected(&self) -> EncodeError {
        let path = self.template.split('?').next().unwrap_or_default().to_owned();
        EncodeError::BodyUnexpected { method: self.method.clone(), path }
    }

    fn path_values(&self, captures: &[&str]) -> Result<Vec<String>, EncodeError> {
        let decode = |((raw, variable), path): ((&&str, &crate::format::template::Variable), &FieldPath)| {
            let keep = if variable.keeps_slash { Keep::Slash } else { Keep::Nothing };
            text::decode(raw, keep)
                .map_err(|problem| EncodeError::Path { field: path.to_string(), problem: ValueProblem::Text(problem) })
        };
        captures.iter().zip(&self.variables).zip(&self.captured).map(decode).collect()
    }
}
