//! The memory budget: the whole, the share of each worker, and the charge of each user of memory.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::account::{Account, CallerId, Callers};
use super::purpose::{CALL, CHUNK, Use};
use super::waiting::{Waiting, Waits};

/// The log target of these lines, whichever file writes them.
const LOG: &str = "towbar::limits::memory";

/// The budget is this fraction (a quarter) of the memory that the process may use. The rest is for what does not grow,
/// for what is allocated and freed within one conversion, and for fragmentation in the allocator. For example, a
/// backend's message leaves a hole when its JSON replaces it.
const PART: usize = 4;

/// The budget of the whole process. Cheap to clone: clones share one budget.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Whole>);

#[derive(Debug)]
struct Whole {
    size: usize,
    used: AtomicUsize,
    told: Reminder,
    /// Responses that can be ended to free memory.
    waits: Waits,
    ended: Reminder,
    /// How many requests are waiting for memory.
    queued: AtomicUsize,
    callers: Arc<Callers>,
}

/// Limits a log line to one per `TELL`, and counts the events in between.
#[derive(Debug)]
struct Reminder {
    began: Instant,
    /// When the next line may be written, in milliseconds since `began`.
    next: AtomicU64,
    count: AtomicUsize,
}

/// Least time between two log lines of one kind.
const TELL: Duration = Duration::from_secs(1);

/// The share of one worker. Cheap to clone: clones are one share.
#[derive(Debug, Clone)]
pub struct Share(Arc<WorkerShare>);

#[derive(Debug)]
struct WorkerShare {
    whole: Arc<Whole>,
    /// Bytes taken from the budget but not in use.
    spare: AtomicUsize,
}

/// Memory in use, counted against the budget. Dropping it gives the memory back.
#[derive(Debug)]
pub struct Charge {
    share: Share,
    bytes: AtomicUsize,
    /// The account of the connection that uses the memory, if known.
    account: Option<Arc<Account>>,
}

/// A place in the queue of requests that wait for memory. Dropping it leaves the queue.
pub struct Queued(Arc<Whole>);

impl Budget {
    /// The budget of a process that may use `memory` bytes in total.
    #[must_use]
    pub fn of_process(memory: usize) -> Self {
        Self::new(memory / PART)
    }

    /// A budget of `size` bytes.
    #[must_use]
    pub fn new(size: usize) -> Self {
        let (used, queued, callers) = (AtomicUsize::new(0), AtomicUsize::new(0), Arc::default());
        let (told, ended, waits) = (Reminder::new(), Reminder::new(), Waits::default());
        Self(Arc::new(Whole { size, used, told, waits, ended, queued, callers }))
    }

    /// The share of one worker.
    #[must_use]
    pub fn share(&self) -> Share {
        Share(Arc::new(WorkerShare { whole: self.0.clone(), spare: AtomicUsize::new(0) }))
    }

    #[must_use]
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// Bytes that are in use or held in reserve by a worker.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }
}

impl Whole {
    fn take(&self, bytes: usize, purpose: Use) -> bool {
        let most = self.size / 8 * purpose.eighths(bytes);
        let add = |used: usize| used.checked_add(bytes).filter(|used| *used <= most);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    fn refuse(&self) {
        if let Some(count) = self.told.due(1) {
            let size = self.size;
            tracing::warn!(
                target: LOG,
                "the {size} bytes for connections and bodies (`memory`) are used up: {count} rejected"
            );
        }
    }

    /// Ends responses that their callers do not read, until this many bytes, and some more, will be free for `purpose`.
    fn make_room(self: &Arc<Self>, bytes: usize, purpose: Use) {
        let most = self.size / 8 * purpose.eighths(bytes);
        let wanted = self.used.load(Ordering::Relaxed).saturating_add(bytes + CHUNK);
        if wanted <= most {
            return;
        }
        let ended = self.waits.end(wanted - most + self.size / 16);
        if ended > 0
            && let Some(count) = self.ended.due(ended)
        {
            tracing::warn!(target: LOG, "memory is short (`memory`): ended {count} answers that their callers do not read");
        }
    }
}

impl Reminder {
    fn new() -> Self {
        Self { began: Instant::now(), next: AtomicU64::new(0), count: AtomicUsize::new(0) }
    }

    /// Counts `more` events. Returns the count since the last log line if the next line is due. One line per event
    /// would add work at a time of overload.
    fn due(&self, more: usize) -> Option<usize> {
        let Self { began, next, count } = self;
        count.fetch_add(more, Ordering::Relaxed);
        let now = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let interval = u64::try_from(TELL.as_millis()).unwrap_or(u64::MAX);
        let due = |next: u64| (next <= now).then(|| now.saturating_add(interval));
        let is_due = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok();
        is_due.then(|| count.swap(0, Ordering::Relaxed))
    }
}

impl Share {
    /// A share without a limit, for what needs none.
    #[must_use]
    pub fn unbounded() -> Self {
        static ALL: OnceLock<Budget> = OnceLock::new();
        ALL.get_or_init(|| Budget::new(usize::MAX)).share()
    }

    /// Opens an account for a connection of this caller. It may have `most_calls` calls in flight.
    #[must_use]
    pub fn account(&self, caller: Option<CallerId>, most_calls: usize) -> Arc<Account> {
        let Whole { size, callers, .. } = &*self.0.whole;
        Arc::new(Account::new(callers.clone(), caller, *size, most_calls))
    }

