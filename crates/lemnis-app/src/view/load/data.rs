//! Versioned data and stages from the repository, with the results of their checks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use lemnis_data::{DepChange, Environment, PipelineStage, Repo, StageChange, Status};
use lemnis_quality::VerdictKind;

use super::blocking;
use super::validation::validation;
use crate::view::{DataList, Dataset, StageRow, State, Validation};
use crate::{App, Context, Error};

/// Verdicts that are looked at.
const VERDICTS: usize = 200;
/// Files of a folder whose sizes are added up.
const MAX_FILES: u64 = 10_000;

/// All versioned data and all stages.
pub async fn data(app: &App) -> Result<DataList, Error> {
    let verdicts = app
        .verdicts
        .latest(None, Some(VerdictKind::Validation), VERDICTS)
        .await
        .context("looking for validations")?;
    let mut checks: HashMap<String, Vec<Validation>> = HashMap::new();
    for verdict in &verdicts {
        if let Some(path) = verdict.subject.strip_prefix("data/") {
            checks.entry(path.to_owned()).or_default().push(validation(verdict));
        }
    }
    let root = app.project.root().to_path_buf();
    let environment = app.environment.clone();
    let mut list = blocking(move || read(&root, &environment)).await?;
    for dataset in &mut list.datasets {
        dataset.validations = checks.remove(&dataset.path).unwrap_or_default();
    }
    // Data that is checked but not versioned has results to show, too.
    let mut rest: Vec<_> = checks.into_iter().collect();
    rest.sort_by(|a, b| a.0.cmp(&b.0));
    list.datasets.extend(rest.into_iter().map(|(path, validations)| Dataset {
        path,
        digest: None,
        size_bytes: None,
        files: None,
        stage: None,
        state: State::Idle,
        validations,
    }));
    Ok(list)
}

fn read(root: &Path, environment: &Environment) -> Result<DataList, Error> {
    let mut list = DataList { datasets: Vec::new(), stages: Vec::new() };
    if !root.join(".dvc").is_dir() {
        return Ok(list);
    }
    let repo = Repo::discover(root, environment).context("opening the data repository")?;
    let pipeline = lemnis_data::pipeline(&repo).context("reading the pipeline")?;
    let status = lemnis_data::status(&repo, &lemnis_data::StatusOptions::default(), None)
        .context("comparing data with its record")?;
    for stage in &pipeline.stages {
        let changed = changes(&status, &stage.name);
        let is_data = stage.cmd.is_empty();
        for out in &stage.outs {
            let path = root.join(&out.path);
            let (size_bytes, files) = size(&path);
            let is_changed = changed.iter().any(|what| what.starts_with(&out.path));
            list.datasets.push(Dataset {
                path: out.path.clone(),
                digest: out.digest.as_ref().map(ToString::to_string),
                size_bytes,
                files,
                stage: (!is_data).then(|| stage.name.clone()),
                state: match (size_bytes, is_changed) {
                    (None, _) => State::Idle,
                    (_, true) => State::Attention,
                    _ => State::Ok,
                },
                validations: Vec::new(),
            });
        }
        if !is_data {
            list.stages.push(row(stage, changed));
        }
    }
    list.datasets.sort_by_key(|dataset| dataset.stage.is_some());
    Ok(list)
}

fn row(stage: &PipelineStage, changed: Vec<String>) -> StageRow {
    let made = stage.outs.iter().all(|out| out.digest.is_some());
    StageRow {
        name: stage.name.clone(),
        command: stage.cmd.join("\n"),
        deps: stage.deps.clone(),
        outs: stage.outs.iter().map(|out| out.path.clone()).collect(),
        params: stage
            .params
            .iter()
            .flat_map(|params| match params.keys.as_slice() {
                [] => vec![params.file.clone()],
                keys => keys.to_vec(),
            })
            .collect(),
        state: match (changed.is_empty(), made) {
            (true, true) => State::Ok,
            (_, false) => State::Idle,
            (false, true) => State::Attention,
        },
        changed,
    }
}

/// What changed for a stage or a tracked file, as `path modified` or `param new`.
fn changes(status: &Status, name: &str) -> Vec<String> {
    let mut changed = Vec::new();
    for change in status.stages.get(name).into_iter().flatten() {
        match change {
            StageChange::Deps { changed: paths } => {
                changed.extend(paths.iter().flat_map(|(path, how)| words(path, how)))
            }
            StageChange::Outs { changed: paths } => {
                changed.extend(paths.iter().map(|(path, how)| format!("{path} {how}")))
            }
            StageChange::Note(word) => changed.push(word.clone()),
        }
    }
    changed
}

fn words(path: &str, how: &DepChange) -> Vec<String> {
    match how {
        DepChange::Path(how) => vec![format!("{path} {how}")],
        DepChange::Params(params) => params.iter().map(|(name, how)| format!("{name} {how}")).collect(),
    }
}

/// The bytes of a file, or of a folder with the number of its files; nothing where there is none.
fn size(path: &Path) -> (Option<u64>, Option<u64>) {
    let Ok(metadata) = std::fs::metadata(path) else { return (None, None) };
    if metadata.is_file() {
        return (Some(metadata.len()), None);
    }
    let (mut bytes, mut files) = (0, 0);
    let mut folders: Vec<PathBuf> = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                bytes += metadata.len();
                files += 1;
            }
            if files >= MAX_FILES {
                return (None, Some(files));
            }
        }
    }
    (Some(bytes), Some(files))
}
