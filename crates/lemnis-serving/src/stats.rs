//! What an arm has done: counts and latencies, cheap to note and consistent enough to judge.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest latency told apart, in microseconds: one minute.
const LONGEST_US: u64 = 60_000_000;
/// Significant decimal digits of a latency.
const DIGITS: u8 = 2;

/// A summary of what an arm has done since its counting began.
#[derive(Clone, Copy, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct ArmStats {
    /// Requests that were routed to the arm.
    pub requests: u64,
    /// Those that it failed.
    pub errors: u64,
    /// Median latency of the answered ones, in microseconds, within 1 %; 0 where there is none.
    pub p50_us: u64,
    /// 95th percentile, likewise.
    pub p95_us: u64,
    /// 99th percentile, likewise.
    pub p99_us: u64,
}

impl ArmStats {
    /// Requests that were answered.
    pub fn answered(&self) -> u64 {
        self.requests.saturating_sub(self.errors)
    }
}

/// The counters behind an [`ArmStats`]. Shared by requests; the histogram's lock is held for nanoseconds.
pub(crate) struct Stats {
    requests: AtomicU64,
    errors: AtomicU64,
    latencies: Option<Mutex<Histogram<u64>>>,
}

impl Stats {
    pub(crate) fn new() -> Self {
        // The bounds are constants that the histogram accepts; without it latencies read as 0.
        let latencies = Histogram::new_with_bounds(1, LONGEST_US, DIGITS).ok().map(Mutex::new);
        Self { requests: AtomicU64::new(0), errors: AtomicU64::new(0), latencies }
    }

    pub(crate) fn answered(&self, took: Duration) {
        if let Some(latencies) = &self.latencies {
            let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST_US);
            latencies.lock().saturating_record(micros.max(1));
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        // Errors first: a summary never shows more errors than requests when it reads them in the same order.
        self.requests.fetch_add(1, Ordering::Release);
        self.errors.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn summary(&self) -> ArmStats {
        let errors = self.errors.load(Ordering::Acquire);
        let requests = self.requests.load(Ordering::Acquire);
        let [p50_us, p95_us, p99_us] = match &self.latencies {
            Some(latencies) => {
                let latencies = latencies.lock();
                [0.5, 0.95, 0.99]
                    .map(|share| if latencies.is_empty() { 0 } else { latencies.value_at_quantile(share) })
            }
            None => [0; 3],
        };
        ArmStats { requests, errors, p50_us, p95_us, p99_us }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_counts_and_ranks() {
        let stats = Stats::new();
        for micros in 1..=100 {
            stats.answered(Duration::from_micros(micros));
        }
        stats.failed();
        let seen = stats.summary();
        assert_eq!((seen.requests, seen.errors, seen.answered()), (101, 1, 100));
        assert_eq!((seen.p50_us, seen.p95_us, seen.p99_us), (50, 95, 99));
    }

    #[test]
    fn latencies_beyond_the_range_are_clamped() {
        let stats = Stats::new();
        stats.answered(Duration::ZERO);
        stats.answered(Duration::from_secs(3_600));
        let seen = stats.summary();
        assert_eq!(seen.p50_us, 1);
        assert!(seen.p99_us >= LONGEST_US);
        assert_eq!(Stats::new().summary(), ArmStats::default());
    }
}
