//! The built-in stages: `prepare`, `train`, `evaluate`. They read and write files; the latter two also log their run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lemnis_app::stage::{self, PrepareParams, TrainParams, TrainedModel};
use lemnis_app::{frame, git};
use lemnis_core::Digest;

use crate::cli::{Evaluate, Prepare, Train};
use crate::context::Context;
use crate::mlflow::{Mlflow, Run};
use crate::output::{self, Failure, io_failure};

/// The most rows of the training data that a run keeps as the reference of drift checks.
const REFERENCE_ROWS: usize = 5_000;

pub fn prepare(context: &Context, arguments: &Prepare) -> Result<(), Failure> {
    let params: PrepareParams = stage::read_section(&context.path(&arguments.params), "prepare")?;
    let feedback = arguments.feedback.as_ref().map(|path| context.path(path));
    let prepared = stage::prepare(
        &context.path(&arguments.data),
        feedback.as_deref(),
        &context.path(&arguments.out),
        &params,
    )?;
    if context.json {
        return output::json(&prepared);
    }
    output::line(format!(
        "{} rows to train on, {} held out, {} to replay; {} features",
        prepared.train_rows,
        prepared.holdout_rows,
        prepared.live_rows,
        prepared.features.len()
    ));
    if prepared.feedback_rows > 0 {
        output::line(format!("{} labelled live rows joined them", prepared.feedback_rows));
    }
    if prepared.rows_without_target > 0 {
        output::line(format!("{} rows left out: no target", prepared.rows_without_target));
    }
    Ok(())
}

pub fn train(context: &Context, arguments: &Train) -> Result<(), Failure> {
    let params: TrainParams = stage::read_section(&context.path(&arguments.params), "train")?;
    let data = context.path(&arguments.data);
    let out = context.path(&arguments.out);
    let Some(uri) = &arguments.tracking_uri else {
        let trained = stage::train(&data, &out, &params)?;
        say_trained(context, &trained, None)?;
        return Ok(());
    };
    let mlflow = Mlflow::new(uri, context.token.clone())?;
    context.block_on(async {
        let experiment = mlflow.experiment(&arguments.experiment).await?;
        let started = context.clock.now_ms();
        let data_bytes = std::fs::read(&data).map_err(io_failure(format!("reading {}", data.display())))?;
        let data_digest = Digest::sha256(&data_bytes);
        drop(data_bytes);
        let tags = run_tags(context, &data_digest)?;
        let run = mlflow.start_run(&experiment, "baseline", started, &tags).await?;
        let outcome = log_training(context, &mlflow, &run, &data, &out, &params, &data_digest).await;
        let status = if outcome.is_ok() { "FINISHED" } else { "FAILED" };
        mlflow.end_run(&run.id, status, context.clock.now_ms()).await?;
        say_trained(context, &outcome?, Some(&run))
    })
}

