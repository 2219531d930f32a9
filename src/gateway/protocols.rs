//! The boundary between what all requests have in common and the protocol of a single request.
//!
//! A protocol finds the rpc of a request, takes messages from its body, writes replies into its response, and formats
//! refusals. Common to all protocols are the checks of the head, memory and deadlines, reading bodies (`request`),
//! admission (`call`), sending to the backend (`forward`), and the record of the exchange. To add a protocol, implement
//! [`Protocol`] and choose it in `service` by the head. Protocols are chosen by static dispatch.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};

use super::answer::Response;
use super::call::Intake;
use super::error::Refusal;
use super::request::inbound::RequestBody;
use super::state::Gateway;

/// A protocol for calling rpcs over HTTP.
pub(super) trait Protocol {
    /// Finds the rpc of a request whose head has been checked, and answers it.
    fn answer<B: RequestBody>(
        gateway: &Arc<Gateway>,
        intake: &mut Intake<'_, B>,
    ) -> impl Future<Output = Result<Response, Refusal>> + Send;

    /// The response to a refused request.
    fn refuse(gateway: &Gateway, refusal: Refusal) -> Response;

    /// Adds the headers that caches and browsers need.
    fn guard(headers: &mut HeaderMap) {
        // RFC 9111, section 5.2.2.5: nobody may store a response with a bank's data, unless the backend allows it.
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
}
