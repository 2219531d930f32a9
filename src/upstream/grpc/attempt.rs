//! One attempt at a call: how far it has come, and why it gave no reply.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use super::error::CallError;

/// Why an attempt gave no reply.
pub(crate) enum AttemptError {
    /// The connection was over: another one may take the call.
    Elsewhere(CallError),
    /// The backend refused this call, and takes others.
    Refused(CallError),
    /// Anything else.
    Call(CallError),
}

impl AttemptError {
    pub(crate) fn error(&self) -> &CallError {
        match self {
            Self::Elsewhere(error) | Self::Refused(error) | Self::Call(error) => error,
        }
    }
}

impl From<CallError> for AttemptError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<AttemptError> for CallError {
    fn from(failure: AttemptError) -> Self {
        match failure {
            AttemptError::Elsewhere(error) | AttemptError::Refused(error) | AttemptError::Call(error) => error,
        }
    }
}

/// How far a call has come, for when its deadline passes.
#[derive(Default)]
pub(crate) struct CallProgress {
    /// The backend may have it.
    is_out: AtomicBool,
    /// It waits on a connection that takes no more calls.
    is_waiting: AtomicBool,
    /// When the head of an answer came first, if somebody wants to know.
    heard: Option<OnceLock<Instant>>,
}

impl CallProgress {
    /// One that notes when an answer comes, or does not.
    pub(crate) fn new(is_timed: bool) -> Self {
        Self { heard: is_timed.then(OnceLock::new), ..Self::default() }
    }

    /// The head of an answer came.
    pub(crate) fn hear(&self) {
        if let Some(heard) = &self.heard {
            heard.get_or_init(Instant::now);
        }
    }

    pub(crate) fn heard(&self) -> Option<Instant> {
        self.heard.as_ref()?.get().copied()
    }

    pub(crate) fn wait(&self) {
        self.is_waiting.store(true, Ordering::Relaxed);
    }

    pub(crate) fn go_out(&self) {
        self.is_out.store(true, Ordering::Relaxed);
    }

    /// What is told at the deadline.
    pub(crate) fn late(&self) -> CallError {
        if self.is_out.load(Ordering::Relaxed) {
            CallError::Deadline
        } else if self.is_waiting.load(Ordering::Relaxed) {
            CallError::Queued
        } else {
            CallError::Unsent
        }
    }

    /// It is to be sent again; whether the backend may have had it before is known.
    pub(crate) fn begin_again(&self, may_be_out: bool) {
        self.is_out.store(may_be_out, Ordering::Relaxed);
        self.is_waiting.store(false, Ordering::Relaxed);
    }
}
