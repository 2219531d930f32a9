//! The memory that is given out: all of it, the part of one worker, and what one thing has.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::account::{Account, CallerId, Callers};
use super::purpose::{CALL, CHUNK, Use};
use super::waiting::{Waiting, Waits};

/// Under which name these lines are in the log, whatever file writes them.
const LOG: &str = "towbar::limits::memory";

/// Of the memory that the process may have this part is given out. The rest is for what does not grow, for what is made and
/// dropped within one conversion, and for what the allocator keeps: where a message of the backend was, there is a hole when its
/// JSON takes its place.
const PART: usize = 4;

/// All that is given out. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Whole>);

#[derive(Debug)]
struct Whole {
    size: usize,
    used: AtomicUsize,
    told: Reminder,
    /// What can be ended for the sake of others.
    waits: Waits,
    ended: Reminder,
    /// How many requests wait until there is memory for them.
    queued: AtomicUsize,
    callers: Arc<Callers>,
}

/// When something was last told, and how often it was so since.
#[derive(Debug)]
struct Reminder {
    began: Instant,
    /// In milliseconds since it began.
    next: AtomicU64,
    count: AtomicUsize,
}

/// Time between two lines of the log.
const TELL: Duration = Duration::from_secs(1);

/// The part of one worker. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Share(Arc<WorkerShare>);

#[derive(Debug)]
struct WorkerShare {
    whole: Arc<Whole>,
    /// Taken from the whole, and not in use.
    spare: AtomicUsize,
}

/// Memory that something has. Given back when it is dropped.
#[derive(Debug)]
pub struct Charge {
    share: Share,
    bytes: AtomicUsize,
    /// That of the connection that has it, where that is known.
    account: Option<Arc<Account>>,
}

/// A request that waits until there is memory for it.
pub struct Queued(Arc<Whole>);

impl Budget {
    /// For a process that may have `memory` bytes in all.
    #[must_use]
    pub fn of_process(memory: usize) -> Self {
        Self::new(memory / PART)
    }

    /// Of so many bytes.
    #[must_use]
    pub fn new(size: usize) -> Self {
        let (used, queued, callers) = (AtomicUsize::new(0), AtomicUsize::new(0), Arc::default());
        let (told, ended, waits) = (Reminder::new(), Reminder::new(), Waits::default());
        Self(Arc::new(Whole { size, used, told, waits, ended, queued, callers }))
    }

    /// A share for one worker.
    #[must_use]
    pub fn share(&self) -> Share {
        Share(Arc::new(WorkerShare { whole: self.0.clone(), spare: AtomicUsize::new(0) }))
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// How many bytes are in use, or at hand of a worker.
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
                "of the {size} bytes for connections and bodies (`memory`) too few are left: {count} refused"
            );
        }
    }

    /// Ends answers that nobody takes until there will be so many bytes for this purpose, and some more.
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
            tracing::warn!(target: LOG, "memory is short (`memory`): ended {count} answers that their callers do not take");
        }
    }
}

impl Reminder {
    fn new() -> Self {
        Self { began: Instant::now(), next: AtomicU64::new(0), count: AtomicUsize::new(0) }
    }

    /// Notes so many; gives all of them when it is time to tell it. A line for each would be work where there is too much.
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
    /// One of its own, for what needs no bounds.
    #[must_use]
    pub fn unbounded() -> Self {
        static ALL: OnceLock<Budget> = OnceLock::new();
        ALL.get_or_init(|| Budget::new(usize::MAX)).share()
    }

    /// An account for a connection of this caller that may have so many calls in flight.
    #[must_use]
    pub fn account(&self, caller: Option<CallerId>, most_calls: usize) -> Arc<Account> {
        let Whole { size, callers, .. } = &*self.0.whole;
        Arc::new(Account::new(callers.clone(), caller, *size, most_calls))
    }

    /// So many bytes, if there are as many.
    #[must_use]
    pub fn take(&self, bytes: usize, purpose: Use) -> Option<Charge> {
        self.take_for(None, bytes, purpose)
    }

    /// The same for something of this connection.
    #[must_use]
    pub fn take_for(&self, account: Option<&Arc<Account>>, bytes: usize, purpose: Use) -> Option<Charge> {
        let has = self.has(bytes, purpose);
        if !has {
            self.short(bytes, purpose);
        }
        has.then(|| self.charge(account, bytes))
    }

    /// The same for a request that waits for it, and is not refused yet.
    #[must_use]
    pub fn take_queued(&self, account: Option<&Arc<Account>>, bytes: usize, purpose: Use) -> Option<Charge> {
        if self.has(bytes, purpose) {
            return Some(self.charge(account, bytes));
        }
        self.0.whole.make_room(bytes, purpose);
        None
    }

    /// A place for a request that waits for memory. All that wait may have an eighth of it, as if each were a call.
    #[must_use]
    pub fn queue(&self) -> Option<Queued> {
        let whole = &self.0.whole;
        let most = whole.size / 8 / CALL;
        let add = |queued: usize| (queued < most).then_some(queued + 1);
        let added = whole.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        added.is_ok().then(|| Queued(whole.clone()))
    }

    /// Notes an answer of so many bytes that waits for its caller, and can be ended for the sake of others.
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

    /// There is too little, which is told, and changed where it can be.
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
        // Others may have used some of it up meanwhile; then less goes back.
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
    /// Takes so many bytes more; false if there are not as many.
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

    /// Gives back what is more than `bytes`.
    pub fn shrink_to(&self, bytes: usize) {
        let before = self.bytes.fetch_min(bytes, Ordering::Relaxed);
        if before > bytes {
            self.give(before - bytes);
        }
    }

    /// That of the connection that has it.
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

    /// A charge of its own for what is more than `bytes`: something uses it that can outlive this one.
    #[must_use]
    pub fn part(&self, bytes: usize) -> Self {
        let before = self.bytes.fetch_min(bytes, Ordering::Relaxed);
        let bytes = AtomicUsize::new(before.saturating_sub(bytes));
        Self { share: self.share.clone(), bytes, account: self.account.clone() }
    }

    /// Takes a [part](Self::part) back.
    pub fn join(&self, part: Self) {
        self.bytes.fetch_add(part.bytes.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// How many bytes it is.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// These bytes, and with the last of them this charge is given back.
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
