//! Validates the only request message of an admitted call before it is sent.

use super::call::Call;
use super::checked::{Examined, decided, examine, is_long, without_output_only};
use super::error::Refusal;
use super::exchange::Exchange;
use super::state::Gateway;
use crate::limits::memory::CALL;

impl Gateway {
    /// Checks the only message of a request, and returns it without the fields that only the backend sets. `json` is the body that it was made of.
    ///
    /// # Errors
    /// The message violates rules, and they are enforced.
    pub(crate) async fn validate<M: AsRef<[u8]> + From<Vec<u8>> + Send + 'static>(
        &self,
        call: &Call<'_>,
        message: M,
        json: Option<&[u8]>,
        exchange: &mut Exchange,
    ) -> Result<M, Refusal> {
        let (route, memory) = (call.route, call.memory);
        let message = without_output_only(route, message)?;
        let Some(validated) = &route.rpc.validation else { return Ok(message) };
        let held = is_long(&validated.checks, &message).then(|| memory.part(CALL));
        let Examined { found, message, held } = examine(&validated.checks, message, held).await;
        if let Some(held) = held {
            memory.join(held);
        }
        if !found.list.is_empty() {
            exchange.violates();
        }
        decided(route, validated, &found, || Refusal::violations(&found, route, call.query, json))?;
        Ok(message)
    }
}
