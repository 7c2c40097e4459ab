//! Labelled live rows become training data: one file for each verdict, in the columns of the prepared table.

use lemnis_core::{Action, Principal};
use serde::{Deserialize, Serialize};

use crate::model::CHAMPION;
use crate::monitor::labelled;
use crate::{App, Context, Error, authorise, monitor};

/// Collects an endpoint's newest labelled rows.
#[derive(Clone, Debug, Deserialize)]
pub struct Collect {
    /// The endpoint.
    pub endpoint: String,
    /// The verdict that asks for it; the file carries its name.
    #[serde(default)]
    pub verdict: Option<String>,
}

/// What was collected.
#[derive(Clone, Debug, Serialize)]
pub struct Collected {
    /// The file, relative to the project.
    pub file: String,
    /// Its rows.
    pub rows: usize,
}

/// Writes the labelled rows of the verdict's window into `data/feedback`. The same verdict makes the same file.
pub async fn collect(app: &App, who: &Principal, cmd: &Collect) -> Result<Collected, Error> {
    authorise(who, Action::Operate)?;
    let settings = app.project.settings()?;
    let endpoint = settings.endpoint(&cmd.endpoint)?;
    let model = settings.model(endpoint.model_name())?;
    let champion = app
        .registry
        .version_by_alias(endpoint.model_name(), CHAMPION)
        .await
        .context("finding the champion")?;
    let champion = champion.ok_or_else(|| {
        Error::conflict(format!("{} serves no version yet", cmd.endpoint), "promote a version first")
    })?;

    let verdict = match &cmd.verdict {
        Some(id) => {
            let found = app.verdicts.get(id).await.context("looking for the verdict")?;
            Some(found.ok_or_else(|| Error::Missing { what: "verdict", name: id.clone() })?)
        }
        None => None,
    };
    let rows = verdict.as_ref().and_then(|verdict| verdict.inputs["rows"].as_u64()).map(|rows| rows as usize);
    let prefix =
        verdict.as_ref().and_then(|verdict| verdict.inputs["request_prefix"].as_str()).map(str::to_owned);
    let window = monitor::newest(app, &cmd.endpoint, endpoint, rows, prefix.as_deref()).await?;
    let joined = labelled(app, &cmd.endpoint, model, &window).await?.ok_or_else(|| {
        Error::conflict(
            format!("no prediction of {} has a label yet", cmd.endpoint),
            format!("report the truth to POST /api/v1/endpoints/{}:feedback", cmd.endpoint),
        )
    })?;
    let loaded = crate::model::load(app, &champion).await?;
    let features: Vec<&str> = loaded.signature().inputs.iter().map(|field| field.name.as_str()).collect();
    let table = joined.as_training_rows(model, &features)?;

    let name = match &verdict {
        Some(verdict) => verdict.id.clone(),
        None => format!("manual-{}", app.clock.now_ms()),
    };
    let file = format!("data/feedback/{name}.csv");
    let path = app.project.root().join(&file);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(Error::file(parent, "created"))?;
    }
    table.write_csv(&path).context(format!("writing {}", path.display()))?;
    let data = serde_json::json!({ "file": file, "rows": table.rows(), "verdict": cmd.verdict });
    app.record(
        format!("feedback.collected/{name}"),
        who,
        "feedback.collected",
        format!("endpoint/{}", cmd.endpoint),
        data,
    )
    .await?;
    Ok(Collected { file, rows: table.rows() })
}
