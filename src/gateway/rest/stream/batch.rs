//! A part of a stream as one array: what has come when somebody asks for it.

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

/// After so many bytes others have their turn.
const TURN: usize = 32 << 10;

/// Messages that have come together.
pub struct Batch {
    /// All of them, as an array.
    pub json: Vec<u8>,
    /// How many they are.
    pub messages: u64,
    /// What comes behind them.
    pub end: BatchEnd,
}

/// What comes behind the messages of a batch.
pub enum BatchEnd {
    /// The call goes on: there may be more.
    Open,
    /// Nothing: the call has ended well.
    Whole,
    /// The call has failed.
    Failed(Failure),
    /// A message that is none of its type, or is too large.
    Unreadable,
}

type Next = Result<Option<Bytes>, Failure>;

impl Batch {
    /// The first message, if it comes in time, and those that are there with it, as many as the limit of the route's JSON takes.
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

    /// Adds a message; false if there is no room for it.
    fn put(&mut self, line: Result<Vec<u8>, DecodeError>, route: &Route) -> bool {
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                tracing::error!(rpc = route.rpc.name, field = error.field, %error, "a message of the backend cannot be decoded");
                self.end = BatchEnd::Unreadable;
                return true;
            }
        };
        // One message is always taken: its limit is its own.
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

/// The next message or the end, if it is there.
async fn at_once(call: &mut StreamingCall) -> Option<Next> {
    for _ in 0..2 {
        if let Poll::Ready(next) = poll_fn(|cx| Poll::Ready(call.poll_message(cx))).await {
            return Some(next);
        }
        // What has arrived at the connection and is not read yet is there too.
        yield_now().await;
    }
    None
}
