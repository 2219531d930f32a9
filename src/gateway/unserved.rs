//! The answer to requests of protocols that the port does not serve.

use std::sync::Arc;

use super::answer::Response;
use super::call::Intake;
use super::error::{Reason, Refusal};
use super::protocols::Protocol;
use super::request::inbound::RequestBody;
use super::rest::Rest;
use super::state::Gateway;

/// The protocol of a request whose protocol is not served.
pub(super) struct Unserved;

impl Protocol for Unserved {
    async fn answer<B: RequestBody>(_: &Arc<Gateway>, _: &mut Intake<'_, B>) -> Result<Response, Refusal> {
        let message =
            "header content-type: this port serves no REST; send the content type of a protocol that it serves";
        Err(Refusal::new(Reason::UnsupportedMediaType, message))
    }

    fn refuse(gateway: &Gateway, refusal: Refusal) -> Response {
        Rest::refuse(gateway, refusal)
    }
}