async fn log_training(
    context: &Context,
    mlflow: &Mlflow,
    run: &Run,
    data: &Path,
    out: &Path,
    params: &TrainParams,
    data_digest: &Digest,
) -> Result<TrainedModel, Failure> {
    let source = data.display().to_string();
    let name = data.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    mlflow.log_input(&run.id, &name, data_digest.short(), &source).await?;
    let trained = stage::train(data, out, params)?;
    let mut logged = vec![("target".to_owned(), params.target.clone())];
    for (key, value) in trained.params.as_object().into_iter().flatten() {
        logged.push((key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    }
    let now = context.clock.now_ms();
    let metrics = [("training_rows".to_owned(), trained.rows as f64)].into();
    mlflow.log(&run.id, &logged, &metrics, now).await?;
    mlflow.log_history(&run.id, "validation_loss", &trained.history, now).await?;

    for file in files_below(out)? {
        let relative = file.strip_prefix(out).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        mlflow.log_artifact(run, &file, &format!("model/{relative}")).await?;
    }
    let scratch = tempfile::tempdir().map_err(io_failure("making a temporary folder"))?;
    let reference = scratch.path().join("reference.parquet");
    let table = frame::read_table(data)?;
    let every = table.rows().div_ceil(REFERENCE_ROWS).max(1);
    let rows: Vec<usize> = (0..table.rows()).step_by(every).collect();
    table.take(&rows)?.write_parquet(&reference)?;
    mlflow.log_artifact(run, &reference, "reference/reference.parquet").await?;
    let importance = scratch.path().join("importance.json");
    let text = serde_json::to_string_pretty(&trained.importance).unwrap_or_default();
    std::fs::write(&importance, text).map_err(io_failure("writing the importances"))?;
    mlflow.log_artifact(run, &importance, "importance.json").await?;
    // The tag comes last: a run that carries it has everything that a version needs.
    mlflow.set_tag(&run.id, "lemnis.model_digest", trained.model_digest.as_str()).await?;
    Ok(trained)
}

fn run_tags(context: &Context, data_digest: &Digest) -> Result<Vec<(String, String)>, Failure> {
    let mut tags = vec![
        ("mlflow.source.name".to_owned(), "lemnis train".to_owned()),
        ("mlflow.source.type".to_owned(), "LOCAL".to_owned()),
        ("mlflow.user".to_owned(), context.user.clone()),
        ("lemnis.data_digest".to_owned(), data_digest.to_string()),
    ];
    if let Some(commit) = git::head(&context.dir)? {
        tags.push(("mlflow.source.git.commit".to_owned(), commit));
    }
    // As MLflow's own clients do: whoever starts the process names tags in this variable.
    let given = context.environment.get("MLFLOW_RUN_CONTEXT");
    let given: BTreeMap<String, String> =
        given.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    if let Some(stage) = context.stage.as_ref().filter(|_| !given.contains_key("lemnis.stage")) {
        tags.push(("lemnis.stage".to_owned(), stage.clone()));
    }
    tags.extend(given);
    Ok(tags)
}

fn say_trained(context: &Context, trained: &TrainedModel, run: Option<&Run>) -> Result<(), Failure> {
    if context.json {
        return output::json(trained);
    }
    let loss = trained.history.iter().map(|(_, loss)| *loss).fold(f64::INFINITY, f64::min);
    output::line(format!(
        "trained on {} rows: {} trees, validation loss {loss:.4}, model {}",
        trained.rows,
        trained.history.len(),
        trained.model_digest.short()
    ));
    match run {
        Some(run) => output::line(format!("logged as run {}", run.id)),
        None => output::line("not logged: no tracking server (set MLFLOW_TRACKING_URI or start `lemnis up`)"),
    }
    Ok(())
}

pub fn evaluate(context: &Context, arguments: &Evaluate) -> Result<(), Failure> {
    let params: TrainParams = stage::read_section(&context.path(&arguments.params), "train")?;
    let evaluated = stage::evaluate(
        &context.path(&arguments.model),
        &context.path(&arguments.data),
        &context.path(&arguments.metrics),
        &params,
    )?;
    if let Some(uri) = &arguments.tracking_uri {
        let mlflow = Mlflow::new(uri, context.token.clone())?;
        context.block_on(async {
            let runs = mlflow.runs_with_tag("lemnis.model_digest", evaluated.model_digest.as_str()).await?;
            match runs.first() {
                Some(run) => mlflow.log(run, &[], &evaluated.metrics, context.clock.now_ms()).await,
                None => Ok(()),
            }
        })?;
    }
    if context.json {
        return output::json(&evaluated);
    }
    let rows =
        evaluated.metrics.iter().map(|(name, value)| vec![name.clone(), format!("{value:.4}")]).collect();
    output::line(output::table(&["metric", "value"], rows));
    Ok(())
}

fn files_below(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    let mut waiting = vec![dir.to_path_buf()];
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(&dir).map_err(io_failure(format!("reading {}", dir.display())))? {
            let entry = entry.map_err(io_failure(format!("reading {}", dir.display())))?;
            let kind = entry.file_type().map_err(io_failure(format!("reading {}", dir.display())))?;
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}
