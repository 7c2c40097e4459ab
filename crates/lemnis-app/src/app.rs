//! The components that use-cases work with, wired once by the binary.

use std::sync::Arc;

use lemnis_core::{Action, Clock, Event, EventLog, Leader, Principal};
use lemnis_flow::Queue;
use lemnis_quality::Verdicts;
use lemnis_serving::{Endpoints, PredictionLog, Rollouts};
use lemnis_tracking::direct::DirectTransfers;
use lemnis_tracking::{
    Assessments, EvaluationDatasets, Experiments, GateReports, Issues, LoggedModels, Registry, Runs, Scorers,
    Traces, WebhookSender, Webhooks,
};
use object_store::ObjectStore;

use crate::project::Project;
use crate::{Context, Error};

/// Every port of the project's state, each behind its trait.
#[derive(Clone)]
pub struct Ports {
    /// Experiments of the tracking server.
    pub experiments: Arc<dyn Experiments>,
    /// Runs with their params, metrics and tags.
    pub runs: Arc<dyn Runs>,
    /// Models that runs logged.
    pub logged_models: Arc<dyn LoggedModels>,
    /// Registered models, versions and aliases.
    pub registry: Arc<dyn Registry>,
    /// Why a version was or was not let through.
    pub gate_reports: Arc<dyn GateReports>,
    /// Drift, performance and validation verdicts.
    pub verdicts: Arc<dyn Verdicts>,
    /// What happened, by whom.
    pub events: Arc<dyn EventLog>,
    /// Flow runs that wait or work.
    pub queue: Arc<dyn Queue>,
    /// Endpoints, rollouts and ground truth.
    pub rollouts: Arc<dyn Rollouts>,
    /// Traces of GenAI applications.
    pub traces: Arc<dyn Traces>,
    /// What people and judges say about traces.
    pub assessments: Arc<dyn Assessments>,
    /// What answers are evaluated on.
    pub evaluation_datasets: Arc<dyn EvaluationDatasets>,
    /// Judges of traces.
    pub scorers: Arc<dyn Scorers>,
    /// Problems that traces show.
    pub issues: Arc<dyn Issues>,
    /// Who is told of changes in the registry.
    pub webhooks: Arc<dyn Webhooks>,
    /// How they are told.
    pub webhook_sender: Arc<dyn WebhookSender>,
    /// Who acts for all servers that share the database.
    pub leader: Arc<dyn Leader>,
    /// The bytes of artifacts.
    pub artifacts: Arc<dyn ObjectStore>,
    /// How clients move artifacts past the server; `None` where they may not.
    pub direct: Option<Arc<dyn DirectTransfers>>,
}

/// One project's components.
pub struct App {
    /// Where the project lies.
    pub project: Project,
    /// The state, by port.
    pub ports: Ports,
    /// The endpoints that answer in this process.
    pub endpoints: Arc<Endpoints>,
    /// Where their predictions are written.
    pub predictions: Arc<PredictionLog>,
    /// The process's environment, as the data repository sees it.
    pub environment: lemnis_data::Environment,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Held while a version is registered, so that the same bytes never become two versions.
    pub registering: tokio::sync::Mutex<()>,
    /// Held while an endpoint changes, so that two deployments never start from the same state.
    pub deploying: tokio::sync::Mutex<()>,
    /// Held while a verdict is reacted to, so that two verdicts never start two retrains.
    pub reacting: tokio::sync::Mutex<()>,
    /// Held while runs are begun for suggested params, so that two workers never get the same point.
    pub suggesting: tokio::sync::Mutex<()>,
}

impl std::ops::Deref for App {
    type Target = Ports;

    fn deref(&self) -> &Ports {
        &self.ports
    }
}

impl App {
    /// Records that `kind` happened to `subject`, with its evidence. `id` makes a repeated record harmless.
    pub async fn record(
        &self,
        id: String,
        who: &Principal,
        kind: &str,
        subject: String,
        data: serde_json::Value,
    ) -> Result<(), Error> {
        let event = Event {
            id,
            at_ms: self.clock.now_ms(),
            actor: who.name.clone(),
            kind: kind.to_owned(),
            subject,
            data,
        };
        self.events.append(&event).await.context(format!("recording {}", event.kind))
    }
}

/// Fails unless `who` may do `action`.
pub fn authorise(who: &Principal, action: Action) -> Result<(), Error> {
    if who.may(action) { Ok(()) } else { Err(Error::Denied { name: who.name.clone(), action }) }
}
