//! Requires a minimum rate of bodies: a caller that sends one byte now and then would hold memory and a place for as
//! long as it likes.
//!
//! Only time spent waiting for the body counts, so a slow backend, during which nothing is read, is not held against
//! the caller. A body that is available at once costs no clock read.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

/// The minimum rate of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Bytes per second.
    pub bytes: usize,
    /// The waiting time over which the rate is averaged.
    pub over: Duration,
}

impl Rate {
    /// A rate that the slowest connections still reach, but no attack that wants to last.
    pub const DEFAULT: Self = Self { bytes: 240, over: Duration::from_secs(30) };

    fn bytes_of_window(self) -> u128 {
        self.bytes as u128 * self.over.as_millis() / 1000
    }
}

/// Why waiting for a body was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// The deadline of the call has passed.
    Deadline,
    /// The body arrives more slowly than the minimum rate.
    Slow(Rate),
}

/// Measures the rate of one body.
#[derive(Debug)]
pub struct Pace {
    rate: Option<Rate>,
    /// In the current window: the time spent waiting, and the bytes received.
    waited: Duration,
    came: usize,
}

impl Pace {
    /// Requires the body to arrive at `rate`, if there is one.
    #[must_use]
    pub fn new(rate: Option<Rate>) -> Self {
        Self { rate, waited: Duration::ZERO, came: 0 }
    }

    /// The next frame of the body; waits at most until `until`.
    ///
    /// # Errors
    /// The deadline has passed, or the body arrives too slowly.
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

    /// The next frame of a bidirectional stream, where a pause is legitimate.
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
