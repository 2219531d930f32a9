//! Counts of commands and connections.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::error::RedisError;

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisResult {
    Answered,
    /// The server answered with an error.
    Refused,
    /// There was no answer in time.
    TimedOut,
    /// The connection ended first.
    Lost,
    /// There was no connection.
    Unconnected,
    /// Too many commands were in flight.
    Busy,
}

impl RedisResult {
    /// All results.
    pub const ALL: [Self; 6] =
        [Self::Answered, Self::Refused, Self::TimedOut, Self::Lost, Self::Unconnected, Self::Busy];

    /// The label of metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Answered => "ok",
            Self::Refused => "refused",
            Self::TimedOut => "timeout",
            Self::Lost => "lost",
            Self::Unconnected => "not_connected",
            Self::Busy => "busy",
        }
    }

    fn of(error: &RedisError) -> Self {
        match error {
            RedisError::Unconnected(_) => Self::Unconnected,
            RedisError::Busy => Self::Busy,
            RedisError::Unsent(_) | RedisError::Lost(_) => Self::Lost,
            RedisError::Timeout(_) => Self::TimedOut,
            RedisError::Refused(_) | RedisError::Unexpected => Self::Refused,
        }
    }
}

/// Counters that clients of one process share, over reloads too.
#[derive(Default)]
pub(super) struct Counters {
    commands: [AtomicU64; 6],
    connected: AtomicU64,
    unconnected: AtomicU64,
    is_up: AtomicBool,
    pub(super) in_flight: AtomicUsize,
    micros: AtomicU64,
    buckets: [AtomicU64; BUCKETS.len()],
}

/// The upper bounds of the histogram of latencies, in seconds.
const BUCKETS: [f64; 10] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0];

/// The values of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RedisCounts {
    /// How many commands had each result, in the order of [`RedisResult::ALL`].
    pub commands: [u64; 6],
    /// How many connections were made.
    pub connected: u64,
    /// How many attempts to connect failed.
    pub unconnected: u64,
    /// Whether there is a connection now.
    pub is_up: bool,
    /// How many commands are in flight.
    pub in_flight: usize,
    /// The sum of the latencies of answered commands, in microseconds.
    pub micros: u64,
    /// How many answers came within each upper bound in seconds, and not within the one before.
    pub latencies: [(f64, u64); BUCKETS.len()],
}

impl Counters {
    pub(super) fn ended(&self, error: Option<&RedisError>, took: Duration) {
        let result = error.map_or(RedisResult::Answered, RedisResult::of);
        self.commands[result as usize].fetch_add(1, Ordering::Relaxed);
        if matches!(result, RedisResult::Answered | RedisResult::Refused) {
            self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
            let seconds = took.as_secs_f64();
            let bucket = BUCKETS.iter().position(|bound| seconds <= *bound);
            if let Some(bucket) = bucket {
                self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn connects(&self, is_connected: bool) {
        let counter = if is_connected { &self.connected } else { &self.unconnected };
        counter.fetch_add(1, Ordering::Relaxed);
        self.is_up.store(is_connected, Ordering::Relaxed);
    }

    pub(super) fn disconnects(&self) {
        self.is_up.store(false, Ordering::Relaxed);
    }

    /// Adds everything that only grows.
    pub(super) fn add(&self, old: &RedisCounts) {
        let add = |(counter, count): (&AtomicU64, u64)| {
            counter.fetch_add(count, Ordering::Relaxed);
        };
        self.commands.iter().zip(old.commands).for_each(add);
        self.buckets.iter().zip(old.latencies.map(|(_, count)| count)).for_each(add);
        add((&self.connected, old.connected));
        add((&self.unconnected, old.unconnected));
        add((&self.micros, old.micros));
    }

    pub(super) fn now(&self) -> RedisCounts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RedisCounts {
            commands: std::array::from_fn(|result| load(&self.commands[result])),
            connected: load(&self.connected),
            unconnected: load(&self.unconnected),
            is_up: self.is_up.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            micros: load(&self.micros),
            latencies: std::array::from_fn(|bucket| (BUCKETS[bucket], load(&self.buckets[bucket]))),
        }
    }
}
