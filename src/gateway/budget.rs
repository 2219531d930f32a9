//! The memory budget of one call: what each step reserves before it begins, and the error if there is no memory left.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, sleep};

use crate::gateway::answer::{Body, Cut, Parts, Response};
use crate::gateway::error::Refusal;
use crate::limits::memory::{Account, CALL, Charge, SMALL, Share, Use};

/// While a body is read or a message is sent, the allocator holds up to twice its size.
const TIMES: usize = 2;
/// The JSON of a message is at most about this many times as long as the message. The actual length is known only
/// afterwards.
const JSON_TIMES: usize = 16;

/// From this many bytes on, copying costs less than the memory that would be wasted otherwise.
const LARGE: usize = 512 << 10;

/// How long a request waits for memory. Meanwhile responses that nobody reads are ended.
const WAIT: Duration = Duration::from_secs(3);
/// The time between two checks for free memory.
const PAUSE: Duration = Duration::from_millis(10);

/// Reserves what a small call needs in total, if that is free now.
pub(super) fn call(memory: &Share, account: &Arc<Account>) -> Option<Charge> {
    if account.is_over() { None } else { memory.take_queued(Some(account), CALL, Use::Call) }
}

/// Reserves what a small call needs in total, and waits up to [`WAIT`] for it.
///
/// # Errors
/// 503 if no memory becomes free.
pub(super) async fn room(memory: &Share, account: &Arc<Account>) -> Result<Charge, Refusal> {
    if account.is_over() {
        return Err(Refusal::untaken_answers());
    }
    let Some(_queued) = memory.queue() else {
        return memory.take_for(Some(account), CALL, Use::Call).ok_or_else(Refusal::no_memory);
    };
    let end = Instant::now() + WAIT;
    while Instant::now() < end {
        sleep(PAUSE).await;
        if let Some(charge) = memory.take_queued(Some(account), CALL, Use::Call) {
            return Ok(charge);
        }
    }
    memory.take_for(Some(account), CALL, Use::Call).ok_or_else(Refusal::no_memory)
}

/// Reserves memory for something that grows from `before` to `after` bytes. The first [`SMALL`] bytes cost nothing
/// more.
fn grow(memory: &Charge, before: usize, after: usize, purpose: Use) -> bool {
    let bytes = after.saturating_sub(before.max(SMALL));
    bytes == 0 || memory.grow(TIMES * bytes, purpose)
}

/// Reserves memory for headers of this size.
///
/// # Errors
/// 503 if there is no memory.
pub(super) fn head(memory: &Charge, size: usize) -> Result<(), Refusal> {
    grow(memory, 0, size, Use::Request).then_some(()).ok_or_else(Refusal::no_memory)
}

/// Reserves memory for a body that grows from `before` to `after` bytes.
///
/// # Errors
/// 503 if there is no memory.
pub(super) fn body(memory: &Charge, before: usize, after: usize) -> Result<(), Refusal> {
    grow(memory, before, after, Use::Request).then_some(()).ok_or_else(Refusal::no_memory)
}

/// Reserves memory for a message of at most `most` bytes while it is made from a body. Once it is made, [`message`]
/// reserves its actual size.
///
/// # Errors
/// 503 if there is no memory.
pub(super) fn making(memory: &Charge, most: usize) -> Result<(), Refusal> {
    memory.grow(most.saturating_sub(SMALL), Use::Request).then_some(()).ok_or_else(Refusal::no_memory)
}

/// Reserves memory for a request message, of which there are two copies while it is sent.
///
/// # Errors
/// 503 if there is no memory.
pub(super) fn message(memory: &Charge, length: usize) -> Result<(), Refusal> {
    grow(memory, 0, length, Use::Request).then_some(()).ok_or_else(Refusal::no_memory)
}

/// Releases the memory of the request, and reserves it for the JSON of a reply message of `length` bytes. The JSON has
/// at most `limit` bytes.
///
/// # Errors
/// 502 if there is no memory: the call has succeeded already.
pub(super) fn before_json(memory: &Charge, length: usize, limit: usize) -> Result<(), Refusal> {
    memory.shrink_to(CALL);
    let most = length.saturating_mul(JSON_TIMES).min(limit.max(length));
    if most <= SMALL || memory.grow(most, Use::Answer) { Ok(()) } else { Err(Refusal::no_memory_for_reply()) }
}

/// Spare capacity of up to 1/4 of a response is kept. The allocator returns a long buffer to the operating system, and
/// requests memory for the next one again, if it was shortened.
const ROOM: usize = 4;

/// Removes most of the spare capacity of a body, which a slow reader would otherwise occupy too.
pub(super) fn fitted(mut made: Vec<u8>) -> Vec<u8> {
    match made.capacity() - made.len() {
        room if room <= made.len() / ROOM => made,
        // Shrinking a buffer in place leaves a gap too small for the next buffer of its kind. A copy leaves a gap that
        // fits it.
        LARGE.. => made.as_slice().to_vec(),
        CALL.. => {
            made.shrink_to_fit();
            made
        }
        _ => made,
    }
}

/// Attaches the memory that the response body occupies, until its last byte is on its way.
pub(super) fn charged(response: Response, memory: Charge, version: Version) -> Response {
    // Below HTTP/2, a connection has one response at a time, and already has the memory for a small one.
    let small = if version < Version::HTTP_2 { SMALL } else { 0 };
    response.map(|body| match body {
        Body::Whole(bytes) if bytes.len() <= small => Body::Whole(bytes),
        Body::Whole(bytes) => {
            memory.shrink_to(CALL + bytes.len() + bytes.len() / ROOM);
            Body::Whole(memory.carry(bytes))
        }
        Body::Parts(parts) => Body::Parts(Box::pin(Charged { parts, _memory: memory })),
    })
}

struct Charged {
    parts: Parts,
    _memory: Charge,
}

impl HttpBody for Charged {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.parts.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.parts.size_hint()
    }
}
