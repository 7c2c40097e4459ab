//! Time as an argument: code that needs the present moment takes a [`Clock`].

use std::sync::atomic::{AtomicI64, Ordering};

/// Milliseconds since 1970-01-01T00:00:00Z, the unit of every stored moment.
pub type Millis = i64;

/// Tells the time. The binary passes the system's clock, tests a [`FixedClock`].
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now_ms(&self) -> Millis;
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Default)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock that shows `now_ms`.
    pub fn new(now_ms: Millis) -> Self {
        Self(AtomicI64::new(now_ms))
    }

    /// Moves the clock forward.
    pub fn advance_ms(&self, by: Millis) {
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now_ms(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
}

/// `2026-01-31T12:00:00.123Z` of a moment; moments out of the calendar's range print as a bare number.
pub fn rfc3339(moment_ms: Millis) -> String {
    match jiff::Timestamp::from_millisecond(moment_ms) {
        Ok(moment) => format!("{moment:.3}"),
        Err(_) => moment_ms.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_prints_with_milliseconds_in_utc() {
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = FixedClock::new(5);
        assert_eq!(clock.now_ms(), 5);
        clock.advance_ms(2);
        assert_eq!(clock.now_ms(), 7);
    }
}
