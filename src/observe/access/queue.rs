//! Lines waiting for the writer. Each worker has a buffer with a lock, which the writer takes only to swap the buffer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use super::config::Config;
use super::format;
use super::line::Line;

/// How many bytes may wait in the buffer of one worker.
const BUFFER: usize = 1 << 20;

/// The access log of the process. Cheap to clone: clones share one log.
#[derive(Clone, Debug)]
pub struct AccessLog(pub(super) Arc<Queue>);

/// State shared by workers and the writer.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) config: Config,
    buffers: Mutex<Vec<Arc<Buffer>>>,
    pub(super) writer: OnceLock<Thread>,
    pub(super) dropped: AtomicU64,
    pub(super) is_reopened: AtomicBool,
    pub(super) is_stopping: AtomicBool,
}

/// The waiting lines of one worker.
#[derive(Debug, Default)]
pub(super) struct Buffer(Mutex<Vec<u8>>);

/// The access log as one worker uses it.
#[derive(Debug)]
pub struct WorkerLog {
    buffer: Arc<Buffer>,
    queue: Arc<Queue>,
}

impl AccessLog {
    pub(super) fn new(config: Config) -> Self {
        Self(Arc::new(Queue {
            config,
            buffers: Mutex::default(),
            writer: OnceLock::new(),
            dropped: AtomicU64::new(0),
            is_reopened: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
        }))
    }

    /// Creates the buffer of one worker.
    #[must_use]
    pub fn for_worker(&self) -> WorkerLog {
        let buffer = Arc::<Buffer>::default();
        lock(&self.0.buffers).push(buffer.clone());
        WorkerLog { buffer, queue: self.0.clone() }
    }

    /// How many lines were dropped because the writer was too slow.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Reopens the file, after it was renamed or moved away.
    pub fn reopen(&self) {
        self.0.is_reopened.store(true, Ordering::Release);
        self.0.wake();
    }
}

impl Queue {
    pub(super) fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// All buffers. Empty buffers whose worker is gone are removed.
    pub(super) fn buffers(&self) -> Vec<Arc<Buffer>> {
        let mut buffers = lock(&self.buffers);
        buffers.retain(|buffer| Arc::strong_count(buffer) > 1 || !lock(&buffer.0).is_empty());
        buffers.clone()
    }
}

impl Buffer {
    /// Takes the waiting lines and leaves an empty buffer.
    pub(super) fn swap(&self, empty: &mut Vec<u8>) {
        std::mem::swap(&mut *lock(&self.0), empty);
    }
}

impl WorkerLog {
    /// Queues a line if sampling selects it.
    pub fn write(&self, line: &Line<'_>) {
        let Config { format, sample, levels, .. } = &self.queue.config;
        if !sample.of(line.outcome).has_this_one() {
            return;
        }
        let mut lines = lock(&self.buffer.0);
        if lines.len() >= BUFFER {
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = lines.is_empty();
        format::write(line, levels.of(line.outcome), *format, &mut lines);
        drop(lines);
        if was_empty {
            self.queue.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::observe::access::{Outcome, Output};

    #[test]
    fn log_lines_for_a_full_buffer_are_dropped_and_counted() {
        let log = AccessLog::new(Config::to(Output::Stdout));
        let worker = log.for_worker();
        let line = Line {
            began: SystemTime::UNIX_EPOCH,
            outcome: Outcome::Answered,
            request_id: None,
            trace_id: None,
            peer: None,
            certificate: None,
            issuer: None,
            subject: None,
            http: None,
            tls: None,
            protocol: None,
            method: None,
            route: None,
            rpc: None,
            upstream: None,
            address: None,
            attempts: None,
            status: None,
            grpc_code: None,
            fate: None,
            refused_by: None,
            reason: None,
            end: "whole",
            bytes_in: 0,
            bytes_out: 0,
            messages: None,
            read: None,
            called: None,
            first_byte: None,
            call_ended: None,
            total: Duration::ZERO,
        };
        let written = |count: u64| (0..count).for_each(|_| worker.write(&line));
        written(1);
        let length = lock(&worker.buffer.0).len();
        let fit = BUFFER.div_ceil(length) as u64;
        written(fit - 1 + 7);
        assert_eq!(log.dropped(), 7);
        let mut lines = Vec::new();
        worker.buffer.swap(&mut lines);
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count() as u64, fit);
        written(1);
        assert_eq!(log.dropped(), 7, "there is room again");
    }
}
