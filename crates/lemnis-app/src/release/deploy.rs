//! A version gets an endpoint's traffic: all of it where nothing serves, step by step otherwise.

use std::sync::Arc;

use lemnis_core::{Action, Principal};
use lemnis_serving::rollout::{Begin, Rollout};
use lemnis_serving::{EndpointState, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::model::{load, version};
use crate::{App, Context, Error, Settings, authorise};

/// Wants a version to serve.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
pub struct Deploy {
    /// The endpoint, as in `lemnis.yaml`.
    pub endpoint: String,
    /// The version; what the endpoint's alias points at where it is not said.
    #[serde(default)]
    pub version: Option<u32>,
    /// Move all traffic at once.
    #[serde(default)]
    pub all_at_once: bool,
    /// Let a version in that has passed no gate.
    #[serde(default)]
    pub force: bool,
    /// Failures to inject into the canary: a drill of the rollback. No caller outside this process sets it.
    #[serde(skip)]
    pub fault: Option<Fault>,
    /// The evidence that lets the version in, such as a gate report's id. No caller outside this process sets it.
    #[serde(skip)]
    pub because: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Deployed {
    /// The version.
    pub version: u32,
    /// One sentence.
    pub summary: String,
    /// The rollout that started, where one did.
    pub rollout: Option<Rollout>,
}

/// Deploys a version. The version that serves already stays as it is; an active rollout makes way for another version.
pub async fn deploy(app: &App, who: &Principal, cmd: &Deploy) -> Result<Deployed, Error> {
    authorise(who, Action::Operate)?;
    let settings = app.project.settings()?;
    let endpoint = settings.endpoint(&cmd.endpoint)?;
    let model_name = endpoint.model_name();
    let alias = endpoint.alias();
    let number = match cmd.version {
        Some(number) => number,
        None => {
            let named =
                app.registry.version_by_alias(model_name, alias).await.context("finding the version")?;
            let hint = format!(
                "lemnis models promote {model_name}@challenger, or lemnis deploy {} --version N",
                cmd.endpoint
            );
            named
                .ok_or_else(|| Error::conflict(format!("{model_name} has no version @{alias} yet"), hint))?
                .version
        }
    };
    let because = match &cmd.because {
        Some(because) => because.clone(),
        None => admission(app, who, &settings, (model_name, alias), number, cmd.force).await?,
    };
    let wanted = version(app, model_name, number).await?;
    let model = Arc::new(load(app, &wanted).await?);

    let _deploying = app.deploying.lock().await;
    let now = app.clock.now_ms();
    let state = app.rollouts.get_endpoint(&cmd.endpoint).await.context("reading the endpoint")?;
    let active = app.rollouts.active_rollout(&cmd.endpoint).await.context("reading the rollout")?;
    if let Some(active) = &active
        && active.to_version == number
        && !cmd.all_at_once
    {
        let summary = format!("version {number} is on its way: {} % of the traffic", active.weight_bp / 100);
        return Ok(Deployed { version: number, summary, rollout: Some(active.clone()) });
    }
    // Planned before anything ends: a policy that cannot work leaves all as it is.
    let planned = match &state {
        Some(state) if state.champion_version != number && !cmd.all_at_once => {
            Some(plan(app, cmd, endpoint.rollout.clone(), state, number, &because)?)
        }
        _ => None,
    };
    if let Some(active) = active {
        let ended = active.superseded(number, now);
        app.rollouts.put_rollout(&ended).await.context("ending the rollout before")?;
        app.endpoints.apply(&ended).context("ending the rollout before")?;
    }
    if let Some(rollout) = planned {
        return begin(app, who, rollout, model).await;
    }
    match state {
        Some(state) if state.champion_version == number => {
            app.endpoints.deploy(&cmd.endpoint, number, model);
            super::crown(app, who, (model_name, alias), number, &because).await?;
            let summary = format!("{} serves version {number} of {model_name}", cmd.endpoint);
            Ok(Deployed { version: number, summary, rollout: None })
        }
        state => {
            let next = match state {
                Some(state) => state.promoted(number, now),
                None => EndpointState::new(&cmd.endpoint, model_name, number, now),
            };
            app.rollouts.put_endpoint(&next).await.context("keeping the endpoint")?;
            app.endpoints.deploy(&cmd.endpoint, number, model);
            super::crown(app, who, (model_name, alias), number, &because).await?;
            let data = json!({ "version": number, "all_at_once": true, "because": because });
            let id = format!("endpoint.deployed/{}/{number}/{now}", cmd.endpoint);
            app.record(id, who, "endpoint.deployed", format!("endpoint/{}", cmd.endpoint), data).await?;
            let summary = format!("{} serves version {number} of {model_name}", cmd.endpoint);
            Ok(Deployed { version: number, summary, rollout: None })
        }
    }
}

/// What lets a version in that somebody deploys by hand: it has the alias already, or passed the gate, or is forced.
async fn admission(
    app: &App,
    who: &Principal,
    settings: &Settings,
    (model, alias): (&str, &str),
    number: u32,
    force: bool,
) -> Result<String, Error> {
    let named = app.registry.version_by_alias(model, alias).await.context("looking for the alias")?;
    if named.is_some_and(|named| named.version == number) {
        return Ok(format!("it is {model}@{alias}"));
    }
    let has_gate = settings.models.get(model).is_some_and(|model| !model.gate.is_empty());
    let reports = app.gate_reports.latest(Some(model), 1000).await.context("looking for gate reports")?;
    let own = reports.into_iter().find(|report| report.challenger_version == Some(number));
    match own {
        Some(report) if report.passed => Ok(report.id),
        _ if force => Ok(format!("forced past the gate by {}", who.name)),
        _ if !has_gate => Ok("deployed by hand: the model has no gate".to_owned()),
        Some(_) => Err(Error::conflict(
            format!("version {number} of {model} did not pass the gate"),
            format!("lemnis models promote {model}/{number} says why; --force deploys it all the same"),
        )),
        None => Err(Error::conflict(
            format!("version {number} of {model} has not met the gate"),
            format!("lemnis models promote {model}/{number} lets it through and rolls it out"),
        )),
    }
}

fn plan(
    app: &App,
    cmd: &Deploy,
    policy: lemnis_serving::rollout::Policy,
    state: &EndpointState,
    number: u32,
    because: &str,
) -> Result<Rollout, Error> {
    Rollout::begin(Begin {
        id: uuid::Uuid::now_v7().simple().to_string(),
        endpoint: cmd.endpoint.clone(),
        from_version: state.champion_version,
        to_version: number,
        policy,
        fault: cmd.fault,
        because: Some(because.to_owned()),
        now: app.clock.now_ms(),
    })
    .context("planning the rollout")
}

async fn begin(
    app: &App,
    who: &Principal,
    rollout: Rollout,
    model: Arc<lemnis_model::Model>,
) -> Result<Deployed, Error> {
    app.rollouts.put_rollout(&rollout).await.context("keeping the rollout")?;
    if let Err(error) = app.endpoints.begin(&rollout, model) {
        // A rollout that routes nothing must not stand in the way of the next one.
        let ended = rollout.aborted(&format!("it could not start: {error}"), app.clock.now_ms());
        app.rollouts.put_rollout(&ended).await.context("ending the rollout")?;
        return Err(error).context("starting the rollout");
    }
    let (endpoint, number) = (&rollout.endpoint, rollout.to_version);
    let data = json!({
        "rollout": rollout.id,
        "from_version": rollout.from_version,
        "to_version": number,
        "steps": rollout.policy.steps,
        "because": rollout.because,
        "fault": rollout.fault,
    });
    let id = format!("rollout.started/{}", rollout.id);
    app.record(id, who, "rollout.started", format!("endpoint/{endpoint}"), data).await?;
    let summary = format!("version {number} gets {} % of the traffic of {endpoint}", rollout.weight_bp / 100);
    Ok(Deployed { version: number, summary, rollout: Some(rollout) })
}
