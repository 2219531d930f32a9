//! Spans that wait for the exporter.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::otlp::Span;

/// The spans that wait. Cheap to clone: clones share one queue.
#[derive(Debug, Clone, Default)]
pub struct SpanQueue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Wakes the exporter when a batch is complete.
    full: Notify,
    exported: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    spans: VecDeque<Span>,
    /// How many spans may wait.
    most: usize,
    /// How many spans make a batch.
    batch: usize,
}

impl SpanQueue {
    /// Sets how many spans may wait, and how many make a batch.
    pub fn set_bounds(&self, most: usize, batch: usize) {
        let mut waiting = self.waiting();
        (waiting.most, waiting.batch) = (most, batch);
    }

    /// Adds the spans of a request. They are dropped and counted if there is no room for all of them.
    pub fn push(&self, spans: Vec<Span>) {
        let mut waiting = self.waiting();
        if waiting.spans.len() + spans.len() > waiting.most {
            drop(waiting);
            self.count_dropped(spans.len() as u64);
            return;
        }
        waiting.spans.extend(spans);
        let is_full = waiting.spans.len() >= waiting.batch;
        drop(waiting);
        if is_full {
            self.0.full.notify_one();
        }
    }

    /// Takes a batch; it is empty if nothing waits.
    #[must_use]
    pub fn take(&self) -> Vec<Span> {
        let mut waiting = self.waiting();
        let count = waiting.spans.len().min(waiting.batch);
        waiting.spans.drain(..count).collect()
    }

    /// Waits until a batch is complete, or for this long.
    pub async fn collect(&self, time: Duration) {
        // The time is over: whatever waits is a batch.
        let _ = timeout(time, self.0.full.notified()).await;
    }

    /// Counts spans that the collector accepted.
    pub fn count_exported(&self, spans: u64) {
        self.0.exported.fetch_add(spans, Ordering::Relaxed);
    }

    /// Counts spans that were lost.
    pub fn count_dropped(&self, spans: u64) {
        self.0.dropped.fetch_add(spans, Ordering::Relaxed);
    }

    /// How many spans the collector accepted.
    #[must_use]
    pub fn exported(&self) -> u64 {
        self.0.exported.load(Ordering::Relaxed)
    }

    /// How many spans were lost: the queue was full, or the collector did not accept them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(names: &[&str]) -> Vec<Span> {
        names.iter().map(|name| Span { name: (*name).to_owned(), ..Span::default() }).collect()
    }

    #[test]
    fn spans_beyond_the_bound_are_dropped_with_their_request_and_counted() {
        let queue = SpanQueue::default();
        queue.set_bounds(5, 3);
        for request in [&["a", "b"][..], &["c", "d"], &["e", "f"], &["g"]] {
            queue.push(spans(request));
        }
        assert_eq!(queue.dropped(), 2);
        let taken = || queue.take().into_iter().map(|span| span.name).collect::<String>();
        assert_eq!([taken(), taken(), taken()], ["abc", "dg", ""]);
        queue.push(spans(&["h"]));
        assert_eq!((taken().as_str(), queue.dropped()), ("h", 2), "there is room again");
    }

    #[tokio::test]
    async fn a_complete_batch_is_sent_before_the_interval_is_over() {
        let queue = SpanQueue::default();
        queue.set_bounds(10, 2);
        let (hour, moment) = (Duration::from_secs(3600), Duration::from_millis(20));
        queue.push(spans(&["a", "b"]));
        timeout(Duration::from_secs(20), queue.collect(hour)).await.expect("it does not wait for an hour");
        assert_eq!(queue.take().len(), 2);
        queue.push(spans(&["c"]));
        assert!(timeout(moment, queue.collect(hour)).await.is_err(), "one span is no batch");
        queue.collect(moment).await;
    }
}
