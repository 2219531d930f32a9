//! The generic cell rate algorithm.

use std::time::Duration;

/// How often something may happen: `burst` times at once, and then once in each `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The time after which one more event is allowed, in nanoseconds.
    interval: u64,
    /// How many events are allowed at once.
    burst: u64,
}

/// An event is not allowed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// The time after which it is allowed, if nothing else happens until then.
    pub wait: Duration,
    /// How many events of cost 1 are allowed now.
    pub remaining: u64,
}

/// What a key may still do after an event that was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// How many events of cost 1 are allowed now.
    pub remaining: u64,
    /// The time after which one more is allowed.
    pub wait: Duration,
}

impl Quota {
    /// `count` in each `period`, and `burst` at once.
    ///
    /// # Errors
    /// The rate is more than one event per nanosecond.
    pub fn new(count: u64, period: Duration, burst: u64) -> Result<Self, String> {
        let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        match period.checked_div(count) {
            Some(interval @ 1..) => Ok(Self { interval, burst: burst.max(1) }),
            _ => Err("expected a rate of at least one, and at most one in a nanosecond".to_owned()),
        }
    }

    /// How many events are allowed at once.
    #[must_use]
    pub fn burst(self) -> u64 {
        self.burst
    }

    /// The time after which a used-up burst is allowed again.
    #[must_use]
    pub fn window(self) -> Duration {
        Duration::from_nanos(self.interval.saturating_mul(self.burst))
    }

    /// The time after which one more event is allowed.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// What a key may still do if it is as good as new after `debt`.
    #[must_use]
    pub fn left(self, debt: Duration) -> Left {
        let debt = u64::try_from(debt.as_nanos()).unwrap_or(u64::MAX);
        let room = self.interval.saturating_mul(self.burst).saturating_sub(debt);
        let (remaining, part) = (room / self.interval, room % self.interval);
        let wait = if remaining >= self.burst { 0 } else { self.interval - part };
        Left { remaining, wait: Duration::from_nanos(wait) }
    }

    /// The state of a key after something of this cost happens at `now`. The state is the time at which the key is as if
    /// nothing had happened; both are in nanoseconds.
    ///
    /// # Errors
    /// The event is not allowed. The state does not change.
    pub(super) fn allow(self, state: u64, now: u64, cost: u64) -> Result<u64, Exceeded> {
        let before = state.max(now);
        let after = before.saturating_add(self.cost(cost));
        let most = now.saturating_add(self.interval.saturating_mul(self.burst));
        if after <= most {
            return Ok(after);
        }
        let remaining = most.saturating_sub(before) / self.interval;
        Err(Exceeded { wait: Duration::from_nanos(after - most), remaining })
    }

    /// The state of a key after an event of this cost is taken back.
    pub(super) fn refund(self, state: u64, cost: u64) -> u64 {
        state.saturating_sub(self.cost(cost))
    }

    fn cost(self, cost: u64) -> u64 {
        self.interval.saturating_mul(cost)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_is_allowed_at_once_and_then_one_request_per_interval() {
        let quota = Quota::new(10, Duration::from_secs(1), 3).unwrap();
        let (mut state, mut allowed) = (0, Vec::new());
        for step in 0..40 {
            let now = 5 * SECOND + step * SECOND / 20;
            if let Ok(after) = quota.allow(state, now, 1) {
                (state, allowed) = (after, [allowed, vec![step]].concat());
            }
        }
        // Every 50 ms one is asked for, and every 100 ms one is allowed: until the burst is used up, all are.
        assert_eq!(allowed[..8], [0, 1, 2, 3, 4, 6, 8, 10]);
        assert_eq!(quota.window(), Duration::from_millis(300));
    }

    #[test]
    fn a_request_is_allowed_after_the_announced_wait() {
        let quota = Quota::new(2, Duration::from_secs(60), 5).unwrap();
        for (cost, remaining, wait) in [(1, 0, 30), (2, 0, 60), (5, 0, 150)] {
            let state = quota.allow(0, SECOND, 5).unwrap();
            let exceeded = quota.allow(state, SECOND, cost).unwrap_err();
            assert_eq!(exceeded, Exceeded { wait: Duration::from_secs(wait), remaining }, "{cost}");
            let then = SECOND + wait * SECOND;
            assert!(quota.allow(state, then - 1, cost).is_err(), "{cost}");
            assert!(quota.allow(state, then, cost).is_ok(), "{cost}");
        }
        let state = quota.allow(0, SECOND, 3).unwrap();
        assert_eq!(quota.allow(state, SECOND, 3).unwrap_err().remaining, 2);
        assert_eq!(quota.refund(quota.allow(state, SECOND, 2).unwrap(), 2), state);
        assert!(quota.allow(0, SECOND, 6).is_err(), "more than a burst is never allowed");
    }

    #[test]
    fn what_is_left_of_a_burst_and_when_there_is_one_more() {
        let quota = Quota::new(1, Duration::from_secs(10), 3).unwrap();
        for (debt, remaining, wait) in [(0, 3, 0), (10, 2, 10), (14, 1, 4), (20, 1, 10), (30, 0, 10), (50, 0, 10)] {
            let left = Left { remaining, wait: Duration::from_secs(wait) };
            assert_eq!(quota.left(Duration::from_secs(debt)), left, "{debt}");
        }
    }

    #[test]
    fn rates_that_cannot_be_represented_are_refused() {
        assert!(Quota::new(0, Duration::from_secs(1), 1).is_err());
        assert!(Quota::new(2_000_000_000, Duration::from_secs(1), 1).is_err());
        assert!(Quota::new(u64::MAX, Duration::from_secs(3600), u64::MAX).is_err());
        let most = Quota::new(1, Duration::from_secs(3600), u64::MAX).unwrap();
        assert!(most.allow(0, SECOND, u64::MAX).is_ok(), "nothing overflows");
    }
}
