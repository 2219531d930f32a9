//! The memory of one call: what each of its steps takes before it begins, and what the caller is told where there is none.

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

/// While a body is read or a message is sent, the allocator keeps up to twice its bytes.
const TIMES: usize = 2;
/// A message becomes at most about so many times as long in JSON; what it really became is known only then.
const JSON_TIMES: usize = 16;

/// From here on copying costs less than what is lost without.
const LARGE: usize = 512 << 10;

/// Longest time that a request waits for memory, while answers are ended that nobody takes.
const WAIT: Duration = Duration::from_secs(3);
/// Time between two looks whether there is some.
const PAUSE: Duration = Duration::from_millis(10);

/// For a new call: what small ones have in all.
pub(super) fn call(memory: &Share, account: &Arc<Account>) -> Option<Charge> {
    if account.is_over() { None } else { memory.take_queued(Some(account), CALL, Use::Call) }
}

/// The same, once there is memory for it.
///
/// # Errors
/// 503.
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

/// Takes what lies between these two sizes of something that grows; of what is small, nothing.
fn grow(memory: &Charge, before: usize, after: usize, purpose: Use) -> bool {
    let bytes = after.saturating_sub(before.max(SMALL));
    bytes == 0 || memory.grow(TIMES * bytes, purpose)
}

/// For headers of this size.
///
/// # Errors
/// 503.
pub(super) fn head(memory: &Charge, size: usize) -> Result<(), Refusal> {
    grow(memory, 0, size, Use::Request).then_some(()).ok_or_else(Refusal::no_memory)
}

/// For a body that grows.
///
/// # Errors
/// 503.
pub(super) fn body(memory: &Charge, before: usize, after: usize) -> Result<(), Refusal> {
    grow(memory, before, after, Use::Request).then_some(()).ok_or_else(Refusal::no_memory)
}

/// For what is made of a body, of at most so many bytes, until it is made: what it then is the [message](message) has.
///
/// # Errors
/// 503.
pub(super) fn making(memory: &Charge, most: usize) -> Result<(), Refusal> {
    memory.grow(most.saturating_sub(SMALL), Use::Request).then_some(()).ok_or_else(Refusal::no_memory)
}

/// For the message that is made of it, which is there a second time while it is sent.
///
/// # Errors
/// 503.
pub(super) fn message(memory: &Charge, length: usize) -> Result<(), Refusal> {
    grow(memory, 0, length, Use::Request).then_some(()).ok_or_else(Refusal::no_memory)
}

/// For the JSON of a reply of this length, of at most `limit` bytes; the request is gone.
///
/// # Errors
/// 502: the call has succeeded.
pub(super) fn before_json(memory: &Charge, length: usize, limit: usize) -> Result<(), Refusal> {
    memory.shrink_to(CALL);
    let most = length.saturating_mul(JSON_TIMES).min(limit.max(length));
    if most <= SMALL || memory.grow(most, Use::Answer) { Ok(()) } else { Err(Refusal::no_memory_for_reply()) }
}

/// Up to this part of an answer may be room that it was given to grow, and is not cut off: the allocator gives a long text back to the
/// system, and asks for the next one again, if it has become shorter.
const ROOM: usize = 4;

/// What was made, without most of the room that it was given to grow: a slow reader would hold that too.
pub(super) fn fitted(mut made: Vec<u8>) -> Vec<u8> {
    match made.capacity() - made.len() {
        room if room <= made.len() / ROOM => made,
        // Allocators leave a hole where they cut something off, too small for the next of its kind; a copy leaves room for that.
        LARGE.. => made.as_slice().to_vec(),
        CALL.. => {
            made.shrink_to_fit();
            made
        }
        _ => made,
    }
}

/// The answer with what it still has: its body, until the last byte of it is on its way.
pub(super) fn charged(response: Response, memory: Charge, version: Version) -> Response {
    // Before HTTP/2 a connection has one answer at a time, and the memory for a small one.
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
