//! Adapts the limit of calls in flight to how long the backend takes for them.
//!
//! The limit is decided anew after a number of calls that began under the limit as it is. If they took longer than they
//! should, it is lowered by the same factor, at most by half. If they did not and the limit was in use, it is raised by a
//! twentieth. So a backend that slows down under load gets as many calls as it answers in time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How the limit adapts. Its highest value is the fixed limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adaptive {
    /// How long calls should take on average.
    pub latency: Duration,
    /// The lowest limit.
    pub min: usize,
}

/// Decides after so many calls.
const CALLS: u32 = 10;
/// The time of a call counts at most as so many times what it should be, so that a single one decides nothing.
const MOST: u32 = 4;
/// The limit grows by this part of it, but at least by one.
const PART: usize = 20;

/// The limit of calls in flight, and the calls since it was last decided.
#[derive(Debug)]
pub(super) struct Controller {
    adaptive: Adaptive,
    /// The highest limit.
    max: usize,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    limit: usize,
    /// When the limit was decided. Calls that began before say nothing of it.
    since: Instant,
    calls: u32,
    /// The sum of their times.
    time: Duration,
    /// Whether at least half of the limit was in use.
    is_used: bool,
}

/// A call that has ended at the backend.
#[derive(Debug, Clone, Copy)]
pub(super) struct EndedCall {
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// How many calls were in flight at its end, with it.
    pub(super) in_flight: usize,
}

impl Controller {
    /// Begins with the highest limit: a backend that was never slow is not held back.
    pub(super) fn new(adaptive: Adaptive, max: usize) -> Self {
        let (since, time) = (Instant::now(), Duration::ZERO);
        let window = Mutex::new(Window { limit: max, since, calls: 0, time, is_used: false });
        Self { adaptive: Adaptive { min: adaptive.min.min(max), ..adaptive }, max, window }
    }

    /// Whether a call that has taken so long is late.
    pub(super) fn is_late(&self, took: Duration) -> bool {
        took > self.adaptive.latency
    }

    /// Counts a call. Returns the new limit, if it changes.
    pub(super) fn ended(&self, EndedCall { began, ended, in_flight }: EndedCall) -> Option<usize> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let window = &mut *window;
        if began < window.since {
            return None;
        }
        let Adaptive { latency, min } = self.adaptive;
        window.calls += 1;
        window.time += ended.saturating_duration_since(began).min(latency * MOST);
        window.is_used |= in_flight * 2 >= window.limit;
        if window.calls < CALLS {
            return None;
        }
        let (before, mean) = (window.limit, window.time / window.calls);
        let limit = if mean > latency {
            let factor = (latency.as_secs_f64() / mean.as_secs_f64()).max(0.5);
            scaled(before, factor).max(min)
        } else if window.is_used {
            (before + (before / PART).max(1)).min(self.max)
        } else {
            before
        };
        *window = Window { limit, since: ended, calls: 0, time: Duration::ZERO, is_used: false };
        (limit != before).then_some(limit)
    }
}

/// Part of a limit, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "limits are at most a million, and the factor is from 0 to 1"
)]
fn scaled(limit: usize, factor: f64) -> usize {
    (limit as f64 * factor) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: Duration = Duration::from_millis(100);

    /// The limits after windows of calls that each took so many milliseconds, with so many in flight.
    fn limits(windows: &[(u64, usize)]) -> Vec<usize> {
        let controller = Controller::new(Adaptive { latency: LATENCY, min: 10 }, 200);
        let mut now = Instant::now();
        let mut limit = 200;
        let each = |&(millis, in_flight): &(u64, usize)| {
            for _ in 0..CALLS {
                let ended = now + Duration::from_millis(millis);
                let call = EndedCall { began: now, ended, in_flight };
                limit = controller.ended(call).unwrap_or(limit);
            }
            now += Duration::from_millis(millis);
            limit
        };
        windows.iter().map(each).collect()
    }

    #[test]
    fn the_limit_falls_with_the_latency_and_grows_only_if_it_is_used() {
        for (windows, expected) in [
            // In time: the highest limit stays.
            (&[(50, 200), (100, 200)][..], &[200, 200][..]),
            // Twice as long halves it, and more does not lower it further; not below the minimum.
            (&[(200, 200), (1000, 100), (125, 50), (400, 40), (400, 20), (400, 10)], &[100, 50, 40, 20, 10, 10]),
            // In time again: a twentieth more, or one, if at least half of it is used.
            (&[(400, 200), (90, 100), (90, 49), (90, 53), (90, 55)], &[100, 105, 105, 110, 115]),
            (&[(400, 200), (400, 100), (400, 50), (400, 25), (90, 12), (90, 13)], &[100, 50, 25, 12, 13, 14]),
        ] {
            assert_eq!(limits(windows), expected, "{windows:?}");
        }
    }

    #[test]
    fn one_slow_call_among_others_and_calls_from_before_a_change_decide_nothing() {
        let controller = Controller::new(Adaptive { latency: LATENCY, min: 10 }, 200);
        let began = Instant::now();
        let call =
            |began: Instant, millis| EndedCall { began, ended: began + Duration::from_millis(millis), in_flight: 9 };
        let first = [25_000, 50, 50, 50, 50, 50, 50, 50, 50, 50].map(|millis| controller.ended(call(began, millis)));
        assert_eq!(first, [None; 10]);
        let later = began + Duration::from_secs(30);
        let slow = [0; 10].map(|_| controller.ended(call(later, 200)));
        assert_eq!(slow[9], Some(100));
        // Those were sent under the old limit.
        assert_eq!([0; 30].map(|_| controller.ended(call(later, 300))), [None; 30]);
    }
}
