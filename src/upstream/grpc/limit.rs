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

use super::adaptive::{Adaptive, Controller, EndedCall};
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
    /// How `in_flight` adapts to the backend; `None` if it is fixed.
    pub adaptive: Option<Adaptive>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 1000, streams: 1000, waiting: 1000, wait: Duration::from_secs(1), adaptive: None }
    }
}

/// The limit for calls of one kind. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Limit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The limit, which a controller may change.
    most: AtomicUsize,
    controller: Option<Controller>,
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

/// A call that is measured for a limit that adapts. Dropped before its end, it counts only if it has already taken longer
/// than it should: callers that give up are not to hide that the backend is slow.
#[derive(Debug)]
pub(crate) struct Measured<'a> {
    limit: &'a Limit,
    /// `None` if nothing is measured.
    began: Option<Instant>,
}

/// A place that was passed to a waiting call. If that call is gone, dropping it passes the place on again.
#[derive(Debug)]
struct Granted(Option<Limit>);

/// The place of a call in the queue, left when dropped.
struct Waiting<'a> {
    limit: &'a Limit,
    ticket: u64,
}

impl Limit {
    /// A limit that adapts if `limits` say how.
    pub(crate) fn new(most: usize, limits: Limits) -> Self {
        Self::with(most, limits, limits.adaptive.map(|adaptive| Controller::new(adaptive, most)))
    }

    /// A limit that stays.
    pub(crate) fn fixed(most: usize, limits: Limits) -> Self {
        Self::with(most, limits, None)
    }

    fn with(most: usize, Limits { waiting, wait, .. }: Limits, controller: Option<Controller>) -> Self {
        let (most, state, queue) = (AtomicUsize::new(most), AtomicUsize::new(0), Mutex::default());
        Self(Arc::new(Inner { most, controller, waiting, wait, state, queue }))
    }

    /// The limit as it is now.
    pub(crate) fn most(&self) -> usize {
        self.0.most.load(Ordering::Relaxed)
    }

