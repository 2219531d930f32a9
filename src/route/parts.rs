//! Multipart forms: each part sets a field, as text, JSON or raw bytes.

use super::entry::{BodyRule, Route};
use super::plan::error::{EncodeError, FormError, QueryProblem};
use super::query::Query;
use crate::codec::{Filling, HttpBody, Value};
use crate::format::multipart::{Boundary, Part};

impl Route {
    /// Makes the request message from a `multipart/form-data` body, on a route that [takes a form](Self::takes_form).
    /// The name of a part is used like a form key. For a `google.api.HttpBody`, a part gives its bytes and content
    /// type; for a field of type `bytes`, its bytes; for any other field, its text.
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

/// The value of a part, in the form that the field takes.
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
