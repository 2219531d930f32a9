//! Decompresses the body, or the one message, of a request.

use bytes::Bytes;

use crate::format::compression::{self, Bounds};
use crate::gateway::budget;
use crate::gateway::error::Refusal;
use crate::limits::memory::{CALL, Charge};
use crate::limits::offload::{self, LONG};

/// What a gzip body stands for. How much that is shows only then, so there has to be memory for the most that it may be.
pub(crate) async fn unzipped(body: Bytes, bounds: Bounds, memory: &Charge) -> Result<Bytes, Refusal> {
    let (before, length, most) = (memory.bytes(), body.len(), bounds.most(body.len()));
    let place = if most < LONG { None } else { Some(offload::place().await) };
    budget::body(memory, length, most)?;
    let whole = match place {
        None => compression::gunzip(&body, bounds),
        Some(place) => {
            let held = memory.part(CALL);
            let (whole, held) = place.run(move || (compression::gunzip(&body, bounds), held)).await;
            memory.join(held);
            whole
        }
    };
    memory.shrink_to(before);
    let whole = whole.map(Bytes::from).map_err(|error| Refusal::gzip(&error))?;
    budget::body(memory, length, whole.len())?;
    Ok(whole)
}
