//! Limits how many calls to a backend are in flight at one time, over all workers, and how many more may wait.
//!
//! A backend in trouble takes long for its calls, and each call holds its bodies in memory here. Beyond the limit, a
//! few calls wait in order for a short time. All others are rejected at once, while they are still cheap.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::error::CallError;
use crate::limits::memory::Tie;
use crate::upstream::targets;

/// Limits for the calls to one backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most unary calls in flight.
    pub in_flight: usize,
    /// The most streaming calls in flight; they may last for long.
    pub streams: usize,
    /// The most calls of each kind that wait for a permit.
    pub waiting: usize,
    /// The longest time that a call waits for a permit.
    pub wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 1000, streams: 1000, waiting: 1000, wait: Duration::from_secs(1) }
    }
}

/// The limit for calls of one kind. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Limit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    waiting: usize,
    wait: Duration,
    /// Twice the number of calls in flight, plus one while a call waits. That bit sends all later calls to the queue.
    state: AtomicUsize,
    queue: Mutex<Queue>,
}

/// The time between two log lines about rejected calls.
const TELL: Duration = Duration::from_secs(1);

const WAITED_FOR: usize = 1;
const ONE: usize = 2;

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: VecDeque<(u64, oneshot::Sender<Granted>)>,
    /// How many calls were rejected since the last log line, and when that was.
    refused: usize,
    told: Option<Instant>,
}

impl Queue {
    /// Counts a rejected call, and logs the count now and then. A line for each would add work during an overload.
    fn refuse(&mut self, most: usize) {
        self.refused += 1;
        let now = Instant::now();
        if self.told.is_none_or(|told| now - told >= TELL) {
            tracing::warn!(target: targets::LIMIT, "{most} calls are in flight, which is the limit: {} rejected", self.refused);
            (self.refused, self.told) = (0, Some(now));
        }
    }
}

/// The permit of a call: a place among the calls in flight, and among those of its connection and its caller. Dropping
/// it passes the place to a waiting call or frees it.
#[derive(Debug)]
pub(crate) struct Permit {
    limit: Limit,
    _tie: Tie,
}

/// The last eighth of all places is reserved while there are several callers: a caller that already has an eighth of
/// the places gets none of them.
const PART: usize = 8;

/// A place that was passed to a waiting call. If that call is gone, dropping it passes the place on again.
#[derive(Debug)]
struct Granted(Option<Limit>);

/// The place of a call in the queue, left when dropped.
struct Waiting<'a> {
    limit: &'a Limit,
    ticket: u64,
}

impl Limit {
    pub(crate) fn new(most: usize, Limits { waiting, wait, .. }: Limits) -> Self {
        Self(Arc::new(Inner { most, waiting, wait, state: AtomicUsize::new(0), queue: Mutex::default() }))
    }

    /// Waits for a permit, for a call with this deadline. Takes no lock unless another call waits.
    ///
    /// # Errors
    /// There is no permit, or none in time.
    pub(crate) async fn enter(&self, deadline: Instant, tie: Tie) -> Result<Permit, CallError> {
        let Inner { most, state, .. } = &*self.0;
        let last = most / PART;
        if last > 0 && state.load(Ordering::Relaxed) / ONE >= most - last && tie.is_beyond(last) {
            self.queue().refuse(*most);
            return Err(CallError::Crowded { most: *most });
        }
        if !self.add_one() {
            self.queued(deadline).await?.take();
        }
        Ok(Permit { limit: self.clone(), _tie: tie })
    }

