//! Randomizes times, so that what began together does not end together.

use std::time::Duration;

/// The largest deviation: a tenth in either direction.
const JITTER: f64 = 0.1;

/// The time, randomly longer or shorter by up to a tenth.
pub(crate) fn jittered(time: Duration) -> Duration {
    time.mul_f64(1.0 + JITTER * (2.0 * fastrand::f64() - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_changes_a_duration_by_at_most_ten_percent() {
        let times: Vec<Duration> = (0..1000).map(|_| jittered(Duration::from_secs(10))).collect();
        assert!(times.iter().all(|time| (9_000..=11_000).contains(&time.as_millis())), "{times:?}");
        assert!(times.iter().any(|time| time.as_millis() < 9_500));
        assert!(times.iter().any(|time| time.as_millis() > 10_500));
    }
}
