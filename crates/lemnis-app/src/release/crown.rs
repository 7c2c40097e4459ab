//! A version takes an endpoint: the alias that the endpoint follows moves with it.

use lemnis_core::Principal;
use serde_json::json;

use crate::model::CHALLENGER;
use crate::{App, Context, Error};

/// Points `alias` at `version`, because of the evidence named `because`; the version no longer challenges.
pub(crate) async fn crown(
    app: &App,
    who: &Principal,
    (model, alias): (&str, &str),
    version: u32,
    because: &str,
) -> Result<(), Error> {
    let challenger =
        app.registry.version_by_alias(model, CHALLENGER).await.context("looking for the challenger")?;
    point(app, who, (model, alias), version, because).await?;
    if alias != CHALLENGER && challenger.is_some_and(|challenger| challenger.version == version) {
        app.registry.set_alias(model, CHALLENGER, None).await.context("ending the challenge")?;
    }
    Ok(())
}

/// Points `alias` at `version`, because of the evidence named `because`. A version that has it already keeps it.
pub(crate) async fn point(
    app: &App,
    who: &Principal,
    (model, alias): (&str, &str),
    version: u32,
    because: &str,
) -> Result<(), Error> {
    let before = app.registry.version_by_alias(model, alias).await.context("looking for the alias")?;
    let before = before.map(|version| version.version);
    if before == Some(version) {
        return Ok(());
    }
    app.registry.set_alias(model, alias, Some(version)).await.context("moving the alias")?;
    let data = json!({ "alias": alias, "from_version": before, "to_version": version, "because": because });
    let id = format!("alias.moved/{model}/{alias}/{version}/{}", app.clock.now_ms());
    app.record(id, who, "alias.moved", format!("model/{model}"), data).await
}

/// The alias that `endpoint` follows; `champion` where `lemnis.yaml` no longer declares it.
pub(super) fn alias_of(app: &App, endpoint: &str) -> Result<String, Error> {
    let settings = app.project.settings_if_any()?;
    let declared = settings.as_ref().and_then(|settings| settings.endpoints.get(endpoint));
    Ok(declared.map_or(crate::model::CHAMPION, |endpoint| endpoint.alias()).to_owned())
}
