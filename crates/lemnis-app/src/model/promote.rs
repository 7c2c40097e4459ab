//! A version that an environment's gate lets through gets its alias: at once where nothing serves, step by step
//! otherwise.

use lemnis_core::{Action, Principal};
use lemnis_tracking::GateReport;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gate;
use super::gate::newest_report;
use crate::release::{self, Deploy};
use crate::settings::PRODUCTION;
use crate::{App, Context, Error, authorise};

/// Wants a version to serve.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
pub struct Promote {
    /// The registered model's name.
    pub model: String,
    /// The version's number.
    pub version: u32,
    /// The environment that it goes to; production where none is given.
    #[serde(default)]
    pub environment: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Promoted {
    /// The gate's report.
    pub report: GateReport,
    /// The endpoints where a rollout of the version started.
    pub rollouts: Vec<String>,
    /// The alias of the environment, such as `champion`.
    pub alias: String,
    /// Whether the version has the alias already; otherwise it moves when the rollouts end well.
    pub has_alias: bool,
}

/// Runs the gate and, if it lets the version through, gives it traffic.
pub async fn promote(app: &App, who: &Principal, cmd: &Promote) -> Result<Promoted, Error> {
    authorise(who, Action::Operate)?;
    let settings = app.project.settings()?;
    let environment = settings.model(&cmd.model)?.environment(cmd.environment.as_deref())?;
    let alias = environment.alias;
    let ended =
        |report, rollouts, has_alias| Promoted { report, rollouts, alias: alias.to_owned(), has_alias };
    let run_gate = gate(app, who, &cmd.model, cmd.version, Some(environment.name));
    let holder = app.registry.version_by_alias(&cmd.model, alias).await.context("looking for the alias")?;
    if holder.as_ref().is_some_and(|holder| holder.version == cmd.version) {
        // It has no opponent now: the report that let it in stays the evidence.
        let report = match newest_report(app, &cmd.model, cmd.version, environment.name).await? {
            Some(report) if report.passed => report,
            _ => run_gate.await?,
        };
        return Ok(ended(report, Vec::new(), true));
    }
    let report = run_gate.await?;
    if !report.passed {
        return Ok(ended(report, Vec::new(), false));
    }
    let serving: Vec<String> = settings
        .endpoints
        .iter()
        .filter(|(_, endpoint)| endpoint.model_name() == cmd.model && endpoint.alias() == alias)
        .map(|(name, _)| name.clone())
        .collect();
    if holder.is_none() || serving.is_empty() {
        let target = (cmd.model.as_str(), alias);
        if environment.name == PRODUCTION {
            release::crown(app, who, target, cmd.version, &report.id).await?;
        } else {
            release::point(app, who, target, cmd.version, &report.id).await?;
        }
        return Ok(ended(report, Vec::new(), true));
    }
    for endpoint in &serving {
        let deploy = Deploy {
            endpoint: endpoint.clone(),
            version: Some(cmd.version),
            all_at_once: false,
            force: false,
            fault: None,
            because: Some(report.id.clone()),
        };
        release::deploy(app, who, &deploy).await?;
    }
    Ok(ended(report, serving, false))
}
