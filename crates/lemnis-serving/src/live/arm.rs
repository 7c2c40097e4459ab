//! One version that answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lemnis_model::Model;
use serde::{Deserialize, Serialize};

use crate::stats::Stats;
use crate::{ArmStats, Fault};

/// Which part of an endpoint answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArmName {
    /// The version that serves.
    Champion,
    /// The version that is being tried.
    Canary,
}

impl ArmName {
    /// The word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            ArmName::Champion => "champion",
            ArmName::Canary => "canary",
        }
    }
}

/// What pages show of an arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmView {
    /// The model version.
    pub version: u32,
    /// The digest of its model file.
    pub digest: String,
    /// What it did since it was deployed in this process.
    pub total: ArmStats,
    /// What it did since the running step of a rollout began; nothing while there is none.
    pub step: ArmStats,
}

/// A loaded version with its counters.
pub(crate) struct Arm {
    pub(crate) version: u32,
    pub(crate) model: Arc<Model>,
    fault: Option<Fault>,
    faults_seen: AtomicU64,
    total: Arc<Stats>,
    step: Stats,
}

impl Arm {
    pub(crate) fn new(version: u32, model: Arc<Model>, fault: Option<Fault>) -> Self {
        let faults_seen = AtomicU64::new(0);
        Self { version, model, fault, faults_seen, total: Arc::new(Stats::new()), step: Stats::new() }
    }

    /// The same version with the counting of a new step, and without its fault if it is to be the champion.
    pub(crate) fn anew(&self, fault: Option<Fault>) -> Self {
        Self {
            version: self.version,
            model: self.model.clone(),
            fault,
            faults_seen: AtomicU64::new(self.faults_seen.load(Ordering::Relaxed)),
            total: self.total.clone(),
            step: Stats::new(),
        }
    }

    pub(crate) fn answered(&self, took: Duration, counts: bool) {
        self.total.answered(took);
        if counts {
            self.step.answered(took);
        }
    }

    pub(crate) fn failed(&self, counts: bool) {
        self.total.failed();
        if counts {
            self.step.failed();
        }
    }

    pub(crate) fn step(&self) -> ArmStats {
        self.step.summary()
    }

    pub(crate) fn delay(&self) -> Option<Duration> {
        self.fault.filter(|fault| fault.delay_ms > 0).map(|fault| Duration::from_millis(fault.delay_ms))
    }

    /// Whether the drill makes this request fail. Spread evenly: among any n requests, n times the share fail, give or
    /// take two.
    pub(crate) fn drill_fails(&self) -> bool {
        let Some(fault) = self.fault.filter(|fault| fault.error_share > 0.0) else { return false };
        let place = self.faults_seen.fetch_add(1, Ordering::Relaxed);
        // Multiples of the golden ratio's fractional part are spread evenly over the unit interval.
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
        let fraction = place.wrapping_mul(GOLDEN) as f64 / u64::MAX as f64;
        fraction < fault.error_share
    }

    pub(crate) fn view(&self) -> ArmView {
        ArmView {
            version: self.version,
            digest: self.model.digest().to_string(),
            total: self.total.summary(),
            step: self.step.summary(),
        }
    }
}
