//! After a start: every endpoint answers again with the version, and the rollout, that the durable state says.

use std::sync::Arc;

use lemnis_core::Principal;
use lemnis_serving::EndpointState;

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
    // A crash between the end of a rollout and the move of the alias left the alias behind.
    super::crown(app, &Principal::lemnis(), &state.model, state.champion_version, "restored").await?;
    let active = app.rollouts.active_rollout(&state.name).await.context("reading the rollout")?;
    if let Some(rollout) = active {
        let canary = load(app, &version(app, &state.model, rollout.to_version).await?).await?;
        app.endpoints.begin(&rollout, Arc::new(canary)).context("resuming the rollout")?;
    }
    Ok(())
}

/// Loads the champion and the version before it.
pub(super) async fn bring_up(app: &App, state: &EndpointState) -> Result<(), Error> {
    let champion = load(app, &version(app, &state.model, state.champion_version).await?).await?;
    app.endpoints.deploy(&state.name, state.champion_version, Arc::new(champion));
    if let Some(previous) = state.previous_version {
        match version(app, &state.model, previous).await {
            Ok(found) => {
                let model = load(app, &found).await?;
                app.endpoints
                    .keep_previous(&state.name, previous, Arc::new(model))
                    .context("keeping the version before")?;
            }
            Err(error) => tracing::warn!(endpoint = state.name, %error, "the version before is gone"),
        }
    }
    Ok(())
}
