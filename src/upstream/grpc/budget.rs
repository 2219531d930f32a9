//! Limits how often calls are sent again, so that a backend in trouble does not get several times the load.

use std::sync::atomic::{AtomicU32, Ordering};

/// The budget, in tenths of a token. A call that is sent again takes [`PRICE`]; an answered call gives one tenth back,
/// unless the answer is UNAVAILABLE. Calls are sent again while more than half of [`MOST`] is left, as gRFC A6
/// throttles retries.
pub(crate) struct RetryBudget(AtomicU32);

const MOST: u32 = 100;
const PRICE: u32 = 10;

impl RetryBudget {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(MOST))
    }

    /// Takes the price of sending a call again; false if too little is left.
    pub(crate) fn take(&self) -> bool {
        let pay = |left: u32| (left > MOST / 2).then(|| left - PRICE);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay).is_ok()
    }

    /// Gives one tenth of a token back for an answered call.
    pub(crate) fn earn(&self) {
        let earn = |left: u32| (left < MOST).then_some(left + 1);
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_retry_budget_can_be_spent_and_replies_refill_it() {
        let budget = RetryBudget::new();
        assert_eq!((0..100).filter(|_| budget.take()).count(), 5);
        (0..9).for_each(|_| budget.earn());
        assert!(budget.take() && !budget.take());
        (0..1000).for_each(|_| budget.earn());
        assert_eq!((0..100).filter(|_| budget.take()).count(), 5);
    }
}
