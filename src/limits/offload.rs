//! Runs long conversions on threads other than the workers, a few at a time.
//!
//! A worker serves all its connections in turn, so a conversion of ten milliseconds delays each of them by that much.
//! Conversions of more than [`LONG`] bytes run on a thread of the runtime's blocking pool instead. Across all workers,
//! as many run at once as the process has cores. The others wait in order of arrival, so that callers with large bodies
//! share the threads fairly.
//!
//! Work on a thread runs to its end even if nobody waits for it any more. Everything it uses, including its memory
//! charge, must therefore be owned by it.

use std::panic::resume_unwind;
use std::sync::{Arc, LazyLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

/// From this many bytes on, read or written, a conversion takes about a millisecond.
pub const LONG: usize = 128 << 10;

static PLACES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Arc::new(Semaphore::new(cores))
});

/// Permission to run one piece of work, out of the limit for all workers.
pub struct WorkPermit {
    /// Released when the work is done.
    _permit: OwnedSemaphorePermit,
}

/// Waits for permission to run work. Take what the work needs after that, not while others are still ahead in the
/// queue.
///
/// # Panics
/// Never.
pub async fn place() -> WorkPermit {
    let permit = PLACES.clone().acquire_owned().await;
    WorkPermit { _permit: permit.expect("the places are never closed") }
}

/// Waits for a [`place`], runs `work` on another thread and returns its result.
///
/// # Panics
/// If `work` panics.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    place().await.run(work).await
}

impl WorkPermit {
    /// Runs `work` on another thread and returns its result.
    ///
    /// # Panics
    /// If `work` panics.
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let ran = spawn_blocking(move || {
            let done = work();
            drop(self);
            done
        });
        match ran.await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime has shut down, and the waiting task with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use tokio::runtime::Builder;
    use tokio::task::{JoinSet, yield_now};

    use super::*;

    fn cores() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// Each piece of work waits for a task of the same thread; if it blocked the thread, neither would end.
    #[test]
    fn a_worker_keeps_running_while_offloaded_work_is_done() {
        Builder::new_current_thread().build().unwrap().block_on(async {
            let (go, waits) = mpsc::channel();
            let mut tasks = JoinSet::new();
            tasks.spawn(async move { assert_eq!(run(move || waits.recv().unwrap()).await, 7) });
            tasks.spawn(async move {
                yield_now().await;
                go.send(7).unwrap();
            });
            while let Some(done) = tasks.join_next().await {
                done.unwrap();
            }
        });
    }

    #[test]
    fn offloaded_work_is_limited_to_one_piece_per_core() {
        Builder::new_current_thread().build().unwrap().block_on(async {
            let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let mut tasks = JoinSet::new();
            for _ in 0..4 * cores() {
                let (running, most) = (running.clone(), most.clone());
                tasks.spawn(run(move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    running.fetch_sub(1, Ordering::SeqCst);
                }));
            }
            while let Some(done) = tasks.join_next().await {
                done.unwrap();
            }
            assert!((1..=cores()).contains(&most.load(Ordering::SeqCst)), "{most:?}");
        });
    }

    /// Work that has begun owns what it uses, even if the waiting task is gone; work that has not begun is dropped with
    /// it.
    #[test]
    fn abandoned_work_keeps_its_resources_until_it_ends() {
        Builder::new_current_thread().build().unwrap().block_on(async {
            let used = Arc::new(());
            let mut ends = Vec::new();
            let mut begun = Vec::new();
            for _ in 0..cores() {
                let (end, ended) = mpsc::channel::<()>();
                let (begins, has_begun) = tokio::sync::oneshot::channel();
                let used = used.clone();
                let work = tokio::spawn(run(move || {
                    let _ = begins.send(());
                    let _ = ended.recv();
                    drop(used);
                }));
                has_begun.await.unwrap();
                ends.push(end);
                begun.push(work);
            }
            let waiting = tokio::spawn({
                let used = used.clone();
                run(move || drop(used))
            });
            yield_now().await;
            assert_eq!(Arc::strong_count(&used), cores() + 2);
            for task in begun.iter().chain([&waiting]) {
                task.abort();
            }
            assert!(waiting.await.unwrap_err().is_cancelled());
            for work in begun {
                assert!(work.await.unwrap_err().is_cancelled());
            }
            assert_eq!(Arc::strong_count(&used), cores() + 1);
            drop(ends);
            while Arc::strong_count(&used) > 1 {
                yield_now().await;
            }
            // Their permits have been released.
            assert_eq!(run(|| 1).await, 1);
        });
    }

    #[test]
    #[should_panic(expected = "in the work")]
    fn a_panic_in_offloaded_work_panics_its_caller() {
        Builder::new_current_thread().build().unwrap().block_on(run(|| panic!("in the work")));
    }
}
