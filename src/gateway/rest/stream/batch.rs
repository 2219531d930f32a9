//! Collects a part of a stream into one array: the messages that have arrived when a caller polls.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use super::call::{Failure, StreamingCall};
use crate::codec::DecodeError;
use crate::limits::offload::LONG;
use crate::route::{Route, System};

/// After this many bytes the task yields to other requests.
const TURN: usize = 32 << 10;

/// Messages that arrived together.
pub struct Batch {
    /// The messages as a JSON array.
    pub json: Vec<u8>,
    /// The number of messages.
    pub messages: u64,
    /// What follows after them.
    pub end: BatchEnd,
}

/// What follows after the messages of a batch.
pub enum BatchEnd {
    /// The call is still open; more messages may follow.
    Open,
    /// The call has ended successfully.
    Whole,
    Failed(Failure),
    /// The next message is not valid for its type, or is too large.
    Unreadable,
}

type Next = Result<Option<Bytes>, Failure>;

impl Batch {
    /// Waits for the first message until `until`, and adds those that have arrived with it, up to the size limit of the
    /// route's JSON.
    pub async fn collect(call: &mut StreamingCall, until: Instant, route: &Arc<Route>, system: System) -> Self {
        let mut batch = Self { json: b"[".to_vec(), messages: 0, end: BatchEnd::Open };
        let mut next = timeout_at(until, call.message()).await.ok();
        let mut turn = TURN;
        while let Some(came) = next.take() {
            match came {
                Ok(Some(message)) => {
                    let line = if message.len() < LONG {
                        Ok(route.decode_line(&message, system))
                    } else {
                        let converted = call.convert(message, route.clone(), system).await;
                        call.converted(converted)
                    };
                    match line {
                        Ok(line) => {
                            if !batch.put(line, route) {
                                break;
                            }
                        }
                        Err(failure) => batch.end = BatchEnd::Failed(failure),
                    }
                }
                Ok(None) => batch.end = BatchEnd::Whole,
                Err(failure) => batch.end = BatchEnd::Failed(failure),
            }
            if !matches!(batch.end, BatchEnd::Open) {
                break;
            }
            if batch.json.len() > turn {
                turn = batch.json.len() + TURN;
                yield_now().await;
            }
            next = at_once(call).await;
        }
        batch.json.push(b']');
        batch
    }

    /// Adds a message; returns false if there is no room for it.
    fn put(&mut self, line: Result<Vec<u8>, DecodeError>, route: &Route) -> bool {
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                tracing::error!(rpc = route.rpc.name, field = error.field, %error, "a message of the backend cannot be decoded");
                self.end = BatchEnd::Unreadable;
                return true;
            }
        };
        // The first message is always added: its size has been checked already.
        if self.messages > 0 {
            if self.json.len() + ",]".len() + line.len() > route.rpc.print.limit {
                return false;
            }
            self.json.push(b',');
        }
        self.json.extend_from_slice(&line);
        self.messages += 1;
        true
    }
}

/// The next message or the end, if it has arrived.
async fn at_once(call: &mut StreamingCall) -> Option<Next> {
    for _ in 0..2 {
        if let Poll::Ready(next) = poll_fn(|cx| Poll::Ready(call.poll_message(cx))).await {
            return Some(next);
        }
        // Yielding lets the connection read what has arrived for it.
        yield_now().await;
    }
    None
}
