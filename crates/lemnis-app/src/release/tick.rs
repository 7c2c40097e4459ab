//! The rollouts' controller: what the data plane has seen decides whether traffic moves on or comes back.

use lemnis_core::Principal;
use lemnis_serving::rollout::{Rollout, RolloutState};
use serde_json::json;

use crate::{App, Context, Error};

/// Judges every running rollout and carries out what follows: stored first, routed after.
pub async fn tick(app: &App) -> Result<(), Error> {
    let now = app.clock.now_ms();
    let changes = app.endpoints.tick(now);
    if changes.is_empty() {
        return Ok(());
    }
    let _deploying = app.deploying.lock().await;
    for change in changes {
        let active = app.rollouts.active_rollout(&change.endpoint).await.context("reading the rollout")?;
        if active.is_none_or(|active| active.id != change.id) {
            // Someone ended it while it was judged.
            continue;
        }
        carry_out(app, &change).await?;
    }
    Ok(())
}

async fn carry_out(app: &App, change: &Rollout) -> Result<(), Error> {
    let who = Principal::lemnis();
    if change.state == RolloutState::Promoted {
        let state = app.rollouts.get_endpoint(&change.endpoint).await.context("reading the endpoint")?;
        let state =
            state.ok_or_else(|| Error::Missing { what: "endpoint", name: change.endpoint.clone() })?;
        let next = state.promoted(change.to_version, app.clock.now_ms());
        app.rollouts.settle(change, &next).await.context("ending the rollout")?;
        app.endpoints.apply(change).context("moving the traffic")?;
        let because = change.because.clone().unwrap_or_else(|| change.id.clone());
        let alias = super::alias_of(app, &change.endpoint)?;
        super::crown(app, &who, (&state.model, &alias), change.to_version, &because).await?;
    } else {
        app.rollouts.put_rollout(change).await.context("keeping the rollout")?;
        app.endpoints.apply(change).context("moving the traffic")?;
    }
    let kind = match change.state {
        RolloutState::Progressing => "rollout.advanced",
        RolloutState::Promoted => "rollout.promoted",
        RolloutState::Aborted => "rollout.aborted",
        RolloutState::Superseded => "rollout.superseded",
    };
    let last = change.history.last();
    let data = json!({
        "rollout": change.id,
        "to_version": change.to_version,
        "weight_percent": change.weight_bp / 100,
        "what": last.map(|transition| transition.what.as_str()),
        "evidence": last.map(|transition| &transition.evidence),
    });
    let id = format!("{kind}/{}/{}", change.id, change.step);
    app.record(id, &who, kind, format!("endpoint/{}", change.endpoint), data).await
}
