//! How slowly a body may come: a caller that sends a byte now and then holds memory and a place for as long as it likes.
//!
//! Only time in which the body is waited for counts, so a slow backend, for which nothing is read, is not held against the
//! caller. A body that is there when it is asked for costs no look at the clock.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

/// The least that has to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Bytes a second.
    pub bytes: usize,
    /// Over so much time of waiting.
    pub over: Duration,
}

impl Rate {
    /// What the slowest lines still have, and no attack that wants to last.
    pub const DEFAULT: Self = Self { bytes: 240, over: Duration::from_secs(30) };

    fn bytes_of_window(self) -> u128 {
        self.bytes as u128 * self.over.as_millis() / 1000
    }
}

/// Why a body is waited for no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// The time of the call is over.
    Deadline,
    /// It comes too slowly.
    Slow(Rate),
}

/// Watches over one body.
#[derive(Debug)]
pub struct Pace {
    rate: Option<Rate>,
    /// Of this window: how long was waited, and how much has come.
    waited: Duration,
    came: usize,
}

impl Pace {
    /// A body has to come at this rate, if at any.
    #[must_use]
    pub fn new(rate: Option<Rate>) -> Self {
        Self { rate, waited: Duration::ZERO, came: 0 }
    }

    /// The next frame; `until` then it is waited for at the most.
    ///
    /// # Errors
    /// It does not come.
    pub async fn frame<B>(
        &mut self,
        body: &mut B,
        until: Option<Instant>,
    ) -> Result<Option<Result<Frame<Bytes>, B::Error>>, Late>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if let Poll::Ready(frame) = poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await {
            self.count(frame.as_ref());
            return Ok(frame);
        }
        let mut since = Instant::now();
        loop {
            let window = self.rate.map(|rate| since + rate.over.saturating_sub(self.waited));
            let Some(end) = window.into_iter().chain(until).min() else {
                let frame = body.frame().await;
                self.count(frame.as_ref());
                return Ok(frame);
            };
            let frame = timeout_at(end, body.frame()).await;
            let now = Instant::now();
            match (frame, self.rate) {
                (Ok(frame), _) => {
                    self.waited += now - since;
                    self.count(frame.as_ref());
                    return Ok(frame);
                }
                (Err(_), Some(rate)) if until.is_none_or(|until| end < until) => {
                    if (self.came as u128) < rate.bytes_of_window() {
                        return Err(Late::Slow(rate));
                    }
                    (self.came, self.waited, since) = (0, Duration::ZERO, now);
                }
                (Err(_), _) => return Err(Late::Deadline),
            }
        }
    }

    /// The next frame of a conversation, where silence means nothing.
    pub async fn unhurried<B>(&mut self, body: &mut B) -> Option<Result<Frame<Bytes>, B::Error>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let frame = body.frame().await;
        self.count(frame.as_ref());
        frame
    }

    fn count<E>(&mut self, frame: Option<&Result<Frame<Bytes>, E>>) {
        if let Some(Ok(frame)) = frame {
            self.came = self.came.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        }
    }
}
