//! The whole loop at a glance: nine stations, what serves, what happened last.

use schemars::JsonSchema;
use serde::Serialize;

use super::{EndpointRow, EventRow, Moment, State, VerdictRow};

/// The stations of the loop, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StationKey {
    /// Versioned data.
    Data,
    /// Data against its expectations.
    Validate,
    /// Stages of `dvc.yaml` and flow runs.
    Pipeline,
    /// Logged runs.
    Runs,
    /// Versions against their rules and the champion.
    Gate,
    /// Registered models.
    Registry,
    /// Rollouts.
    Deploy,
    /// Endpoints and their traffic.
    Serve,
    /// Drift and live performance.
    Monitor,
}

impl StationKey {
    /// Every station, in the loop's order.
    pub const ALL: [StationKey; 9] = [
        StationKey::Data,
        StationKey::Validate,
        StationKey::Pipeline,
        StationKey::Runs,
        StationKey::Gate,
        StationKey::Registry,
        StationKey::Deploy,
        StationKey::Serve,
        StationKey::Monitor,
    ];

    /// The word on the station.
    pub fn as_str(self) -> &'static str {
        match self {
            StationKey::Data => "data",
            StationKey::Validate => "validate",
            StationKey::Pipeline => "pipeline",
            StationKey::Runs => "runs",
            StationKey::Gate => "gate",
            StationKey::Registry => "registry",
            StationKey::Deploy => "deploy",
            StationKey::Serve => "serve",
            StationKey::Monitor => "monitor",
        }
    }
}

/// One station of the loop.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Station {
    /// Which one.
    pub key: StationKey,
    /// How it stands.
    pub state: State,
    /// A few words, such as `drift 6/19`.
    pub figure: String,
    /// One sentence behind the figure.
    pub detail: String,
    /// The page that shows more.
    pub href: String,
}

/// The figure in the middle of one half of the loop.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
pub struct Lobe {
    /// The figure, such as `0.846`.
    pub figure: String,
    /// What it is, such as `roc auc of the newest run`.
    pub caption: String,
}

/// The first page.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Overview {
    /// The project's name.
    pub project: String,
    /// The moment this was read.
    pub at: Moment,
    /// The nine stations in the loop's order.
    pub stations: Vec<Station>,
    /// The half of the loop that builds models.
    pub build: Lobe,
    /// The half of the loop that runs them.
    pub operate: Lobe,
    /// What serves.
    pub endpoints: Vec<EndpointRow>,
    /// The newest verdict on an endpoint.
    pub verdict: Option<VerdictRow>,
    /// Flow runs that wait or work now.
    pub active_flows: usize,
    /// The newest events, newest first.
    pub events: Vec<EventRow>,
}

impl Overview {
    /// Whether nothing at all has happened in the project yet.
    pub fn is_empty(&self) -> bool {
        self.stations.iter().all(|station| station.state == State::Idle)
    }
}
