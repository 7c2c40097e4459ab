//! Aliases that clients of other tools move: refused where only a gate may, recorded everywhere else.

use lemnis_core::Principal;
use lemnis_tracking::{Code, Error as TrackingError};
use serde_json::json;

use crate::{App, Error};

/// Points `alias` of `model` at `version`, or at none, as an MLflow client asks for.
///
/// Refused with `PERMISSION_DENIED` where the alias belongs to a protected environment of `lemnis.yaml`.
pub async fn set_alias(
    app: &App,
    who: &Principal,
    model: &str,
    alias: &str,
    version: Option<u32>,
) -> Result<(), TrackingError> {
    if let Some(environment) = protecting(app, model, alias).map_err(TrackingError::store)? {
        return Err(TrackingError::Refused {
            code: Code::PermissionDenied,
            message: format!(
                "The alias '{alias}' of model '{model}' is protected: a version gets it through the gate of \
                 '{environment}', with lemnis models promote {model}/VERSION --environment {environment}"
            ),
        });
    }
    let before = app.registry.version_by_alias(model, alias).await?.map(|version| version.version);
    app.registry.set_alias(model, alias, version).await?;
    if before == version {
        return Ok(());
    }
    let data =
        json!({ "alias": alias, "from_version": before, "to_version": version, "because": "MLflow API" });
    let id = format!("alias.moved/{model}/{alias}/{}/{}", version.unwrap_or(0), app.clock.now_ms());
    app.record(id, who, "alias.moved", format!("model/{model}"), data).await.map_err(TrackingError::store)
}

/// The protected environment that `alias` belongs to.
fn protecting(app: &App, model: &str, alias: &str) -> Result<Option<String>, Error> {
    let Some(settings) = app.project.settings_if_any()? else { return Ok(None) };
    let Some(model) = settings.models.get(model) else { return Ok(None) };
    let mut environments = model.environments();
    let found = environments.find(|environment| environment.protected && environment.alias == alias);
    Ok(found.map(|environment| environment.name.to_owned()))
}
