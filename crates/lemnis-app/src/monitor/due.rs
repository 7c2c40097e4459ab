//! The monitor's own rhythm: an endpoint is checked when a window of new predictions has come since its last check.

use lemnis_core::Principal;
use lemnis_quality::{Outcome, VerdictKind};

use super::check::{Check, check};
use super::react::react;
use super::window::{Wanted, newest};
use crate::model::CHAMPION;
use crate::settings::EndpointSettings;
use crate::{App, Context, Error};

/// How many of the newest verdicts are looked through for the last that was to be reacted to.
const VERDICTS: usize = 20;

/// Checks every endpoint that is due. One that cannot be checked is logged and keeps none of the others waiting.
pub async fn check_due(app: &App, who: &Principal) -> Result<(), Error> {
    let Some(settings) = app.project.settings_if_any()? else { return Ok(()) };
    for (name, endpoint) in &settings.endpoints {
        if app.endpoints.get(name).is_none() {
            continue;
        }
        if let Err(error) = check_one(app, who, name, endpoint).await {
            let error = chain(&error);
            tracing::warn!(endpoint = name.as_str(), error, "an endpoint cannot be checked");
        }
    }
    Ok(())
}

async fn check_one(app: &App, who: &Principal, name: &str, endpoint: &EndpointSettings) -> Result<(), Error> {
    let champion = app
        .registry
        .version_by_alias(endpoint.model_name(), CHAMPION)
        .await
        .context("finding the champion")?;
    let Some(champion) = champion else { return Ok(()) };
    let subject = format!("endpoint/{name}");
    let verdicts = app
        .verdicts
        .latest(Some(&subject), Some(VerdictKind::Drift), VERDICTS)
        .await
        .context("looking for the last verdict")?;
    // A process that ended between a verdict and its reaction leaves the reaction to the next one.
    let pending = verdicts.iter().find(|verdict| {
        verdict.inputs["version"] == champion.version
            && verdict.inputs["react"] == true
            && verdict.outcome != Outcome::NotComputed
    });
    if let Some(verdict) = pending {
        react(app, who, name, endpoint, verdict).await?;
    }
    let fresh = Wanted {
        rows: endpoint.monitor.window_rows,
        version: Some(champion.version),
        from_ms: verdicts.first().map(|verdict| verdict.at_ms),
        ..Wanted::default()
    };
    let fresh = newest(app, name, &fresh).await?;
    if fresh.rows.rows() < endpoint.monitor.window_rows {
        return Ok(());
    }
    let cmd = Check { endpoint: name.to_owned(), rows: None, request_prefix: None, react: true };
    check(app, who, &cmd).await?;
    Ok(())
}

/// The error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
