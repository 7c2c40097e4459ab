//! Back to the version before, at once.

use lemnis_core::{Action, Principal};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{App, Context, Error, authorise};

/// What a rollback did.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct RolledBack {
    /// The version that serves now.
    pub version: u32,
    /// One sentence.
    pub summary: String,
}

/// Ends an active rollout, or gives all traffic back to the version before the champion, and the alias with it.
pub async fn rollback(app: &App, who: &Principal, endpoint: &str) -> Result<RolledBack, Error> {
    authorise(who, Action::Operate)?;
    app.project.settings()?.endpoint(endpoint)?;
    let _deploying = app.deploying.lock().await;
    let now = app.clock.now_ms();
    let state = app.rollouts.get_endpoint(endpoint).await.context("reading the endpoint")?;
    let state = state
        .ok_or_else(|| Error::conflict(format!("{endpoint} serves nothing yet"), "deploy a version first"))?;

    let active = app.rollouts.active_rollout(endpoint).await.context("reading the rollout")?;
    if let Some(active) = active {
        let ended = active.aborted(&format!("taken back by {}", who.name), now);
        app.rollouts.put_rollout(&ended).await.context("ending the rollout")?;
        app.endpoints.apply(&ended).context("moving the traffic")?;
        let data = json!({ "rollout": ended.id, "to_version": ended.to_version, "reason": ended.reason });
        let id = format!("rollout.aborted/{}/{}", ended.id, ended.step);
        app.record(id, who, "rollout.aborted", format!("endpoint/{endpoint}"), data).await?;
        let version = state.champion_version;
        let summary =
            format!("the rollout of version {} ended; version {version} has all traffic", ended.to_version);
        return Ok(RolledBack { version, summary });
    }
    let next = state.rolled_back(now).ok_or_else(|| {
        Error::conflict(
            format!("{endpoint} has served version {} only", state.champion_version),
            format!("deploy another version: lemnis deploy {endpoint} --version N"),
        )
    })?;
    app.rollouts.put_endpoint(&next).await.context("keeping the endpoint")?;
    if app.endpoints.rollback(endpoint).is_err() {
        // The version before is not loaded in this process: bring it up from the artifacts.
        super::restore::bring_up(app, &next).await?;
    }
    let because = format!("rollback/{now}");
    let alias = super::alias_of(app, endpoint)?;
    super::crown(app, who, (&next.model, &alias), next.champion_version, &because).await?;
    let data = json!({ "from_version": state.champion_version, "to_version": next.champion_version });
    let id = format!("endpoint.rolled_back/{endpoint}/{now}");
    app.record(id, who, "endpoint.rolled_back", format!("endpoint/{endpoint}"), data).await?;
    let summary = format!("{endpoint} serves version {} again", next.champion_version);
    Ok(RolledBack { version: next.champion_version, summary })
}
