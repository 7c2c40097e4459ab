//! Rollouts: a new version takes an endpoint's traffic step by step, and loses it when it does harm.
//!
//! A [`Rollout`] is durable state and nothing else: the weight that requests are routed by is read from it, so a
//! controller that was killed goes on where the state says. Each change is a pure function and leaves a [`Transition`]
//! with its evidence.

mod evaluate;
mod evidence;
mod policy;

use lemnis_core::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ArmStats, Result};

pub use evaluate::{Decision, evaluate};
pub use evidence::Evidence;
pub use policy::Policy;

/// One hundredth of a percent; weights count these.
pub const BASIS_POINTS: u32 = 10_000;

/// Where a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutState {
    /// The canary takes a part of the traffic and is judged.
    Progressing,
    /// The canary became the champion.
    Promoted,
    /// The champion got the traffic back.
    Aborted,
    /// Another deployment took the rollout's place before it ended.
    Superseded,
}

impl RolloutState {
    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            RolloutState::Progressing => "progressing",
            RolloutState::Promoted => "promoted",
            RolloutState::Aborted => "aborted",
            RolloutState::Superseded => "superseded",
        }
    }

    /// Whether the rollout still moves.
    pub fn is_active(self) -> bool {
        self == RolloutState::Progressing
    }
}

/// An injected failure, for drills: shows that a rollout is taken back when its canary does harm.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// The share of requests that fail, from 0 to 1.
    pub error_share: f64,
    /// How much later every answer comes, in milliseconds.
    pub delay_ms: u64,
}

impl Default for Fault {
    fn default() -> Self {
        Self { error_share: 0.0, delay_ms: 0 }
    }
}

/// One change of a rollout.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Transition {
    /// When.
    pub at_ms: Millis,
    /// The canary's share of the traffic from then on, in hundredths of a percent.
    pub weight_bp: u32,
    /// What happened, in one line.
    pub what: String,
    /// What it was decided on: an [`Evidence`] for automatic changes.
    pub evidence: Value,
}

/// What earlier steps showed, for judging later ones: a restart loses the running step's counts, never these.
#[derive(Clone, Copy, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct Carried {
    /// The champion's requests in earlier steps.
    pub champion_requests: u64,
    /// The champion's errors in earlier steps.
    pub champion_errors: u64,
    /// The champion's 95th percentile in the latest step that had one, in microseconds.
    pub champion_p95_us: u64,
    /// Natural logarithm of the product of earlier steps' e-values.
    pub ln_e: f64,
}

/// A new version's way to an endpoint's traffic.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Rollout {
    /// Unique; also salts the routing, so that each rollout picks its own units.
    pub id: String,
    /// The endpoint.
    pub endpoint: String,
    /// The champion at the start.
    pub from_version: u32,
    /// The canary.
    pub to_version: u32,
    /// Where it stands.
    pub state: RolloutState,
    /// The rules it is judged by.
    pub policy: Policy,
    /// The present step, counted from 0.
    pub step: usize,
    /// The canary's share of the traffic, in hundredths of a percent.
    pub weight_bp: u32,
    /// Why it ended without success.
    pub reason: Option<String>,
    /// What caused it: a gate report's id, or `drill`.
    pub because: Option<String>,
    /// The failure that the canary carries, for drills only.
    pub fault: Option<Fault>,
    /// When it began.
    pub started_ms: Millis,
    /// When the present step began.
    pub step_started_ms: Millis,
    /// When it ended.
    pub ended_ms: Option<Millis>,
    /// What earlier steps showed.
    pub carried: Carried,
    /// Every change, oldest first.
    pub history: Vec<Transition>,
}

/// What a rollout is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Begin {
    /// Unique.
    pub id: String,
    /// The endpoint.
    pub endpoint: String,
    /// The present champion.
    pub from_version: u32,
    /// The version to bring in.
    pub to_version: u32,
    /// The rules.
    pub policy: Policy,
    /// The failure to inject, for drills.
    pub fault: Option<Fault>,
    /// The evidence that lets the version in.
    pub because: Option<String>,
    /// The present moment.
    pub now: Millis,
}

impl Rollout {
    /// A rollout at its first step. Fails if the policy cannot work.
    pub fn begin(asked: Begin) -> Result<Self> {
        asked.policy.check()?;
        let weight_bp = asked.policy.weight_bp(0);
        let what = format!("version {} gets {} %", asked.to_version, weight_bp / 100);
        let evidence = serde_json::json!({ "because": asked.because, "fault": asked.fault });
        Ok(Self {
            history: vec![Transition { at_ms: asked.now, weight_bp, what, evidence }],
            id: asked.id,
            endpoint: asked.endpoint,
            from_version: asked.from_version,
            to_version: asked.to_version,
            state: RolloutState::Progressing,
            policy: asked.policy,
            step: 0,
            weight_bp,
            reason: None,
            because: asked.because,
            fault: asked.fault,
            started_ms: asked.now,
            step_started_ms: asked.now,
            ended_ms: None,
            carried: Carried::default(),
        })
    }

    /// The rollout after `decision`; `None` where nothing changes.
    pub fn after(&self, decision: &Decision, evidence: &Evidence, now: Millis) -> Option<Self> {
        if !self.state.is_active() {
            return None;
        }
        let mut next = self.clone();
        let what = match decision {
            Decision::Continue => return None,
            Decision::Advance => {
                next.step += 1;
                next.weight_bp = self.policy.weight_bp(next.step);
                next.step_started_ms = now;
                next.carried = evidence.carried(&self.carried);
                format!("no harm seen: version {} gets {} %", self.to_version, next.weight_bp / 100)
            }
            Decision::Promote => {
                next.weight_bp = BASIS_POINTS;
                next.state = RolloutState::Promoted;
                next.ended_ms = Some(now);
                format!("no harm seen: version {} is the champion", self.to_version)
            }
            Decision::Abort { reason } => {
                return Some(self.ended(RolloutState::Aborted, reason, evidence.json(), now));
            }
        };
        let weight_bp = next.weight_bp;
        next.history.push(Transition { at_ms: now, weight_bp, what, evidence: evidence.json() });
        Some(next)
    }

    /// The rollout after somebody took it back.
    pub fn aborted(&self, reason: &str, now: Millis) -> Self {
        self.ended(RolloutState::Aborted, reason, Value::Null, now)
    }

    /// The rollout after another deployment took its place.
    pub fn superseded(&self, by_version: u32, now: Millis) -> Self {
        self.ended(RolloutState::Superseded, &format!("superseded by version {by_version}"), Value::Null, now)
    }

    fn ended(&self, state: RolloutState, reason: &str, evidence: Value, now: Millis) -> Self {
        if !self.state.is_active() {
            return self.clone();
        }
        let mut next = self.clone();
        next.state = state;
        next.weight_bp = 0;
        next.reason = Some(reason.to_owned());
        next.ended_ms = Some(now);
        let what = format!("version {} serves on: {reason}", self.from_version);
        next.history.push(Transition { at_ms: now, weight_bp: 0, what, evidence });
        next
    }

    /// Judges the running step by what both arms did in it.
    pub fn judge(&self, champion: &ArmStats, canary: &ArmStats) -> (Decision, Evidence) {
        evaluate(self, champion, canary)
    }
}
