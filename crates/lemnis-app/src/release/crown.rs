//! A version becomes the champion: the alias moves, and every endpoint that follows the alias with it.

use lemnis_core::Principal;
use serde_json::json;

use crate::model::{CHALLENGER, CHAMPION};
use crate::{App, Context, Error};

/// Points `champion` at `version`, because of the evidence named `because`. The same version changes nothing.
pub async fn crown(
    app: &App,
    who: &Principal,
    model: &str,
    version: u32,
    because: &str,
) -> Result<(), Error> {
    let before = app.registry.version_by_alias(model, CHAMPION).await.context("looking for the champion")?;
    let before = before.map(|version| version.version);
    if before == Some(version) {
        return Ok(());
    }
    app.registry.set_alias(model, CHAMPION, Some(version)).await.context("naming the champion")?;
    let challenger =
        app.registry.version_by_alias(model, CHALLENGER).await.context("looking for the challenger")?;
    if challenger.is_some_and(|challenger| challenger.version == version) {
        app.registry.set_alias(model, CHALLENGER, None).await.context("ending the challenge")?;
    }
    let data =
        json!({ "alias": CHAMPION, "from_version": before, "to_version": version, "because": because });
    let id = format!("alias.moved/{model}/{}/{version}/{because}", before.unwrap_or_default());
    app.record(id, who, "alias.moved", format!("model/{model}"), data).await
}
