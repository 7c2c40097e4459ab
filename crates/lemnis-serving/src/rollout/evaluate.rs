//! The decision on a running step: a pure function of the rollout and of what both arms did.

use super::evidence::{ln_e_value, upper_share};
use super::{BASIS_POINTS, Evidence, Rollout};
use crate::ArmStats;

/// The share of `alpha` that pays for estimating the champion's error rate from earlier steps.
const BASELINE_ALPHA_SHARE: f64 = 0.1;
/// The error rate that is held against a canary when no champion was ever seen beside it.
const UNKNOWN_BASELINE: f64 = 0.5;

/// What to do with a rollout now.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Wait for more requests.
    Continue,
    /// Go to the next step.
    Advance,
    /// Make the canary the champion.
    Promote,
    /// Give the traffic back to the champion.
    Abort {
        /// Which rule was broken, with the figures.
        reason: String,
    },
}

/// Judges the running step of `rollout`, in which the arms did `champion` and `canary`.
///
/// Errors: among the errors of both arms, each falls on the canary with the probability of its share of the requests if
/// it is no worse; the e-process tests that at every look, and the e-values of the steps multiply. Where the canary has
/// all of the traffic, its error rate is tested against the champion's upper bound from the earlier steps.
/// Latency: the canary's 95th percentile must not exceed both the ratio and the floor of the policy.
pub fn evaluate(rollout: &Rollout, champion: &ArmStats, canary: &ArmStats) -> (Decision, Evidence) {
    let policy = &rollout.policy;
    let carried = &rollout.carried;
    let ln_e = carried.ln_e + step_ln_e(rollout, champion, canary);
    let enough = policy.min_requests;
    let baseline_p95_us =
        if champion.answered() >= enough { champion.p95_us } else { carried.champion_p95_us };
    let p95_limit_us = (baseline_p95_us > 0 && canary.answered() >= enough).then(|| {
        let limit =
            (baseline_p95_us as f64 * policy.max_latency_ratio).max(policy.latency_floor_ms * 1_000.0);
        limit.ceil() as u64
    });
    let evidence = Evidence {
        step: rollout.step,
        weight_bp: rollout.weight_bp,
        champion: *champion,
        canary: *canary,
        ln_e,
        ln_e_threshold: -policy.alpha.ln(),
        baseline_p95_us,
        p95_limit_us,
    };
    (decide(rollout, &evidence), evidence)
}

fn decide(rollout: &Rollout, seen: &Evidence) -> Decision {
    if !rollout.state.is_active() {
        return Decision::Continue;
    }
    let (champion, canary) = (&seen.champion, &seen.canary);
    if seen.ln_e >= seen.ln_e_threshold {
        let before = Evidence::carried(seen, &rollout.carried);
        let reason = format!(
            "version {} failed {} of {} requests, version {} {} of {} (e-value {:.2e}, limit {:.0})",
            rollout.to_version,
            canary.errors,
            canary.requests,
            rollout.from_version,
            before.champion_errors,
            before.champion_requests,
            seen.ln_e.min(700.0).exp(),
            seen.ln_e_threshold.exp(),
        );
        return Decision::Abort { reason };
    }
    if let Some(limit) = seen.p95_limit_us.filter(|limit| canary.p95_us > *limit) {
        let millis = |micros: u64| micros as f64 / 1_000.0;
        let reason = format!(
            "version {} is too slow: 95 % of its answers take up to {:.1} ms, {:.1} ms are allowed beside version {}'s {:.1} ms",
            rollout.to_version,
            millis(canary.p95_us),
            millis(limit),
            rollout.from_version,
            millis(seen.baseline_p95_us),
        );
        return Decision::Abort { reason };
    }
    // Failed requests do not count: a canary with errors needs more traffic before it goes on.
    if canary.answered() < rollout.policy.min_requests {
        return Decision::Continue;
    }
    if rollout.policy.is_last(rollout.step) {
        return Decision::Promote;
    }
    // Later steps compare with the champion as it was beside the canary: wait until it was seen.
    if champion.requests == 0 && champion_expected(rollout) {
        return Decision::Continue;
    }
    Decision::Advance
}

fn champion_expected(rollout: &Rollout) -> bool {
    rollout.weight_bp < BASIS_POINTS
}

