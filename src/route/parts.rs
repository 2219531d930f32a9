//! A form in parts: texts as in other forms, and bytes as they are.

use super::entry::{BodyRule, Route};
use super::plan::error::{EncodeError, FormError, QueryProblem};
use super::query::Query;
use crate::codec::{Filling, HttpBody, Value};
use crate::format::multipart::{Boundary, Part};

impl Route {
    /// The request message from a body of `multipart/form-data`, where the route [takes a form](Self::takes_form). A part's name
    /// is a key of a form. A part onto a `google.api.HttpBody` gives its bytes and its content type, one onto `bytes` its bytes,
    /// any other its text.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn encode_parts(
        &self,
        captures: &[&str],
        query: &Query,
        (boundary, body): (&Boundary, &[u8]),
    ) -> Result<Vec<u8>, EncodeError> {
        let parts = boundary.parts(body, self.rpc.policy.query_pairs);
        let parts = parts.map_err(|error| EncodeError::FormText(FormError::Parts(error)))?;
        let mut request = self.request(captures)?;
        self.read_query(&mut request, query, !matches!(self.body, BodyRule::Field(_)))?;
        let given = self.read_parts(&mut request, &parts)?;
        self.fill_mask_by_form(&mut request, &given, body.len())?;
        request.encode(None).map_err(EncodeError::from)
    }
}

/// What the part is for a field that this can fill.
pub(super) fn value_of<'a>(part: &Part<'a>, filling: Filling) -> Result<Value<'a>, QueryProblem> {
    match filling {
        Filling::HttpBody => {
            Ok(Value::HttpBody(HttpBody { content_type: part.content_type.unwrap_or_default(), data: part.data }))
        }
        Filling::Bytes => Ok(Value::Bytes(part.data)),
        Filling::Json => part.json().map(Value::Json).map_err(QueryProblem::Text),
        Filling::Text => part.text().map(Value::Text).map_err(QueryProblem::Text),
    }
}
