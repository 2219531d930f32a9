//! The boundary between what all requests have in common and the way in which one is spoken.
//!
//! A protocol finds the rpc of a request, takes messages out of its body and puts replies into its answer, and says what a refusal looks
//! like. Common to all are the checks of the head, memory and deadlines, the reading of bodies (`request`), admission (`call`), what
//! is sent to the backend (`forward`), and the record of the exchange. To add one, implement [`Protocol`] and choose it in `service` by
//! the head; which one it is, is known when it is compiled.

use std::sync::Arc;

use super::answer::Response;
use super::call::Intake;
use super::error::Refusal;
use super::request::inbound::RequestBody;
use super::state::Gateway;

/// A way of calling rpcs over HTTP.
pub(super) trait Protocol {
    /// Finds the rpc of a request whose head is in order, and answers it.
    fn answer<B: RequestBody>(
        gateway: &Arc<Gateway>,
        intake: &mut Intake<'_, B>,
    ) -> impl Future<Output = Result<Response, Refusal>> + Send;

    /// The answer to a request that is refused.
    fn refuse(gateway: &Gateway, refusal: Refusal) -> Response;
}
