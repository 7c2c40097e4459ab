//! A version that the gate lets through becomes the champion: at once where nothing serves, step by step otherwise.

use lemnis_core::{Action, Principal};
use lemnis_tracking::GateReport;
use serde::{Deserialize, Serialize};

use super::{CHAMPION, gate};
use crate::release::{self, Deploy};
use crate::{App, Context, Error, authorise};

/// Wants a version to serve.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Promote {
    /// The registered model's name.
    pub model: String,
    /// The version's number.
    pub version: u32,
}

/// What became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Promoted {
    /// The gate's report.
    pub report: GateReport,
    /// The endpoints where a rollout of the version started.
    pub rollouts: Vec<String>,
    /// Whether the alias moved already; otherwise it moves when the rollouts end well.
    pub is_champion: bool,
}

/// Runs the gate and, if it lets the version through, gives it traffic.
pub async fn promote(app: &App, who: &Principal, cmd: &Promote) -> Result<Promoted, Error> {
    authorise(who, Action::Operate)?;
    let settings = app.project.settings()?;
    settings.model(&cmd.model)?;
    let champion =
        app.registry.version_by_alias(&cmd.model, CHAMPION).await.context("looking for the champion")?;
    if champion.as_ref().is_some_and(|champion| champion.version == cmd.version) {
        // It has no opponent now: the report that let it in stays the evidence.
        let reports =
            app.gate_reports.latest(Some(&cmd.model), 1000).await.context("looking for gate reports")?;
        let admitted = reports
            .into_iter()
            .find(|report| report.passed && report.challenger_version == Some(cmd.version));
        let report = match admitted {
            Some(report) => report,
            None => gate(app, who, &cmd.model, cmd.version).await?,
        };
        return Ok(Promoted { report, rollouts: Vec::new(), is_champion: true });
    }
    let report = gate(app, who, &cmd.model, cmd.version).await?;
    if !report.passed {
        return Ok(Promoted { report, rollouts: Vec::new(), is_champion: false });
    }
    let serving: Vec<String> = settings
        .endpoints
        .iter()
        .filter(|(_, endpoint)| endpoint.model_name() == cmd.model && endpoint.alias() == CHAMPION)
        .map(|(name, _)| name.clone())
        .collect();
    if champion.is_none() || serving.is_empty() {
        release::crown(app, who, (&cmd.model, CHAMPION), cmd.version, &report.id).await?;
        return Ok(Promoted { report, rollouts: Vec::new(), is_champion: true });
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
    Ok(Promoted { report, rollouts: serving, is_champion: false })
}
