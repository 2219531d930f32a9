//! How fast a caller takes what waits for it: looked at once a second, for as long as something waits.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::limits::memory::{Account, Share, Waiting};

/// Time between two looks. What was not taken for so long is ended where memory is short.
const LOOK: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(1) };
/// After so many of them a caller must have taken what waits, or at least [`LEAST`].
const LOOKS: u32 = 30;
/// So many bytes.
const LEAST: usize = 16 << 10;

/// How fast one caller takes one answer, or all that a connection has.
pub(super) struct Pace {
    look: Pin<Box<Sleep>>,
    looks: u32,
    /// How many bytes were taken at the last look, and at the first.
    before: usize,
    first: usize,
    /// Where it took next to nothing since the last look.
    waiting: Option<Waiting>,
}

/// What is looked at.
#[derive(Clone, Copy)]
pub(super) struct Taken<'a> {
    /// How many bytes the caller has taken, in all.
    pub(super) bytes: usize,
    /// Whether something waits for it.
    pub(super) waits: bool,
    /// How many bytes of memory what waits has.
    pub(super) held: usize,
    pub(super) memory: &'a Share,
    /// Where it is one answer of several.
    pub(super) account: Option<&'a Account>,
}

/// Why an answer is ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slow {
    /// The caller took too little in so long.
    Stalled(Duration),
    /// Its memory is needed.
    Memory,
}

impl Pace {
    /// From now on, where so many bytes have been taken.
    pub(super) fn new(bytes: usize) -> Self {
        Self { look: Box::pin(sleep(LOOK)), looks: 0, before: bytes, first: bytes, waiting: None }
    }

    /// Ready when it is too slow.
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
