//! The exact binomial e-process behind the error rule, and the record of what a decision looked at.
//!
//! An e-value is a bet against "the canary is not worse": if that is true, the bet's expected worth never exceeds 1, so
//! it reaches `1 / alpha` with probability at most `alpha`, no matter how often one looks (Ville's inequality). The bet
//! here is the likelihood ratio of a share θ against the null share q, averaged over θ uniform on (q, 1).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use statrs::function::beta::{checked_beta_reg, ln_beta};

use super::Carried;
use crate::ArmStats;

/// The least tail probability that is computed with full precision.
const LEAST_TAIL: f64 = 1e-280;

/// What a decision on a step looked at.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Evidence {
    /// The step, counted from 0.
    pub step: usize,
    /// The canary's share of the traffic in it, in hundredths of a percent.
    pub weight_bp: u32,
    /// The champion in this step.
    pub champion: ArmStats,
    /// The canary in this step.
    pub canary: ArmStats,
    /// Natural logarithm of the e-value against "the canary fails no more often", earlier steps included.
    pub ln_e: f64,
    /// The canary is taken back when `ln_e` reaches this: `ln(1 / alpha)`.
    pub ln_e_threshold: f64,
    /// The champion's 95th percentile that the canary is compared with, in microseconds; 0 where none is known.
    pub baseline_p95_us: u64,
    /// The canary is too slow above this, in microseconds; `None` while too few requests are known.
    pub p95_limit_us: Option<u64>,
}

impl Evidence {
    /// What later steps need to know of this one.
    pub(crate) fn carried(&self, earlier: &Carried) -> Carried {
        Carried {
            champion_requests: earlier.champion_requests.saturating_add(self.champion.requests),
            champion_errors: earlier.champion_errors.saturating_add(self.champion.errors),
            champion_p95_us: self.baseline_p95_us,
            ln_e: self.ln_e,
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Natural logarithm of the e-value of `hits` among `trials` against a share of at most `null_share`:
///
/// `∫ θ^k (1−θ)^(n−k) dθ over (q, 1) / ((1−q) q^k (1−q)^(n−k))`
///
/// with `n = trials`, `k = hits`, `q = null_share`. 0 where a share of `q` cannot be exceeded or nothing was seen.
pub(crate) fn ln_e_value(trials: u64, hits: u64, null_share: f64) -> f64 {
    if trials == 0 || !(null_share > 0.0 && null_share < 1.0) {
        return 0.0;
    }
    let (n, q) = (trials as f64, null_share);
    let k = hits.min(trials) as f64;
    let (alpha, beta) = (k + 1.0, n - k + 1.0);
    // P(θ > q) for θ ~ Beta(α, β), by symmetry without cancellation.
    let tail = checked_beta_reg(beta, alpha, 1.0 - q).unwrap_or(1.0);
    let exact = ln_beta(alpha, beta) + tail.ln() - (1.0 - q).ln() - (k * q.ln() + (n - k) * (1.0 - q).ln());
    // The log-likelihood is concave: where it falls at q, its tangent bounds the integral by 1 / |slope|.
    let slope = k / q - (n - k) / (1.0 - q);
    let bound = if slope < 0.0 { -((1.0 - q) * -slope).ln() } else { f64::INFINITY };
    if tail > LEAST_TAIL { exact.min(bound) } else { bound.min(0.0) }
}

/// The upper end of the one-sided Clopper–Pearson interval of a share, at `confidence`; 1 where nothing was seen.
pub(crate) fn upper_share(trials: u64, hits: u64, confidence: f64) -> f64 {
    if trials == 0 || hits >= trials {
        return 1.0;
    }
    let (alpha, beta) = (hits as f64 + 1.0, (trials - hits) as f64);
    let (mut low, mut high) = (hits as f64 / trials as f64, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if checked_beta_reg(alpha, beta, middle).unwrap_or(1.0) < confidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The integral by the midpoint rule.
    fn by_quadrature(n: u64, k: u64, q: f64) -> f64 {
        let steps = 200_000;
        let width = (1.0 - q) / f64::from(steps);
        let sum: f64 = (0..steps)
            .map(|step| {
                let theta = q + (f64::from(step) + 0.5) * width;
                let (n, k) = (n as f64, k as f64);
                (k * (theta / q).ln() + (n - k) * ((1.0 - theta) / (1.0 - q)).ln()).exp()
            })
            .sum();
        (sum * width / (1.0 - q)).ln()
    }

    #[test]
    fn the_closed_form_equals_the_integral() {
        for (n, k, q) in [(1, 1, 0.1), (2, 2, 0.1), (10, 3, 0.1), (40, 4, 0.1), (60, 35, 0.5), (500, 3, 0.02)]
        {
            let (closed, integral) = (ln_e_value(n, k, q), by_quadrature(n, k, q));
            assert!((closed - integral).abs() < 1e-6, "n {n} k {k} q {q}: {closed} against {integral}");
        }
    }

    #[test]
    fn nothing_seen_is_no_evidence() {
        assert_eq!(ln_e_value(0, 0, 0.5), 0.0);
        assert_eq!(ln_e_value(10, 10, 1.0), 0.0);
    }

    #[test]
    fn a_large_harmless_sample_never_becomes_evidence_of_harm() {
        for n in [1_000, 100_000, 10_000_000] {
            let seen = ln_e_value(n, n / 1_000, 0.05);
            assert!(seen.is_finite() && seen < 0.0, "{n}: {seen}");
        }
    }

    #[test]
    fn the_upper_share_is_clopper_pearsons() {
        // No error in n trials: 1 − (1 − confidence)^(1/n).
        for n in [10u64, 450] {
            let expected = 1.0 - 0.05f64.powf(1.0 / n as f64);
            assert!((upper_share(n, 0, 0.95) - expected).abs() < 1e-9);
        }
        // scipy.stats.beta.ppf
        assert!((upper_share(100, 5, 0.95) - 0.102_253_377_643_2).abs() < 1e-9);
        assert!((upper_share(450, 1, 0.995) - 0.016_393_933_342_2).abs() < 1e-9);
        assert_eq!(upper_share(0, 0, 0.95), 1.0);
    }
}
