//! The timeout for the head of an HTTP/1.1 request, and for an idle connection to wait for its next request.
//!
//! A timer that starts anew with each request costs each of them about 1 % of its CPU time. This one ticks on, however
//! many requests there are, and counts the ticks without a new one. So a connection that has had requests ends after 30
//! to 35 s without one, and one that has had none after 30 s.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

const TICK: Duration = Duration::from_secs(5);
const TICKS: u32 = 6;
/// The longest time for the head of a request, and for an idle connection to wait for its next request.
pub(super) const HEAD_TIMEOUT: Duration = TICK.saturating_mul(TICKS);

/// Notices that no request came for a long time.
#[derive(Debug, Default)]
pub(super) struct HeadClock {
    /// `None` until the connection waits for the first time.
    tick: Option<Pin<Box<Sleep>>>,
    quiet: Quiet,
}

/// The ticks in a row that saw no new request.
#[derive(Debug, Default)]
struct Quiet {
    /// The number of requests at the last tick.
    requests: usize,
    ticks: u32,
}

impl HeadClock {
    /// Ready when no request came for [`HEAD_TIMEOUT`]. To be polled while the connection waits for one, with the number
    /// of those that came so far.
    pub(super) fn poll_late(&mut self, cx: &mut Context<'_>, requests: usize) -> Poll<()> {
        let Self { tick, quiet } = self;
        let tick = tick.get_or_insert_with(|| Box::pin(sleep(TICK)));
        loop {
            ready!(tick.as_mut().poll(cx));
            if quiet.is_long_after_tick(requests) {
                return Poll::Ready(());
            }
            tick.as_mut().reset(Instant::now() + TICK);
        }
    }
}

#[cfg(test)]
impl HeadClock {
    /// A clock whose last tick comes at once, if there was no request.
    pub(super) fn due() -> Self {
        Self { tick: Some(Box::pin(sleep(Duration::ZERO))), quiet: Quiet { requests: 0, ticks: TICKS - 1 } }
    }
}

impl Quiet {
    fn is_long_after_tick(&mut self, requests: usize) -> bool {
        let ticks = if requests == self.requests { self.ticks + 1 } else { 0 };
        *self = Self { requests, ticks };
        ticks >= TICKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_late_after_six_ticks_without_a_new_request() {
        // The number of requests at each tick, 5 s after the one before.
        for (requests, late) in [
            (&[0, 0, 0, 0, 0, 0][..], Some(6)),
            // A request before the first tick, and then none.
            (&[1, 1, 1, 1, 1, 1, 1], Some(7)),
            (&[0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1], Some(12)),
            (&[0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1], None),
            (&[7, 8, 9, 9, 9, 9, 9, 9, 10, 11, 12], None),
        ] {
            let mut quiet = Quiet::default();
            let late_at = requests.iter().position(|&requests| quiet.is_long_after_tick(requests));
            assert_eq!(late_at.map(|tick| tick + 1), late, "{requests:?}");
        }
    }
}
