//! How long a failed run waits before its next attempt.

use lemnis_core::Millis;

/// The wait after the first failed attempt.
const FIRST_MS: Millis = 1_000;
/// The longest wait.
const LONGEST_MS: Millis = 300_000;

/// Milliseconds to wait after `attempt` (1 = first) has failed: 1 s, 4 s, 16 s … at most 5 minutes.
pub fn backoff_ms(attempt: u32) -> Millis {
    let doublings = attempt.saturating_sub(1).min(16) * 2;
    FIRST_MS.saturating_mul(1 << doublings).min(LONGEST_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_fourfold_up_to_five_minutes() {
        let waits: Vec<Millis> = (1..=7).map(backoff_ms).collect();
        assert_eq!(waits, [1_000, 4_000, 16_000, 64_000, 256_000, 300_000, 300_000]);
        assert_eq!(backoff_ms(0), 1_000);
        assert_eq!(backoff_ms(u32::MAX), 300_000);
    }
}
