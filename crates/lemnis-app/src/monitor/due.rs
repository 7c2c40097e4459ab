//! The monitor's own rhythm: an endpoint is checked when a window of new predictions has come since its last check.

use lemnis_core::Principal;
use lemnis_quality::VerdictKind;

use super::check::{Check, check};
use crate::{App, Context, Error};

/// Checks every endpoint that is due.
pub async fn check_due(app: &App, who: &Principal) -> Result<(), Error> {
    let Some(settings) = app.project.settings_if_any()? else { return Ok(()) };
    for (name, endpoint) in &settings.endpoints {
        if app.endpoints.get(name).is_none() {
            continue;
        }
        let subject = format!("endpoint/{name}");
        let last = app
            .verdicts
            .latest(Some(&subject), Some(VerdictKind::Drift), 1)
            .await
            .context("looking for the last verdict")?;
        let since = last.first().map(|verdict| verdict.at_ms);
        let since = since.unwrap_or_default();
        let fresh = app
            .predictions
            .read(name, since, endpoint.monitor.window_rows)
            .await
            .context("counting predictions")?;
        if fresh.rows() < endpoint.monitor.window_rows {
            continue;
        }
        let cmd = Check { endpoint: name.clone(), rows: None, request_prefix: None, react: true };
        check(app, who, &cmd).await?;
    }
    Ok(())
}
