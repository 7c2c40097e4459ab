//! Read models: what a page shows and what `--json` and the own API return, as plain data.
//!
//! The structs know nothing of ports; the functions fill them from an [`App`](crate::App) and change nothing. A part
//! that has no content yet is empty, never an error, so a fresh project has every page.

mod common;
mod curve;
mod data;
mod endpoints;
mod flows;
mod load;
mod models;
mod overview;
mod preview;
mod runs;

pub use common::{EventRow, KeyValue, Moment, State, VerdictRow};
pub use curve::thin;
pub use data::{DataList, Dataset, ExpectationRow, StageRow, Validation};
pub use endpoints::{
    Arm, ArmShare, DriftPoint, EndpointDetail, EndpointList, EndpointRow, FeatureBin, FeatureDrift, HeatRow,
    LatencyPoint, LiveMetric, PredictionSample, RolloutRow, TransitionRow,
};
pub use flows::{EventList, FlowList, FlowRow, VerdictList};
pub use load::{
    compare, curves, data, endpoint, endpoints, events, experiments, flow_runs, model, models, overview, run,
    run_info, runs, verdicts,
};
pub use models::{BootstrapRow, CheckRow, GateRow, ModelDetail, ModelList, ModelRow, VersionRow};
pub use overview::{Lobe, Overview, Station, StationKey};
pub use preview::{Preview, Previewed, preview};
pub use runs::{
    ArtifactRow, Curve, DatasetRow, ExperimentLine, ExperimentRow, Lineage, MetricPoint, MetricSeries,
    RunComparison, RunDetail, RunList, RunQuery, RunRow, VersionLink,
};
