//! After a start: every endpoint answers again with the version, and the rollout, that the durable state says.

use std::sync::Arc;

use lemnis_core::Principal;
use lemnis_serving::EndpointState;
use lemnis_serving::rollout::RolloutState;

use crate::model::{load, version};
use crate::{App, Context, Error};

/// Brings every endpoint up. One that cannot be brought up is logged and left out; the others answer.
pub async fn restore(app: &App) -> Result<(), Error> {
    for state in app.rollouts.list_endpoints().await.context("reading the endpoints")? {
        if let Err(error) = one(app, &state).await {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(endpoint = state.name, %error, cause, "an endpoint cannot be brought up");
        }
    }
    Ok(())
}

async fn one(app: &App, state: &EndpointState) -> Result<(), Error> {
    bring_up(app, state).await?;
    repair_alias(app, state).await?;
    let active = app.rollouts.active_rollout(&state.name).await.context("reading the rollout")?;
    if let Some(rollout) = active {
        let canary = load(app, &version(app, &state.model, rollout.to_version).await?).await?;
        app.endpoints.begin(&rollout, Arc::new(canary)).context("resuming the rollout")?;
    }
    Ok(())
}

/// A crash between the end of a rollout and the move of the alias left the alias where the rollout started from.
/// An alias that stands anywhere else was put there by someone, and stays.
async fn repair_alias(app: &App, state: &EndpointState) -> Result<(), Error> {
    let newest = app.rollouts.list_rollouts(Some(&state.name), 1).await.context("looking for rollouts")?;
    let Some(last) = newest.first().filter(|rollout| rollout.state == RolloutState::Promoted) else {
        return Ok(());
    };
    let alias = super::alias_of(app, &state.name)?;
    let found = app.registry.version_by_alias(&state.model, &alias).await.context("looking for the alias")?;
    let left_behind = found.is_some_and(|found| found.version == last.from_version);
    if left_behind && last.to_version == state.champion_version {
        let because = last.because.clone().unwrap_or_else(|| last.id.clone());
        super::crown(app, &Principal::lemnis(), (&state.model, &alias), state.champion_version, &because)
            .await?;
    }
    Ok(())
}

/// Loads the champion and the version before it.
pub(super) async fn bring_up(app: &App, state: &EndpointState) -> Result<(), Error> {
    let champion = load(app, &version(app, &state.model, state.champion_version).await?).await?;
    app.endpoints.deploy(&state.name, state.champion_version, Arc::new(champion));
    if let Some(previous) = state.previous_version {
        let kept = async {
            let model = load(app, &version(app, &state.model, previous).await?).await?;
            app.endpoints
                .keep_previous(&state.name, previous, Arc::new(model))
                .context("keeping the version before")
        };
        if let Err(error) = kept.await {
            tracing::warn!(endpoint = state.name, %error, "the version before cannot be kept at hand");
        }
    }
    Ok(())
}