    /// Takes `bytes` from the budget; `None` if they are not available.
    #[must_use]
    pub fn take(&self, bytes: usize, purpose: Use) -> Option<Charge> {
        self.take_for(None, bytes, purpose)
    }

    /// Takes `bytes` from the budget and counts them for a connection; `None` if they are not available.
    #[must_use]
    pub fn take_for(&self, account: Option<&Arc<Account>>, bytes: usize, purpose: Use) -> Option<Charge> {
        let has = self.has(bytes, purpose);
        if !has {
            self.short(bytes, purpose);
        }
        has.then(|| self.charge(account, bytes))
    }

    /// Takes `bytes` for a request that keeps waiting if they are not available. Unlike [`take_for`](Self::take_for),
    /// it does not log a refusal then.
    #[must_use]
    pub fn take_queued(&self, account: Option<&Arc<Account>>, bytes: usize, purpose: Use) -> Option<Charge> {
        if self.has(bytes, purpose) {
            return Some(self.charge(account, bytes));
        }
        self.0.whole.make_room(bytes, purpose);
        None
    }

    /// A place in the queue of requests that wait for memory; `None` if the queue is full. All of them together may
    /// have an eighth of the budget, counted as [`CALL`] each.
    #[must_use]
    pub fn queue(&self) -> Option<Queued> {
        let whole = &self.0.whole;
        let most = whole.size / 8 / CALL;
        let add = |queued: usize| (queued < most).then_some(queued + 1);
        let added = whole.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        added.is_ok().then(|| Queued(whole.clone()))
    }

    /// Registers a response of `bytes` bytes that waits for its caller and may be ended when memory is short.
    #[must_use]
    pub fn waiting(&self, bytes: usize) -> Waiting {
        self.0.whole.waits.begin(bytes)
    }

    fn charge(&self, account: Option<&Arc<Account>>, bytes: usize) -> Charge {
        if let Some(account) = account {
            account.add(bytes);
        }
        Charge { share: self.clone(), bytes: AtomicUsize::new(bytes), account: account.cloned() }
    }

    /// Memory is short: logs it, and frees memory if possible.
    #[cold]
    fn short(&self, bytes: usize, purpose: Use) {
        self.0.whole.make_room(bytes, purpose);
        self.0.whole.refuse();
    }

    fn has(&self, bytes: usize, purpose: Use) -> bool {
        let WorkerShare { whole, spare } = &*self.0;
        let use_up = |spare: usize| spare.checked_sub(bytes);
        if spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, use_up).is_ok() {
            return true;
        }
        if bytes < CHUNK && whole.take(bytes + CHUNK, purpose) {
            spare.fetch_add(CHUNK, Ordering::Relaxed);
            return true;
        }
        whole.take(bytes, purpose)
    }

    fn give(&self, bytes: usize) {
        let WorkerShare { whole, spare } = &*self.0;
        let have = spare.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if have <= 2 * CHUNK {
            return;
        }
        // Other calls may have used up some of it meanwhile; then less goes back.
        let mut back = 0;
        let keep = |spare: usize| {
            back = spare.saturating_sub(CHUNK);
            Some(spare - back)
        };
        if spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, keep).is_ok() {
            whole.used.fetch_sub(back, Ordering::Relaxed);
        }
    }
}

impl Drop for WorkerShare {
    fn drop(&mut self) {
        self.whole.used.fetch_sub(*self.spare.get_mut(), Ordering::Relaxed);
    }
}

impl Charge {
    /// Takes `bytes` more; false if they are not available.
    #[must_use]
    pub fn grow(&self, bytes: usize, purpose: Use) -> bool {
        let has = self.share.has(bytes, purpose);
        if has {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            if let Some(account) = &self.account {
                account.add(bytes);
            }
        } else {
            self.share.short(bytes, purpose);
        }
        has
    }

    /// Gives back whatever exceeds `bytes`.
    pub fn shrink_to(&self, bytes: usize) {
        let before = self.bytes.fetch_min(bytes, Ordering::Relaxed);
        if before > bytes {
            self.give(before - bytes);
        }
    }

    /// The account of the connection that uses the memory, if known.
    #[must_use]
    pub fn account(&self) -> Option<&Arc<Account>> {
        self.account.as_ref()
    }

    fn give(&self, bytes: usize) {
        self.share.give(bytes);
        if let Some(account) = &self.account {
            account.give(bytes);
        }
    }

    /// Splits off whatever exceeds `bytes` as a charge of its own, for something that can outlive this charge.
    #[must_use]
    pub fn part(&self, bytes: usize) -> Self {
        let before = self.bytes.fetch_min(bytes, Ordering::Relaxed);
        let bytes = AtomicUsize::new(before.saturating_sub(bytes));
        Self { share: self.share.clone(), bytes, account: self.account.clone() }
    }

    /// Merges a [part](Self::part) back into this charge.
    pub fn join(&self, part: Self) {
        self.bytes.fetch_add(part.bytes.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The size of the charge in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Ties this charge to `bytes`: it is given back when their last reference is dropped.
    #[must_use]
    pub fn carry(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Carried { bytes, _charge: self })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.give(self.bytes());
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Carried {
    bytes: Bytes,
    _charge: Charge,
}

impl AsRef<[u8]> for Carried {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