    /// Waits for a place in the queue.
    async fn queued(&self, deadline: Instant) -> Result<Granted, CallError> {
        let Inner { most, waiting, wait, .. } = *self.0;
        let full = || CallError::Full { most };
        let (ticket, granted) = {
            let mut queue = self.queue();
            // A call may have ended in the meantime.
            if !self.must_wait() {
                return Ok(Granted(Some(self.clone())));
            }
            if queue.waiting.len() >= waiting {
                self.note_empty(&queue);
                queue.refuse(most);
                return Err(full());
            }
            let (grant, granted) = oneshot::channel();
            let ticket = queue.next;
            queue.next += 1;
            queue.waiting.push_back((ticket, grant));
            (ticket, granted)
        };
        let _waiting = Waiting { limit: self, ticket };
        let patience = Instant::now() + wait;
        match timeout_at(patience.min(deadline), granted).await {
            Ok(granted) => granted.map_err(|_| full()),
            Err(_) if deadline < patience => Err(CallError::Queued),
            Err(_) => {
                self.queue().refuse(most);
                Err(full())
            }
        }
    }

    /// Takes a place if one is free and no call waits.
    fn add_one(&self) -> bool {
        let add = |state: usize| (state & WAITED_FOR == 0 && state / ONE < self.0.most).then_some(state + ONE);
        self.0.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, add).is_ok()
    }

    /// Takes a place, or sets the bit that a call waits. The caller holds the lock of the queue.
    fn must_wait(&self) -> bool {
        loop {
            if self.add_one() {
                return false;
            }
            let wait =
                |state: usize| (state & WAITED_FOR != 0 || state / ONE >= self.0.most).then_some(state | WAITED_FOR);
            if self.0.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, wait).is_ok() {
                return true;
            }
        }
    }

    /// Frees a place, unless a call waits for it.
    fn take_back(&self) -> bool {
        let give = |state: usize| (state & WAITED_FOR == 0).then(|| state - ONE);
        self.0.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, give).is_ok()
    }

    fn leave(&self) {
        if !self.take_back() {
            self.give_on();
        }
    }

    /// Passes a place to the first call that still waits.
    fn give_on(&self) {
        let mut queue = self.queue();
        let Some((_, grant)) = queue.waiting.pop_front() else {
            // All waiting calls are gone. The lock is held, so no call begins to wait for the place that is freed here.
            self.0.state.fetch_sub(ONE, Ordering::AcqRel);
            return;
        };
        self.note_empty(&queue);
        drop(queue);
        // If the call has just gone away, dropping the grant passes the place on again.
        drop(grant.send(Granted(Some(self.clone()))));
    }

    /// Clears the waiting bit if the queue is empty. The caller holds the lock of the queue.
    fn note_empty(&self, queue: &Queue) {
        if queue.waiting.is_empty() {
            self.0.state.fetch_and(!WAITED_FOR, Ordering::AcqRel);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Granted {
    /// Marks the place as taken, so that dropping the grant does not pass it on.
    fn take(mut self) {
        self.0 = None;
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        if let Some(limit) = &self.0 {
            limit.leave();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limit.leave();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut queue = self.limit.queue();
        // Tickets are in order. This one is gone if its turn has come.
        if let Ok(place) = queue.waiting.binary_search_by_key(&self.ticket, |(ticket, _)| *ticket) {
            queue.waiting.remove(place);
            self.limit.note_empty(&queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::memory::{Account, Budget, CallerId};

    fn limit(most: usize, waiting: usize, wait: Duration) -> Limit {
        Limit::new(most, Limits { waiting, wait, ..Limits::default() })
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn is_idle(limit: &Limit) -> bool {
        limit.0.state.load(Ordering::SeqCst) == 0 && limit.queue().waiting.is_empty()
    }

    #[tokio::test]
    async fn queued_calls_are_admitted_in_order_of_arrival() {
        let limit = limit(2, 10, Duration::from_secs(60));
        let mut places = vec![
            limit.enter(later(), Tie::default()).await.unwrap(),
            limit.enter(later(), Tie::default()).await.unwrap(),
        ];
        let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
        for index in 0..5 {
            let (limit, told) = (limit.clone(), told.clone());
            tokio::spawn(async move {
                let place = limit.enter(later(), Tie::default()).await.unwrap();
                told.send(index).unwrap();
                drop(place);
            });
            tokio::task::yield_now().await;
        }
        assert!(order.try_recv().is_err());
        places.pop();
        for index in 0..5 {
            assert_eq!(order.recv().await, Some(index));
        }
        drop(places);
        assert!(is_idle(&limit));
    }

    #[tokio::test]
    async fn a_call_is_refused_at_once_if_the_queue_is_full_and_otherwise_after_its_wait() {
        let limit = limit(1, 1, Duration::from_millis(50));
        let place = limit.enter(later(), Tie::default()).await.unwrap();
        let waiting = tokio::spawn({
            let limit = limit.clone();
            async move { limit.enter(later(), Tie::default()).await.map(drop) }
        });
        tokio::task::yield_now().await;
        let refused = tokio::time::timeout(Duration::ZERO, limit.enter(later(), Tie::default())).await.unwrap();
        assert!(matches!(refused, Err(CallError::Full { most: 1 })));
        assert!(matches!(waiting.await.unwrap(), Err(CallError::Full { most: 1 })));
        let soon = Instant::now() + Duration::from_millis(5);
        assert!(matches!(limit.enter(soon, Tie::default()).await, Err(CallError::Queued)));
        drop(place);
        assert!(is_idle(&limit));
        drop(limit.enter(later(), Tie::default()).await.unwrap());
        assert!(is_idle(&limit));
    }

    #[tokio::test]
    async fn the_last_places_are_reserved_for_callers_that_hold_few() {
        let share = Budget::new(1 << 20).share();
        let account = |last| share.account(Some(CallerId::of([192, 0, 2, last].into())), 100);
        let (one, other) = (account(1), account(2));
        let limit = limit(16, 1, Duration::from_millis(50));
        let tie = |account: &Arc<Account>| Tie::of(Some(account)).unwrap();
        let mut places = Vec::new();
        for _ in 0..14 {
            places.push(limit.enter(later(), tie(&one)).await.unwrap());
        }
        assert!(matches!(limit.enter(later(), tie(&one)).await, Err(CallError::Crowded { most: 16 })));
        for _ in 0..2 {
            places.push(limit.enter(later(), tie(&other)).await.unwrap());
        }
        assert!(matches!(limit.enter(later(), Tie::default()).await, Err(CallError::Full { most: 16 })));
        places.clear();
        // A single caller may have all places.
        drop(other);
        for _ in 0..16 {
            places.push(limit.enter(later(), tie(&one)).await.unwrap());
        }
        drop(places);
        assert!(is_idle(&limit));
    }

    struct Inside(Arc<AtomicUsize>);

    impl Inside {
        fn new(count: Arc<AtomicUsize>) -> Self {
            count.fetch_add(1, Ordering::SeqCst);
            Self(count)
        }
    }

    impl Drop for Inside {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn no_place_is_lost_or_given_twice_when_waiting_calls_are_abandoned() {
        const MOST: usize = 3;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        let limit = limit(MOST, 8, Duration::from_millis(2));
        let inside = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            let calls: Vec<_> = (0..2000_u64)
                .map(|index| {
                    let (limit, inside) = (limit.clone(), inside.clone());
                    tokio::spawn(async move {
                        let act = async {
                            let Ok(_place) = limit.enter(later(), Tie::default()).await else { return };
                            let inside = Inside::new(inside);
                            assert!(inside.0.load(Ordering::SeqCst) <= MOST);
                            tokio::task::yield_now().await;
                        };
                        // Some calls are abandoned while they wait.
                        if index % 3 == 0 {
                            let _ = tokio::time::timeout(Duration::from_micros(index % 700), act).await;
                        } else {
                            act.await;
                        }
                    })
                })
                .collect();
            for call in calls {
                call.await.unwrap();
            }
        });
        assert!(is_idle(&limit));
    }
}
