//! How a rollout goes on and what ends it, as `lemnis.yaml` declares it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BASIS_POINTS;
use crate::{Error, Result};

/// The most steps of a rollout.
const MAX_STEPS: usize = 100;

/// The rules of a rollout.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The canary's share of the traffic in each step, in percent.
    pub steps: Vec<u32>,
    /// The fewest requests that the canary must have got in a step before the next one.
    pub min_requests: u64,
    /// The chance that a harmless canary is taken back for its error rate, over the whole rollout.
    pub alpha: f64,
    /// The canary may be this many times as slow as the champion, by the 95th percentile.
    pub max_latency_ratio: f64,
    /// A 95th percentile up to this is never too slow, in milliseconds.
    pub latency_floor_ms: f64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            steps: vec![10, 50, 100],
            min_requests: 50,
            alpha: 0.05,
            max_latency_ratio: 2.0,
            latency_floor_ms: 5.0,
        }
    }
}

impl Policy {
    /// Fails if the rules cannot work.
    pub fn check(&self) -> Result<()> {
        let wrong = |reason: String| Err(Error::Policy { reason });
        if self.steps.is_empty() || self.steps.len() > MAX_STEPS {
            return wrong(format!("steps has {} entries, not 1 to {MAX_STEPS}", self.steps.len()));
        }
        if let Some(step) = self.steps.iter().find(|step| !(1..=100).contains(*step)) {
            return wrong(format!("the step {step} is not between 1 and 100 percent"));
        }
        if !self.steps.is_sorted_by(|earlier, later| earlier < later) {
            return wrong(format!("the steps {:?} do not grow", self.steps));
        }
        if self.min_requests == 0 {
            return wrong("min_requests is 0: no request would be needed to take over".to_owned());
        }
        if !(self.alpha > 0.0 && self.alpha < 1.0) {
            return wrong(format!("alpha {} is not between 0 and 1", self.alpha));
        }
        if !(self.max_latency_ratio >= 1.0 && self.max_latency_ratio.is_finite()) {
            return wrong(format!("max_latency_ratio {} is not at least 1", self.max_latency_ratio));
        }
        if !(self.latency_floor_ms >= 0.0 && self.latency_floor_ms.is_finite()) {
            return wrong(format!("latency_floor_ms {} is not a duration", self.latency_floor_ms));
        }
        Ok(())
    }

    /// The canary's weight in `step`, in hundredths of a percent; all of it beyond the last step.
    pub(crate) fn weight_bp(&self, step: usize) -> u32 {
        self.steps.get(step).map_or(BASIS_POINTS, |percent| (percent * 100).min(BASIS_POINTS))
    }

    pub(crate) fn is_last(&self, step: usize) -> bool {
        step + 1 >= self.steps.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_works_and_unknown_keys_do_not() {
        Policy::default().check().unwrap();
        let some: Policy = serde_json::from_str(r#"{"steps": [5, 100]}"#).unwrap();
        assert_eq!((some.weight_bp(0), some.weight_bp(1), some.weight_bp(9)), (500, 10_000, 10_000));
        assert!(serde_json::from_str::<Policy>(r#"{"step": [5]}"#).is_err());
    }

    #[test]
    fn rules_that_cannot_work_are_named() {
        let wrong = |change: fn(&mut Policy)| {
            let mut policy = Policy::default();
            change(&mut policy);
            policy.check().unwrap_err().to_string()
        };
        assert!(wrong(|p| p.steps = vec![]).contains("0 entries"));
        assert!(wrong(|p| p.steps = vec![50, 10]).contains("do not grow"));
        assert!(wrong(|p| p.steps = vec![10, 10]).contains("do not grow"));
        assert!(wrong(|p| p.steps = vec![0, 10]).contains("the step 0"));
        assert!(wrong(|p| p.steps = vec![101]).contains("the step 101"));
        assert!(wrong(|p| p.min_requests = 0).contains("min_requests"));
        assert!(wrong(|p| p.alpha = f64::NAN).contains("alpha"));
        assert!(wrong(|p| p.max_latency_ratio = 0.5).contains("ratio"));
        assert!(wrong(|p| p.latency_floor_ms = -1.0).contains("floor"));
    }
}
