//! Labelled live rows become training data: one file for each verdict, in the columns of the prepared table.

use std::path::Path;

use lemnis_core::{Action, Principal};
use lemnis_quality::Verdict;
use lemnis_table::Table;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::frame::read_table;
use crate::model::CHAMPION;
use crate::monitor::{Labels, Wanted, labelled};
use crate::settings::{EndpointSettings, ModelSettings};
use crate::{App, Context, Error, authorise, blocking, monitor};

/// Collects an endpoint's newest labelled rows.
#[derive(Clone, Debug, JsonSchema, Deserialize)]
pub struct Collect {
    /// The endpoint.
    pub endpoint: String,
    /// The verdict that asks for it; the file carries its name.
    #[serde(default)]
    pub verdict: Option<String>,
}

/// What was collected.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Collected {
    /// The file, relative to the project.
    pub file: String,
    /// Its rows.
    pub rows: usize,
}

/// Writes the labelled rows of the verdict's window into `data/feedback`. The same verdict makes the same file: what it
/// made once stays as it is, whatever was predicted or labelled since.
pub async fn collect(app: &App, who: &Principal, cmd: &Collect) -> Result<Collected, Error> {
    authorise(who, Action::Operate)?;
    let settings = app.project.settings()?;
    let endpoint = settings.endpoint(&cmd.endpoint)?;
    let model = settings.model(endpoint.model_name())?;
    let verdict = match &cmd.verdict {
        Some(id) => Some(verdict(app, &cmd.endpoint, id).await?),
        None => None,
    };
    let name = match &verdict {
        Some(verdict) => verdict.id.clone(),
        None => format!("manual-{}", app.clock.now_ms()),
    };
    let file = format!("data/feedback/{name}.csv");
    let path = app.project.root().join(&file);
    let there = path.clone();
    let known = blocking(move || there.is_file().then(|| read_table(&there)).transpose()).await?;
    let table = match known {
        Some(table) => table,
        None => {
            let table = labelled_rows(app, &cmd.endpoint, endpoint, model, verdict.as_ref()).await?;
            blocking(move || write(&table, &path).map(|()| table)).await?
        }
    };
    let rows = table.rows();
    let data = serde_json::json!({ "file": file, "rows": rows, "verdict": cmd.verdict });
    app.record(
        format!("feedback.collected/{name}"),
        who,
        "feedback.collected",
        format!("endpoint/{}", cmd.endpoint),
        data,
    )
    .await?;
    Ok(Collected { file, rows })
}

/// The verdict with `id`, if it is one on the endpoint.
async fn verdict(app: &App, endpoint: &str, id: &str) -> Result<Verdict, Error> {
    monitor::check_id(id)?;
    let found = app.verdicts.get(id).await.context("looking for the verdict")?;
    let found = found.ok_or_else(|| Error::Missing { what: "verdict", name: id.to_owned() })?;
    if found.subject != format!("endpoint/{endpoint}") {
        return Err(Error::invalid(format!(
            "verdict {id} is on {}, not on endpoint {endpoint}",
            found.subject
        )));
    }
    Ok(found)
}

/// The labelled rows of the verdict's window, or the newest ones without a verdict.
async fn labelled_rows(
    app: &App,
    name: &str,
    endpoint: &EndpointSettings,
    model: &ModelSettings,
    verdict: Option<&Verdict>,
) -> Result<Table, Error> {
    let champion = app
        .registry
        .version_by_alias(endpoint.model_name(), CHAMPION)
        .await
        .context("finding the champion")?;
    let champion = champion
        .ok_or_else(|| Error::conflict(format!("{name} serves no version yet"), "promote a version first"))?;
    let said = |key: &str| verdict.map(|verdict| &verdict.inputs[key]);
    let wanted = Wanted {
        rows: said("rows")
            .and_then(Value::as_u64)
            .map_or(endpoint.monitor.window_rows, |rows| usize::try_from(rows).unwrap_or(usize::MAX)),
        prefix: said("request_prefix").and_then(Value::as_str).map(str::to_owned),
        version: said("version").and_then(Value::as_u64).and_then(|version| u32::try_from(version).ok()),
        from_ms: said("from_ms").and_then(Value::as_i64),
        to_ms: said("to_ms").and_then(Value::as_i64),
    };
    let window = monitor::newest(app, name, &wanted).await?;
    let accepted = Labels::of(app, name, model, Some(&champion)).await?;
    let joined = labelled(app, name, model, &accepted, &window).await?.ok_or_else(|| {
        Error::conflict(
            format!("no prediction of {name} has a label yet"),
            format!("report the truth to POST /api/v1/endpoints/{name}:feedback"),
        )
    })?;
    let loaded = crate::model::load(app, &champion).await?;
    let features: Vec<&str> = loaded.signature().inputs.iter().map(|field| field.name.as_str()).collect();
    joined.as_training_rows(model, &features)
}

/// Writes beside the name and renames: a file that is there is whole.
fn write(table: &Table, path: &Path) -> Result<(), Error> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(Error::file(parent, "created"))?;
    }
    table.write_csv(path).context(format!("writing {}", path.display()))
}
