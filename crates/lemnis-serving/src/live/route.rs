//! Which requests a canary gets.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::rollout::BASIS_POINTS;

/// Whether the unit `key` goes to the canary of the rollout `salt`, which has `weight_bp` of the traffic.
///
/// Depends on nothing else, so the same unit always goes to the same arm, and raising the weight only adds units.
pub(crate) fn goes_to_canary(salt: u64, key: &str, weight_bp: u32) -> bool {
    xxh3_64_with_seed(key.as_bytes(), salt) % u64::from(BASIS_POINTS) < u64::from(weight_bp)
}

/// The salt of a rollout: other rollouts pick other units.
pub(crate) fn salt(rollout_id: &str) -> u64 {
    xxh3_64_with_seed(rollout_id.as_bytes(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn raising_the_weight_only_adds_units(id in ".{0,40}", key in ".{0,40}", low in 0u32..=10_000, high in 0u32..=10_000) {
            let (low, high) = (low.min(high), low.max(high));
            let salt = salt(&id);
            prop_assert!(!goes_to_canary(salt, &key, low) || goes_to_canary(salt, &key, high));
            prop_assert!(!goes_to_canary(salt, &key, 0));
            prop_assert!(goes_to_canary(salt, &key, 10_000));
        }
    }

    #[test]
    fn the_share_of_units_is_the_weight() {
        for weight_bp in [100, 1_000, 5_000] {
            let salt = salt("rollout-1");
            let hits =
                (0..100_000).filter(|n| goes_to_canary(salt, &format!("customer-{n}"), weight_bp)).count();
            let share = hits as f64 / 100_000.0;
            let expected = f64::from(weight_bp) / 10_000.0;
            assert!((share - expected).abs() < 4.0 * (expected / 100_000.0).sqrt(), "{share} for {expected}");
        }
    }

    #[test]
    fn rollouts_pick_different_units() {
        let pick = |id: &str| -> Vec<usize> {
            let salt = salt(id);
            (0..1_000).filter(|n| goes_to_canary(salt, &n.to_string(), 1_000)).collect()
        };
        assert_ne!(pick("one"), pick("two"));
    }
}
