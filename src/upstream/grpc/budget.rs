//! How often calls may be sent again: rarely, so that a backend in trouble is not sent several times the load.

use std::sync::atomic::{AtomicU32, Ordering};

/// Tenths of a token; every call sent again takes [`PRICE`], every answered call brings one tenth back, unless the answer is UNAVAILABLE. Calls are sent again
/// while more than half of [`MOST`] is left (as gRFC A6 throttles retries).
pub(crate) struct RetryBudget(AtomicU32);

const MOST: u32 = 100;
const PRICE: u32 = 10;

impl RetryBudget {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(MOST))
    }

    /// Takes the price of a call that is sent again; false if there is not enough left.
    pub(crate) fn take(&self) -> bool {
        let pay = |left: u32| (left > MOST / 2).then(|| left - PRICE);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay).is_ok()
    }

    /// Notes an answered call.
    pub(crate) fn earn(&self) {
        let earn = |left: u32| (left < MOST).then_some(left + 1);
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_spent_and_answers_bring_it_back() {
        let budget = RetryBudget::new();
        assert_eq!((0..100).filter(|_| budget.take()).count(), 5);
        (0..9).for_each(|_| budget.earn());
        assert!(budget.take() && !budget.take());
        (0..1000).for_each(|_| budget.earn());
        assert_eq!((0..100).filter(|_| budget.take()).count(), 5);
    }
}
