//! One attempt at a call: its progress, and why it gave no reply.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use super::error::CallError;

/// Why an attempt gave no reply.
pub(crate) enum AttemptError {
    /// The connection had ended before the call was processed; another connection may take it.
    Elsewhere(CallError),
    /// The backend refused this call, but still takes others.
    Refused(CallError),
    /// Any other error.
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

/// How far a call has come. It decides which error the deadline gives.
#[derive(Default)]
pub(crate) struct CallProgress {
    /// Whether the backend may have the call.
    is_out: AtomicBool,
    /// Whether the call waits on a connection that takes no more calls.
    is_waiting: AtomicBool,
    /// When the head of the first answer came; noted only on request.
    heard: Option<OnceLock<Instant>>,
}

impl CallProgress {
    /// Notes the time of the first answer if `is_timed`.
    pub(crate) fn new(is_timed: bool) -> Self {
        Self { heard: is_timed.then(OnceLock::new), ..Self::default() }
    }

    /// Notes that the head of an answer has come.
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

    /// The error for a deadline that passes now.
    pub(crate) fn late(&self) -> CallError {
        if self.is_out.load(Ordering::Relaxed) {
            CallError::Deadline
        } else if self.is_waiting.load(Ordering::Relaxed) {
            CallError::Queued
        } else {
            CallError::Unsent
        }
    }

    /// Notes that the call is sent again. `may_be_out` says whether the backend may already have it.
    pub(crate) fn begin_again(&self, may_be_out: bool) {
        self.is_out.store(may_be_out, Ordering::Relaxed);
        self.is_waiting.store(false, Ordering::Relaxed);
    }
}
