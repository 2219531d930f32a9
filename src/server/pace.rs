//! Checks how fast a caller reads an answer, once a second for as long as data waits for it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::limits::memory::{Account, Share, Waiting};

/// The time between two checks. If memory is short, an answer of which nothing was read for this long is ended.
const LOOK: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(1) };
/// After this many checks, a caller must have read what waits, or at least [`LEAST`] bytes.
const LOOKS: u32 = 30;
/// The least number of bytes that a caller must read in that time.
const LEAST: usize = 16 << 10;

/// How fast a caller reads one answer, or all answers of a connection.
pub(super) struct Pace {
    look: Pin<Box<Sleep>>,
    looks: u32,
    /// How many bytes had been read at the last check, and at the first one.
    before: usize,
    first: usize,
    /// Set if the caller read next to nothing since the last check.
    waiting: Option<Waiting>,
}

/// What is measured.
#[derive(Clone, Copy)]
pub(super) struct Taken<'a> {
    /// How many bytes the caller has read in total.
    pub(super) bytes: usize,
    /// Whether data waits for the caller.
    pub(super) waits: bool,
    /// How many bytes of memory the waiting data holds.
    pub(super) held: usize,
    pub(super) memory: &'a Share,
    /// The account of the connection, if this is one answer of several.
    pub(super) account: Option<&'a Account>,
}

/// Why an answer is ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slow {
    /// The caller read too little in this time.
    Stalled(Duration),
    /// The memory of the answer is needed.
    Memory,
}

impl Pace {
    /// Begins now, after this many bytes have been read.
    pub(super) fn new(bytes: usize) -> Self {
        Self { look: Box::pin(sleep(LOOK)), looks: 0, before: bytes, first: bytes, waiting: None }
    }

    /// Completes when the caller is too slow.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, taken: Taken<'_>) -> Poll<Slow> {
        while self.look.as_mut().poll(cx).is_ready() {
            if let Some(slow) = self.look(taken) {
                return Poll::Ready(slow);
            }
            self.look = Box::pin(sleep(LOOK));
        }
        match &self.waiting {
            Some(waiting) if taken.waits && waiting.must_end(cx, taken.held) => Poll::Ready(Slow::Memory),
            _ => Poll::Pending,
        }
    }

    fn look(&mut self, taken: Taken<'_>) -> Option<Slow> {
        let Taken { bytes, waits, held, memory, account } = taken;
        let since = bytes.wrapping_sub(self.before);
        self.before = bytes;
        if !waits {
            (self.looks, self.first, self.waiting) = (0, bytes, None);
            return None;
        }
        self.looks += 1;
        if since >= LEAST {
            self.waiting = None;
        } else if account.is_some_and(Account::is_over) {
            return Some(Slow::Memory);
        } else if self.waiting.is_none() && held > 0 {
            self.waiting = Some(memory.waiting(held));
        }
        if self.looks < LOOKS {
            return None;
        }
        if bytes.wrapping_sub(self.first) < LEAST {
            return Some(Slow::Stalled(LOOK * LOOKS));
        }
        (self.looks, self.first) = (0, bytes);
        None
    }
}
