//! Limits how often calls are reset at the backend. A reset stream costs the server work without a result. Servers end
//! connections on which that happens too often ("rapid reset", CVE-2023-44487), with the calls of all callers on them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The most resets at once: half of what the strictest servers (those on hyper, with 20) leave unread.
const AT_ONCE: u32 = 10;
/// The time after which another reset is allowed. That makes about 160 in 30 s; servers on Netty end a connection at
/// 200.
const EVERY: Duration = Duration::from_millis(200);

/// The resets that one worker may send to one backend.
pub(crate) struct Resets(Mutex<Tokens>);

struct Tokens {
    left: u32,
    /// When the last token came back.
    since: Instant,
}

impl Resets {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Tokens { left: AT_ONCE, since: Instant::now() }))
    }

    /// Takes a token if one is left; true if it did.
    pub(crate) fn take(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())
    }

    /// Waits for a token and takes it.
    pub(crate) async fn taken(&self) {
        while !self.take() {
            sleep(EVERY).await;
        }
    }
}

impl Tokens {
    fn take(&mut self, now: Instant) -> bool {
        let back = u32::try_from((now - self.since).as_millis() / EVERY.as_millis()).unwrap_or(u32::MAX);
        if back >= AT_ONCE - self.left {
            (self.left, self.since) = (AT_ONCE, now);
        } else {
            self.left += back;
            self.since += EVERY * back;
        }
        let has = self.left > 0;
        self.left -= u32::from(has);
        has
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_are_allowed_in_a_burst_and_then_at_a_fixed_rate() {
        let began = Instant::now();
        let mut tokens = Tokens { left: AT_ONCE, since: began };
        let mut taken = |ms: u64| (0..100).filter(|_| tokens.take(began + Duration::from_millis(ms))).count();
        assert_eq!([0, 199, 200, 399, 1_000, 60_000, 60_199].map(&mut taken), [10, 0, 1, 0, 4, 10, 0]);
    }
}