    /// Measures a call that begins now, if the limit adapts.
    pub(crate) fn measure(&self) -> Measured<'_> {
        Measured { limit: self, began: self.0.controller.as_ref().map(|_| Instant::now()) }
    }

    /// Counts the time of a call.
    fn ended(&self, began: Instant) {
        let Some(controller) = &self.0.controller else { return };
        let in_flight = self.0.state.load(Ordering::Relaxed) / ONE;
        let Some(most) = controller.ended(EndedCall { began, ended: Instant::now(), in_flight }) else { return };
        tracing::debug!(target: targets::LIMIT, "the limit of calls in flight is now {most}");
        self.0.most.store(most, Ordering::Relaxed);
        self.widen();
    }

    /// Gives places that a higher limit has added to waiting calls.
    fn widen(&self) {
        loop {
            let mut queue = self.queue();
            if queue.waiting.is_empty() {
                return;
            }
            let add = |state: usize| (state / ONE < self.most()).then_some(state + ONE);
            if self.0.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, add).is_err() {
                return;
            }
            let grant = queue.waiting.pop_front();
            self.note_empty(&queue);
            drop(queue);
            // If the call has just gone away, dropping the grant passes the place on again.
            drop(grant.map(|(_, grant)| grant.send(Granted(Some(self.clone())))));
        }
    }

    /// Why there is no permit.
    fn full(&self) -> CallError {
        let most = self.most();
        match self.0.controller {
            Some(_) => CallError::Overloaded { most },
            None => CallError::Full { most },
        }
    }

    /// Waits for a permit, for a call with this deadline. Takes no lock unless another call waits.
    ///
    /// # Errors
    /// There is no permit, or none in time.
    pub(crate) async fn enter(&self, deadline: Instant, tie: Tie) -> Result<Permit, CallError> {
        let most = self.most();
        let last = most / PART;
        if last > 0 && self.0.state.load(Ordering::Relaxed) / ONE >= most - last && tie.is_beyond(last) {
            self.queue().refuse(most);
            return Err(CallError::Crowded { most });
        }
        if !self.add_one() {
            self.queued(deadline).await?.take();
        }
        Ok(Permit { limit: self.clone(), _tie: tie })
    }

    /// Waits for a place in the queue.
    async fn queued(&self, deadline: Instant) -> Result<Granted, CallError> {
        let Inner { waiting, wait, .. } = *self.0;
        let (ticket, granted) = {
            let mut queue = self.queue();
            // A call may have ended in the meantime.
            if !self.must_wait() {
                return Ok(Granted(Some(self.clone())));
            }
            if queue.waiting.len() >= waiting {
                self.note_empty(&queue);
                queue.refuse(self.most());
                return Err(self.full());
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
            Ok(granted) => granted.map_err(|_| self.full()),
            Err(_) if deadline < patience => Err(CallError::Queued),
            Err(_) => {
                self.queue().refuse(self.most());
                Err(self.full())
            }
        }
    }

    /// Takes a place if one is free and no call waits.
    fn add_one(&self) -> bool {
        let add = |state: usize| (state & WAITED_FOR == 0 && state / ONE < self.most()).then_some(state + ONE);
        self.0.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, add).is_ok()
    }

    /// Takes a place, or sets the bit that a call waits. The caller holds the lock of the queue.
    fn must_wait(&self) -> bool {
        loop {
            if self.add_one() {
                return false;
            }
            let wait =
                |state: usize| (state & WAITED_FOR != 0 || state / ONE >= self.most()).then_some(state | WAITED_FOR);
            if self.0.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, wait).is_ok() {
                return true;
            }
        }
    }

    /// Frees a place, unless a call waits for it. Above a limit that was lowered, no call gets it.
    fn take_back(&self) -> bool {
        let give = |state: usize| (state & WAITED_FOR == 0 || state / ONE > self.most()).then(|| state - ONE);
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

impl Measured<'_> {
    /// The call has ended at the backend.
    pub(crate) fn end(mut self) {
        if let Some(began) = self.began.take() {
            self.limit.ended(began);
        }
    }

    /// The call was not sent, which says nothing of the backend.
    pub(crate) fn unsent(mut self) {
        self.began = None;
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let Some((began, controller)) = self.began.zip(self.limit.0.controller.as_ref()) else { return };
        if controller.is_late(began.elapsed()) {
            self.limit.ended(began);
        }
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

    #[tokio::test]
    async fn a_lowered_limit_takes_places_away_and_a_raised_one_wakes_waiting_calls() {
        let adaptive = Some(Adaptive { latency: Duration::from_millis(10), min: 1 });
        let limit = Limit::new(8, Limits { adaptive, wait: Duration::from_secs(60), ..Limits::default() });
        let mut places = Vec::new();
        for _ in 0..8 {
            places.push(limit.enter(later(), Tie::default()).await.unwrap());
        }
        let (told, mut entered) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..4 {
            let (limit, told) = (limit.clone(), told.clone());
            tokio::spawn(async move { told.send(limit.enter(later(), Tie::default()).await.unwrap()).unwrap() });
            tokio::task::yield_now().await;
        }
        limit.0.most.store(4, Ordering::Relaxed);
        places.truncate(4);
        tokio::task::yield_now().await;
        assert!(entered.try_recv().is_err(), "the limit is 4, and four calls are in flight");
        places.truncate(3);
        let mut more = vec![entered.recv().await.unwrap()];
        assert!(entered.try_recv().is_err());
        limit.0.most.store(6, Ordering::Relaxed);
        limit.widen();
        more.extend([entered.recv().await.unwrap(), entered.recv().await.unwrap()]);
        assert!(entered.try_recv().is_err());
        drop(places);
        more.push(entered.recv().await.unwrap());
        drop(more);
        assert!(is_idle(&limit));
        limit.0.most.store(0, Ordering::Relaxed);
        let refused = limit.enter(Instant::now(), Tie::default()).await;
        assert!(matches!(refused, Err(CallError::Queued)), "{refused:?}");
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
