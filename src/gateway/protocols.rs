//! The boundary between what all requests have in common and the protocol of a single request.
//!
//! A protocol finds the rpc of a request, takes messages from its body, writes replies into its response, and formats
//! refusals. Common to all protocols are the checks of the head, memory and deadlines, reading bodies (`request`),
//! admission (`call`), sending to the backend (`forward`), and the record of the exchange. To add a protocol, implement
//! [`Protocol`] and choose it in `service` by the head. Protocols are chosen by static dispatch.

use std::sync::Arc;

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
}
