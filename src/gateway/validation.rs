//! Validates the request message of an admitted unary call before it is sent.

use super::call::Call;
use super::checked::decided;
use super::error::Refusal;
use super::exchange::Exchange;
use super::forward::RequestMessage;
use super::state::Gateway;
use crate::limits::memory::CALL;
use crate::limits::offload::{self, LONG};
use crate::route::Validated;

impl Gateway {
    /// Checks the message of a unary call.
    ///
    /// # Errors
    /// The message violates rules, and they are enforced.
    pub(super) async fn validate(
        &self,
        call: &Call<'_>,
        validated: &Validated,
        message: &mut RequestMessage,
        exchange: &mut Exchange,
    ) -> Result<(), Refusal> {
        let found = if message.bytes.len() < LONG {
            validated.checks.violations(&message.bytes)
        } else {
            let (held, bytes, checks) =
                (call.memory.part(CALL), std::mem::take(&mut message.bytes), validated.checks.clone());
            let ((found, bytes), held) = offload::run(move || ((checks.violations(&bytes), bytes), held)).await;
            call.memory.join(held);
            message.bytes = bytes;
            found
        };
        if found.list.is_empty() {
            return Ok(());
        }
        exchange.violates();
        let query = call.query;
        decided(call.route, validated, &found, || {
            Refusal::violations(&found, call.route, query, message.json.as_deref())
        })
    }
}
