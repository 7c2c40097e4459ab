//! An alias goes back to the version that had it before, in one act.

use lemnis_core::{Action, Principal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::release;
use crate::{App, Context, Error, authorise};

/// How many events are searched for the version before.
const EVENTS: usize = 1_000;

/// Takes an environment back.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
pub struct Rollback {
    /// The registered model's name.
    pub model: String,
    /// The environment; production where none is given.
    #[serde(default)]
    pub environment: Option<String>,
}

/// What was taken back.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Restored {
    /// The alias.
    pub alias: String,
    /// The version that has it now.
    pub version: u32,
    /// One sentence.
    pub summary: String,
}

/// Gives the environment's alias back to the version that had it before. Endpoints that follow the alias go first, all
/// their traffic at once.
pub async fn rollback(app: &App, who: &Principal, cmd: &Rollback) -> Result<Restored, Error> {
    authorise(who, Action::Operate)?;
    let settings = app.project.settings()?;
    let environment = settings.model(&cmd.model)?.environment(cmd.environment.as_deref())?;
    let alias = environment.alias;
    let followers: Vec<&String> = settings
        .endpoints
        .iter()
        .filter(|(_, endpoint)| endpoint.model_name() == cmd.model && endpoint.alias() == alias)
        .map(|(name, _)| name)
        .collect();
    let mut followed = None;
    for endpoint in followers {
        if app.rollouts.get_endpoint(endpoint).await.context("reading the endpoint")?.is_some() {
            followed = Some(release::rollback(app, who, endpoint).await?);
        }
    }
    if let Some(done) = followed {
        return Ok(Restored { alias: alias.to_owned(), version: done.version, summary: done.summary });
    }
    let holder = app.registry.version_by_alias(&cmd.model, alias).await.context("looking for the alias")?;
    let holder = holder.map(|version| version.version);
    let before = before(app, &cmd.model, alias, holder).await?.ok_or_else(|| {
        Error::conflict(
            format!("no version of {} had the alias {alias} before", cmd.model),
            format!(
                "name one: lemnis models promote {}/VERSION --environment {}",
                cmd.model, environment.name
            ),
        )
    })?;
    let because = format!("rollback/{}", app.clock.now_ms());
    release::point(app, who, (&cmd.model, alias), before, &because).await?;
    let summary = format!("{} version {before} has the alias {alias} again", cmd.model);
    Ok(Restored { alias: alias.to_owned(), version: before, summary })
}

/// The version that the newest move of `alias` to `holder` took it from, if it still exists.
async fn before(app: &App, model: &str, alias: &str, holder: Option<u32>) -> Result<Option<u32>, Error> {
    let subject = format!("model/{model}");
    let events = app.events.latest(Some(&subject), EVENTS).await.context("looking for moves of the alias")?;
    let moves =
        events.into_iter().filter(|event| event.kind == "alias.moved" && event.data["alias"] == alias);
    for event in moves {
        if event.data["to_version"].as_u64() != holder.map(u64::from) {
            continue;
        }
        let Some(from) = event.data["from_version"].as_u64().and_then(|number| u32::try_from(number).ok())
        else {
            continue;
        };
        if app.registry.get_version(model, from).await.context("looking for the version")?.is_some() {
            return Ok(Some(from));
        }
    }
    Ok(None)
}
