//! Responses that hold memory because their callers do not read them. When memory is short they are ended, the largest
//! first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// All waiting responses. Cheap to clone: clones share one list.
#[derive(Debug, Clone, Default)]
pub(super) struct Waits(Arc<Mutex<ByNumber>>);

#[derive(Debug, Default)]
struct ByNumber {
    next: u64,
    waits: BTreeMap<u64, Arc<Wait>>,
}

#[derive(Debug)]
struct Wait {
    bytes: AtomicUsize,
    is_ended: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// A response that waits for its caller and may be ended if its memory is needed. Dropping it removes it from the list.
#[derive(Debug)]
pub struct Waiting {
    number: u64,
    wait: Arc<Wait>,
    waits: Waits,
}

impl Waits {
    /// Registers a response of `bytes` bytes.
    pub(super) fn begin(&self, bytes: usize) -> Waiting {
        let (bytes, is_ended, waker) = (AtomicUsize::new(bytes), AtomicBool::new(false), Mutex::new(None));
        let wait = Arc::new(Wait { bytes, is_ended, waker });
        let number = {
            let mut all = self.all();
            let number = all.next;
            all.next += 1;
            all.waits.insert(number, wait.clone());
            number
        };
        Waiting { number, wait, waits: self.clone() }
    }

    /// Ends the largest responses until they free `bytes` bytes; returns how many were ended.
    pub(super) fn end(&self, bytes: usize) -> usize {
        let all = self.all();
        let is_ended = |wait: &&Arc<Wait>| wait.is_ended.load(Ordering::Relaxed);
        let size = |wait: &Arc<Wait>| wait.bytes.load(Ordering::Relaxed);
        // Responses that have already been told to end will free this much.
        let coming: usize = all.waits.values().filter(is_ended).map(size).sum();
        let mut missing = bytes.saturating_sub(coming);
        if missing == 0 {
            return 0;
        }
        let others = all.waits.values().filter(|wait| !is_ended(wait));
        let mut others: Vec<_> = others.map(|wait| (size(wait), wait)).collect();
        others.sort_unstable_by_key(|(size, _)| Reverse(*size));
        let mut wakers = Vec::new();
        for (size, wait) in others {
            if missing == 0 {
                break;
            }
            wait.is_ended.store(true, Ordering::Relaxed);
            wakers.push(wait.waker.lock().unwrap_or_else(PoisonError::into_inner).take());
            missing = missing.saturating_sub(size);
        }
        // Unlocked first, because a woken task may take this lock.
        drop(all);
        let ended = wakers.len();
        wakers.into_iter().flatten().for_each(Waker::wake);
        ended
    }

    fn all(&self) -> MutexGuard<'_, ByNumber> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Updates how many bytes the response holds, and returns whether it must end. Otherwise the task is woken as soon
    /// as it must.
    pub fn must_end(&self, cx: &Context<'_>, bytes: usize) -> bool {
        self.wait.bytes.store(bytes, Ordering::Relaxed);
        {
            let mut waker = self.wait.waker.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        self.wait.is_ended.load(Ordering::Relaxed)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waits.all().waits.remove(&self.number);
    }
}
