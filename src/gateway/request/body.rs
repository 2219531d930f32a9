//! Reads the body of a unary request, within its size limit and its deadline.

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;

use super::inbound::RequestBody;
use crate::gateway::budget;
use crate::gateway::call::{Call, Intake};
use crate::gateway::error::Refusal;
use crate::gateway::exchange::Exchange;
use crate::gateway::state::Gateway;
use crate::limits::memory::Charge;
use crate::limits::pace::{Late, Pace};

impl Gateway {
    /// Reads the whole body, if the request has one.
    pub(crate) async fn receive<B: RequestBody>(
        &self,
        call: &Call<'_>,
        intake: &mut Intake<'_, B>,
    ) -> Result<Option<Bytes>, Refusal> {
        self.receive_framed(call, intake, 0).await
    }

    /// Reads the whole body, whose only message may have `framing` bytes before it.
    pub(crate) async fn receive_framed<B: RequestBody>(
        &self,
        call: &Call<'_>,
        intake: &mut Intake<'_, B>,
        framing: usize,
    ) -> Result<Option<Bytes>, Refusal> {
        let Intake { head, body, exchange, .. } = intake;
        let Some(rest) = body.body() else { return Ok(None) };
        let limit = BodyLimit { message: call.route.rpc.policy.body_limit, framing };
        let declared = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > limit.bytes() as u64) {
            return Err(Refusal::body_too_large(limit.message));
        }
        let pace = Pace::new(self.config.least_rate);
        let bytes = collected(rest, limit, pace, (call, exchange)).await?;
        body.ended();
        exchange.read();
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

/// How long a body may be.
#[derive(Clone, Copy)]
struct BodyLimit {
    message: usize,
    framing: usize,
}

impl BodyLimit {
    fn bytes(self) -> usize {
        self.message + self.framing
    }
}

/// Reads a whole body. A body in one piece is not copied; pieces of a longer one are dropped once they are joined.
async fn collected<B: RequestBody>(
    body: &mut B,
    limit: BodyLimit,
    mut pace: Pace,
    (call, exchange): (&Call<'_>, &mut Exchange),
) -> Result<Bytes, Refusal> {
    let Call { deadline, memory, .. } = *call;
    let mut whole = Whole::One(Bytes::new());
    loop {
        let frame = match pace.frame(body, Some(deadline.at)).await {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(Late::Deadline) => return Err(Refusal::body_late(&deadline.timer)),
            Err(Late::Slow(rate)) => return Err(Refusal::body_slow(rate)),
        };
        let frame = frame.map_err(|error| Refusal::body_broke_off(&*error.into()))?;
        // Request trailers are ignored.
        let Ok(data) = frame.into_data() else { continue };
        exchange.received(data.len());
        if whole.len() + data.len() > limit.bytes() {
            return Err(Refusal::body_too_large(limit.message));
        }
        whole.add(data, memory)?;
    }
    Ok(match whole {
        Whole::One(bytes) => bytes,
        Whole::Many(bytes) => bytes.freeze(),
    })
}

/// The part of a body that has arrived.
enum Whole {
    One(Bytes),
    Many(BytesMut),
}

impl Whole {
    fn len(&self) -> usize {
        match self {
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    fn add(&mut self, data: Bytes, memory: &Charge) -> Result<(), Refusal> {
        budget::body(memory, self.len(), self.len() + data.len())?;
        match self {
            Self::One(first) if first.is_empty() => *self = Self::One(data),
            Self::One(first) => {
                let mut many = BytesMut::with_capacity(2 * (first.len() + data.len()));
                many.extend_from_slice(first);
                many.extend_from_slice(&data);
                *self = Self::Many(many);
            }
            Self::Many(many) => many.extend_from_slice(&data),
        }
        Ok(())
    }
}
