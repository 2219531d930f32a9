//! Limits how much time of a worker TLS handshakes may use.
//!
//! A handshake costs a worker as much as many requests, and its caller has proven nothing yet. All handshakes together
//! get a part of a worker's time. When that is used up, they wait in order, while open connections continue.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::ready;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

/// Handshakes may use one part in this many of a worker's time.
const PART: u32 = 2;
/// How much time they may use at once.
const AT_ONCE: Duration = Duration::from_millis(10);

/// The handshake time of one worker. Cheap to clone.
#[derive(Clone)]
pub(super) struct Turns(Arc<TurnsOfThread>);

struct TurnsOfThread {
    /// Allows one step of one handshake at a time, in order of arrival.
    turns: Arc<Semaphore>,
    account: Mutex<UsedTime>,
}

struct UsedTime {
    /// Time that was used and is not yet compensated by elapsed time.
    used: Duration,
    at: Instant,
}

type Turn = OwnedSemaphorePermit;

impl Turns {
    pub(super) fn new() -> Self {
        let account = UsedTime { used: Duration::ZERO, at: Instant::now() };
        Self(Arc::new(TurnsOfThread { turns: Arc::new(Semaphore::new(1)), account: Mutex::new(account) }))
    }

    /// Runs all steps of a handshake, each when there is time for it.
    pub(super) async fn keep<F: Future>(&self, handshake: F) -> F::Output {
        let mut handshake = pin!(handshake);
        let mut waiting: Option<Pin<Box<dyn Future<Output = Turn> + Send>>> = None;
        poll_fn(|cx| {
            let now = if waiting.is_none() { self.turn_now() } else { None };
            let turn = match now {
                Some(turn) => turn,
                None => ready!(waiting.get_or_insert_with(|| Box::pin(self.clone().turn())).as_mut().poll(cx)),
            };
            waiting = None;
            let began = Instant::now();
            let polled = handshake.as_mut().poll(cx);
            self.use_up(began.elapsed());
            drop(turn);
            polled
        })
        .await
    }

    fn turn_now(&self) -> Option<Turn> {
        let turn = self.0.turns.clone().try_acquire_owned().ok()?;
        self.wait().is_none().then_some(turn)
    }

    async fn turn(self) -> Turn {
        let turn = self.0.turns.clone().acquire_owned().await.expect("the semaphore is never closed");
        while let Some(time) = self.wait() {
            sleep(time).await;
        }
        turn
    }

    /// How long until there is time for the next step.
    fn wait(&self) -> Option<Duration> {
        let account = &mut *self.0.account.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        account.used = account.used.saturating_sub((now - account.at) / PART);
        account.at = now;
        let over = account.used.checked_sub(AT_ONCE)?;
        Some(over * PART).filter(|time| !time.is_zero())
    }

    fn use_up(&self, time: Duration) {
        self.0.account.lock().unwrap_or_else(PoisonError::into_inner).used += time;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn handshakes_use_at_most_half_of_the_time_of_a_worker() {
        const STEP: Duration = Duration::from_millis(5);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (turns, busy) = (Turns::new(), Arc::new(AtomicU32::new(0)));
            let began = Instant::now();
            // Each of them would use the thread for as long as it runs.
            let handshakes: Vec<_> = (0..8)
                .map(|_| {
                    let (turns, busy) = (turns.clone(), busy.clone());
                    tokio::spawn(async move {
                        turns
                            .keep(poll_fn(|cx| {
                                std::thread::sleep(STEP);
                                busy.fetch_add(1, Ordering::Relaxed);
                                cx.waker().wake_by_ref();
                                std::task::Poll::<()>::Pending
                            }))
                            .await;
                    })
                })
                .collect();
            while began.elapsed() < Duration::from_millis(500) {
                sleep(Duration::from_millis(1)).await;
            }
            let (passed, used) = (began.elapsed(), STEP * busy.load(Ordering::Relaxed));
            assert!(used >= STEP, "none had a turn");
            assert!(used <= passed / PART + AT_ONCE + 2 * STEP, "{used:?} of {passed:?}");
            handshakes.iter().for_each(tokio::task::JoinHandle::abort);
        });
    }
}
