//! Endpoints: traffic, latency, rollouts, drift and live performance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Moment, State, VerdictRow};

/// All endpoints.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct EndpointList {
    /// By name.
    pub endpoints: Vec<EndpointRow>,
}

/// An endpoint in short.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct EndpointRow {
    /// Its name.
    pub name: String,
    /// The registered model that it serves.
    pub model: String,
    /// How it stands.
    pub state: State,
    /// Who gets which share of the traffic.
    pub split: Vec<ArmShare>,
    /// Requests answered since the server started.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Median latency in microseconds.
    pub p50_us: Option<u64>,
    /// 95th percentile of the latency in microseconds.
    pub p95_us: Option<u64>,
    /// The rollout that runs now.
    pub rollout: Option<RolloutRow>,
    /// The newest drift verdict.
    pub drift: Option<VerdictRow>,
    /// The newest performance verdict.
    pub performance: Option<VerdictRow>,
}

/// One arm's share of the traffic.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct ArmShare {
    /// `champion` or `canary`.
    pub arm: String,
    /// The model version.
    pub version: u32,
    /// The share in basis points; 10 000 is all.
    pub weight_bp: u32,
}

/// One endpoint with all its evidence.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct EndpointDetail {
    /// The endpoint in short.
    #[serde(flatten)]
    pub row: EndpointRow,
    /// Counts and latency by arm.
    pub arms: Vec<Arm>,
    /// Latency over time, from the newest logged predictions.
    pub latency: Vec<LatencyPoint>,
    /// Rollouts, newest first.
    pub rollouts: Vec<RolloutRow>,
    /// Drift verdicts, oldest first.
    pub drift: Vec<DriftPoint>,
    /// The share of drifted features from which on the whole counts as drifted.
    pub drift_share_threshold: f64,
    /// The population stability index from which on a feature may count as drifted.
    pub psi_threshold: f64,
    /// Features of the newest drift verdict, largest drift first.
    pub features: Vec<FeatureDrift>,
    /// Population stability index by feature and verdict; columns are those of `drift`, largest drift first.
    pub heat: Vec<HeatRow>,
    /// The metric on predictions whose truth is known by now, oldest first.
    pub live: Vec<LiveMetric>,
    /// The newest predictions.
    pub predictions: PredictionSample,
}

/// What one version did behind the endpoint since the server started.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Arm {
    /// `champion` or `canary`.
    pub arm: String,
    /// The model version.
    pub version: u32,
    /// Its share of the traffic in basis points.
    pub weight_bp: u32,
    /// Requests answered.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Median latency in microseconds.
    pub p50_us: Option<u64>,
    /// 95th percentile of the latency in microseconds.
    pub p95_us: Option<u64>,
    /// 99th percentile of the latency in microseconds.
    pub p99_us: Option<u64>,
}

/// Latency of one slice of time.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
pub struct LatencyPoint {
    /// The middle of the slice.
    pub at: Moment,
    /// Median in microseconds.
    pub p50_us: f64,
    /// 95th percentile in microseconds.
    pub p95_us: f64,
    /// Requests in the slice.
    pub requests: usize,
}

/// A rollout with its steps.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct RolloutRow {
    /// The rollout's id.
    pub id: String,
    /// The version that served before.
    pub from_version: Option<u32>,
    /// The version that takes over.
    pub to_version: u32,
    /// `progressing`, `paused`, `promoted` or `aborted`.
    pub state: String,
    /// The planned shares in percent.
    pub steps: Vec<u32>,
    /// The new version's present share in basis points.
    pub weight_bp: u32,
    /// Why it stands so.
    pub reason: Option<String>,
    /// What happened, oldest first.
    pub history: Vec<TransitionRow>,
}

/// One step of a rollout.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct TransitionRow {
    /// When.
    pub at: Moment,
    /// The new version's share from then on, in basis points.
    pub weight_bp: u32,
    /// What happened.
    pub what: String,
    /// The figures behind it, in short.
    pub evidence: String,
}

/// One drift verdict as a point in time.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct DriftPoint {
    /// The verdict's id.
    pub verdict: String,
    /// When it was given.
    pub at: Moment,
    /// The share of drifted features.
    pub share: f64,
    /// How many features drifted.
    pub drifted: usize,
    /// How many features were looked at.
    pub features: usize,
    /// `pass`, `drift` or `not_computed`.
    pub outcome: String,
    /// Rows that were looked at.
    pub rows: usize,
    /// The verdict's sentence.
    pub summary: String,
}

/// Drift of one feature, as the verdict's report has it.
#[derive(Clone, Debug, Default, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct FeatureDrift {
    /// The feature's name.
    pub column: String,
    /// `numeric` or `categorical`.
    pub kind: String,
    /// `ok`, `drift` or `not_computed`.
    pub status: String,
    /// Why it was not computed.
    pub reason: Option<String>,
    /// Population stability index.
    pub psi: Option<f64>,
    /// The index that two samples of one population would show by chance.
    pub psi_noise_floor: Option<f64>,
    /// `ks` or `chi2`.
    pub test: Option<String>,
    /// The test's statistic.
    pub statistic: Option<f64>,
    /// Its p-value.
    pub p_value: Option<f64>,
    /// The p-value, adjusted for the number of features.
    pub adjusted_p_value: Option<f64>,
    /// Share of missing values in the reference.
    pub null_share_reference: f64,
    /// Share of missing values now.
    pub null_share_current: f64,
    /// Whether the share of missing values changed.
    pub null_drift: bool,
    /// Categories that the reference does not have.
    pub new_categories: Vec<String>,
    /// Categories that are gone.
    pub gone_categories: Vec<String>,
    /// The histogram of both, in the same bins.
    pub bins: Vec<FeatureBin>,
}

/// One bin of a feature's histogram.
#[derive(Clone, Debug, Default, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct FeatureBin {
    /// The interval or the category.
    pub label: String,
    /// Share of the reference's values.
    pub reference: f64,
    /// Share of the present values.
    pub current: f64,
}

/// One feature's drift over the verdicts.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct HeatRow {
    /// The feature's name.
    pub column: String,
    /// The population stability index at each verdict, and whether the feature counted as drifted.
    pub cells: Vec<Option<(f64, bool)>>,
}

/// The metric on live predictions whose truth arrived.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct LiveMetric {
    /// The verdict's id.
    pub verdict: String,
    /// When it was measured.
    pub at: Moment,
    /// The metric's name.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// The value on the holdout, where known.
    pub expected: Option<f64>,
    /// Predictions with a known truth.
    pub rows: usize,
}

/// The newest predictions as texts.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
pub struct PredictionSample {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, newest first; missing values are empty.
    pub rows: Vec<Vec<String>>,
    /// How many columns of the log are not shown.
    pub hidden_columns: usize,
}
