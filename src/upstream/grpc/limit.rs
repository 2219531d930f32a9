//! How many calls of a backend are in flight at one time, over all workers, and how many more may wait for their turn.
//!
//! A backend in trouble keeps its calls long, and each holds its bodies here. Beyond the limit a few wait, in order and not
//! for long; all others are refused at once, while they are still cheap.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::error::CallError;
use crate::limits::memory::Tie;
use crate::upstream::targets;

/// How many calls of one backend may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most calls of one message each way that are in flight.
    pub in_flight: usize,
    /// The same of calls of several messages, which may last for long.
    pub streams: usize,
    /// Most calls of each kind that wait for others to end.
    pub waiting: usize,
    /// Longest time that one waits.
    pub wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 1000, streams: 1000, waiting: 1000, wait: Duration::from_secs(1) }
    }
}

/// Those of one kind. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Limit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    waiting: usize,
    wait: Duration,
    /// How many are in flight, times two; and one more while somebody waits, which sends all others to the queue.
    state: AtomicUsize,
    queue: Mutex<Queue>,
}

/// Time between two lines of the log about refused calls.
const TELL: Duration = Duration::from_secs(1);

const WAITED_FOR: usize = 1;
const ONE: usize = 2;

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: VecDeque<(u64, oneshot::Sender<Granted>)>,
    /// How many calls were refused since that was last told, and when that was.
    refused: usize,
    told: Option<Instant>,
}

impl Queue {
    /// Notes a refused call, and tells of all of them now and then: a line for each would be work where there is too much.
    fn refuse(&mut self, most: usize) {
        self.refused += 1;
        let now = Instant::now();
        if self.told.is_none_or(|told| now - told >= TELL) {
            tracing::warn!(target: targets::LIMIT, "{most} calls are in flight, as many as may be: {} refused", self.refused);
            (self.refused, self.told) = (0, Some(now));
        }
    }
}

/// A call's place among those in flight, and among those of its connection and its caller; given on, or back, when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    limit: Limit,
    _tie: Tie,
}

/// While there are several callers, one that has this part of all places gets none of the last ones, which are as many.
const PART: usize = 8;

/// A place that was given on, and is again if nobody takes it.
#[derive(Debug)]
struct Granted(Option<Limit>);

/// A call's place in the queue, left when dropped.
struct Waiting<'a> {
    limit: &'a Limit,
    ticket: u64,
}

impl Limit {
    pub(crate) fn new(most: usize, Limits { waiting, wait, .. }: Limits) -> Self {
        Self(Arc::new(Inner { most, waiting, wait, state: AtomicUsize::new(0), queue: Mutex::default() }))
    }

    /// A place for a call that must be over at `deadline`. Unless somebody waits it takes no lock.
    ///
    /// # Errors
    /// There is none, or none in time.
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

    /// The same, in the queue.
    async fn queued(&self, deadline: Instant) -> Result<Granted, CallError> {
        let Inner { most, waiting, wait, .. } = *self.0;
        let full = || CallError::Full { most };
        let (ticket, granted) = {
            let mut queue = self.queue();
            // One may have ended since.
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

    /// Takes a place if there is one and nobody waits.
    fn add_one(&self) -> bool {
        let add = |state: usize| (state & WAITED_FOR == 0 && state / ONE < self.0.most).then_some(state + ONE);
        self.0.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, add).is_ok()
    }

    /// With the queue's lock: takes a place, or says that somebody waits from now on.
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

    /// Takes a place back, unless somebody waits for it.
    fn take_back(&self) -> bool {
        let give = |state: usize| (state & WAITED_FOR == 0).then(|| state - ONE);
        self.0.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, give).is_ok()
    }

    fn leave(&self) {
        if !self.take_back() {
            self.give_on();
        }
    }

    /// Gives a place to the first that still waits.
    fn give_on(&self) {
        let mut queue = self.queue();
        let Some((_, grant)) = queue.waiting.pop_front() else {
            // All have gone away. Under the lock, so nobody begins to wait for what is given back here.
            self.0.state.fetch_sub(ONE, Ordering::AcqRel);
            return;
        };
        self.note_empty(&queue);
        drop(queue);
        // Whoever goes away just now drops it, which gives it on again.
        drop(grant.send(Granted(Some(self.clone()))));
    }

    /// With the queue's lock: whether somebody waits.
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
    /// It is somebody's now.
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
        // Tickets are in order; this one is not there any more if its turn has come.
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
    async fn who_comes_first_is_first() {
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
    async fn beyond_the_queue_a_call_is_refused_at_once_and_in_it_after_a_time() {
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
    async fn the_last_places_are_not_for_a_caller_that_has_many_while_there_are_others() {
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
        // Alone it may have them all.
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
    fn no_place_is_lost_or_given_twice_whoever_gives_up() {
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
                        // Some are given up while they wait.
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