fn step_ln_e(rollout: &Rollout, champion: &ArmStats, canary: &ArmStats) -> f64 {
    let carried = &rollout.carried;
    if rollout.weight_bp >= BASIS_POINTS {
        let confidence = 1.0 - rollout.policy.alpha * BASELINE_ALPHA_SHARE;
        let bound = upper_share(carried.champion_requests, carried.champion_errors, confidence);
        return ln_e_value(canary.requests, canary.errors, bound.min(UNKNOWN_BASELINE));
    }
    let both = champion.requests.saturating_add(canary.requests);
    let observed = canary.requests as f64 / both.max(1) as f64;
    let nominal = f64::from(rollout.weight_bp) / f64::from(BASIS_POINTS);
    // Keys that are not spread evenly give the canary more than its nominal share: the larger one is the fair null.
    ln_e_value(champion.errors.saturating_add(canary.errors), canary.errors, observed.max(nominal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{Begin, Policy, RolloutState};
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    fn rollout(policy: Policy) -> Rollout {
        Rollout::begin(Begin {
            id: "r".to_owned(),
            endpoint: "churn".to_owned(),
            from_version: 1,
            to_version: 2,
            policy,
            fault: None,
            because: None,
            now: 0,
        })
        .unwrap()
    }

    fn arm(requests: u64, errors: u64, p95_us: u64) -> ArmStats {
        ArmStats { requests, errors, p50_us: p95_us / 2, p95_us, p99_us: p95_us }
    }

    #[test]
    fn a_calm_canary_goes_through_every_step() {
        let mut now = 0;
        let mut rollout = rollout(Policy::default());
        let mut weights = vec![rollout.weight_bp];
        for _ in 0..3 {
            assert_eq!(rollout.judge(&arm(450, 0, 90), &arm(49, 0, 100)).0, Decision::Continue);
            let (decision, evidence) = rollout.judge(&arm(450, 0, 90), &arm(50, 0, 100));
            now += 1;
            rollout = rollout.after(&decision, &evidence, now).unwrap();
            weights.push(rollout.weight_bp);
        }
        assert_eq!(weights, [1_000, 5_000, 10_000, 10_000]);
        assert_eq!(
            (rollout.state, rollout.ended_ms, rollout.history.len()),
            (RolloutState::Promoted, Some(3), 4)
        );
        assert!(
            rollout.after(&Decision::Advance, &rollout.judge(&arm(0, 0, 0), &arm(0, 0, 0)).1, 9).is_none()
        );
    }

    #[test]
    fn a_canary_that_fails_is_taken_back_after_few_requests() {
        let rollout = rollout(Policy::default());
        assert_eq!(rollout.judge(&arm(40, 0, 90), &arm(4, 1, 90)).0, Decision::Continue);
        let (decision, evidence) = rollout.judge(&arm(60, 0, 90), &arm(6, 2, 90));
        let Decision::Abort { reason } = &decision else { panic!("{decision:?}") };
        assert!(
            reason.starts_with("version 2 failed 2 of 6 requests, version 1 0 of 60 (e-value "),
            "{reason}"
        );
        let ended = rollout.after(&decision, &evidence, 7).unwrap();
        assert_eq!(
            (ended.state, ended.weight_bp, ended.reason.as_ref()),
            (RolloutState::Aborted, 0, Some(reason))
        );
        assert_eq!(ended.history.last().unwrap().evidence["canary"]["errors"], 2);
    }

    #[test]
    fn a_slow_canary_is_taken_back_only_above_ratio_and_floor() {
        let rollout = rollout(Policy::default());
        let decide = |champion, canary| rollout.judge(&arm(450, 0, champion), &arm(50, 0, canary)).0;
        assert_eq!(decide(100, 4_900), Decision::Advance);
        assert!(matches!(decide(100, 5_100), Decision::Abort { .. }));
        assert_eq!(decide(4_000, 7_900), Decision::Advance);
        assert!(matches!(decide(4_000, 8_100), Decision::Abort { .. }));
        let few = rollout.judge(&arm(450, 0, 100), &arm(49, 0, 60_000)).0;
        assert_eq!(few, Decision::Continue);
    }

    #[test]
    fn with_all_traffic_the_canary_is_held_against_the_champions_past() {
        let mut rollout = rollout(Policy { steps: vec![10, 100], ..Policy::default() });
        let (decision, evidence) = rollout.judge(&arm(450, 1, 2_000), &arm(60, 0, 100));
        rollout = rollout.after(&decision, &evidence, 1).unwrap();
        assert_eq!((rollout.carried.champion_requests, rollout.carried.champion_p95_us), (450, 2_000));
        assert_eq!(rollout.judge(&arm(0, 0, 0), &arm(60, 0, 3_000)).0, Decision::Promote);
        assert!(matches!(rollout.judge(&arm(0, 0, 0), &arm(60, 0, 6_000)).0, Decision::Abort { .. }));
        assert!(matches!(rollout.judge(&arm(0, 0, 0), &arm(20, 8, 100)).0, Decision::Abort { .. }));
    }

    #[test]
    fn a_rollout_without_a_champion_beside_it_still_notices_that_everything_fails() {
        let rollout = rollout(Policy { steps: vec![100], ..Policy::default() });
        assert!(matches!(rollout.judge(&arm(0, 0, 0), &arm(10, 10, 0)).0, Decision::Abort { .. }));
        assert_eq!(rollout.judge(&arm(0, 0, 0), &arm(50, 0, 1)).0, Decision::Promote);
    }

    proptest! {
        #[test]
        fn a_judgement_is_pure_finite_and_never_widens_a_harmful_canary(
            champion in (0u64..1_000_000, 0u64..1_000_000),
            canary in (0u64..1_000_000, 0u64..1_000_000),
            step in 0usize..3,
        ) {
            let stats = |(requests, errors): (u64, u64)| arm(requests, errors.min(requests), 100);
            let mut rollout = rollout(Policy::default());
            rollout.step = step;
            rollout.weight_bp = rollout.policy.weight_bp(step);
            let (decision, evidence) = rollout.judge(&stats(champion), &stats(canary));
            prop_assert_eq!(&decision, &rollout.judge(&stats(champion), &stats(canary)).0);
            prop_assert!(evidence.ln_e.is_finite(), "{:?}", evidence);
            if evidence.ln_e >= evidence.ln_e_threshold {
                let aborted = matches!(decision, Decision::Abort { .. });
                prop_assert!(aborted);
            }
            if let Some(next) = rollout.after(&decision, &evidence, 1) {
                prop_assert!(next.weight_bp > rollout.weight_bp || next.weight_bp == 0 || next.state == RolloutState::Promoted);
            }
        }

        #[test]
        fn a_canary_without_errors_is_never_aborted_for_errors(n0 in 0u64..100_000, e0 in 0u64..1_000, n1 in 0u64..100_000) {
            let rollout = rollout(Policy::default());
            let (decision, evidence) = rollout.judge(&arm(n0, e0.min(n0), 100), &arm(n1, 0, 100));
            prop_assert!(evidence.ln_e <= 1e-9);
            let aborted = matches!(decision, Decision::Abort { .. });
            prop_assert!(!aborted);
        }
    }

    /// Runs one whole rollout, looking after every ten requests, and returns whether it was aborted.
    fn simulate(champion_rate: f64, canary_rate: f64, min_requests: u64, seed: u64) -> bool {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut rollout = rollout(Policy { min_requests, ..Policy::default() });
        let (mut champion, mut canary) = (ArmStats::default(), ArmStats::default());
        for request in 1.. {
            let to_canary = random.random::<f64>() * 10_000.0 < f64::from(rollout.weight_bp);
            let (arm, rate) =
                if to_canary { (&mut canary, canary_rate) } else { (&mut champion, champion_rate) };
            arm.requests += 1;
            arm.errors += u64::from(random.random::<f64>() < rate);
            if request % 10 != 0 {
                continue;
            }
            let (decision, evidence) = rollout.judge(&champion, &canary);
            if let Some(next) = rollout.after(&decision, &evidence, 0) {
                rollout = next;
                (champion, canary) = (ArmStats::default(), ArmStats::default());
                if !rollout.state.is_active() {
                    return rollout.state == RolloutState::Aborted;
                }
            }
        }
        unreachable!()
    }

    fn abort_rate(champion_rate: f64, canary_rate: f64, min_requests: u64) -> f64 {
        let runs = 400;
        let aborted =
            (0..runs).filter(|seed| simulate(champion_rate, canary_rate, min_requests, *seed)).count();
        aborted as f64 / f64::from(u32::try_from(runs).unwrap())
    }

    #[test]
    fn harmless_canaries_are_aborted_no_more_often_than_alpha() {
        for rate in [0.01, 0.05, 0.3] {
            for min_requests in [50, 400] {
                let rate_of_alarms = abort_rate(rate, rate, min_requests);
                assert!(rate_of_alarms <= 0.05, "{rate} {min_requests}: {rate_of_alarms}");
            }
        }
    }

    #[test]
    fn harmful_canaries_are_aborted() {
        let power = abort_rate(0.0, 0.3, 50);
        assert!(power > 0.99, "{power}");
        let power = abort_rate(0.01, 0.1, 400);
        assert!(power > 0.95, "{power}");
    }
}
