//! What differs from the recorded state, in the shape of `dvc status --json`.

use std::path::Path;

use indexmap::IndexMap;
use serde::Serialize;

use crate::error::Result;
use crate::hash::{HashName, Recorded};
use crate::imports::{self, external};
use crate::index::Index;
use crate::params::{self, Change};
use crate::remote::OpenStore;
use crate::repo::Repo;
use crate::select::{Reach, Selected};
use crate::stage::{Out, Stage};
use crate::workspace::Workspace;

/// Stage → what changed; empty when everything is up to date.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Status {
    /// By the stage's name as seen from where the repository was opened.
    pub stages: IndexMap<String, Vec<StageChange>>,
    /// Stages whose dependencies were not looked at.
    #[serde(skip)]
    pub frozen: Vec<String>,
    /// There are neither stages nor tracked data.
    #[serde(skip)]
    pub tracks_nothing: bool,
}

impl Status {
    /// Whether nothing changed.
    pub fn is_clean(&self) -> bool {
        self.stages.is_empty()
    }
}

/// One way in which a stage is out of date.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum StageChange {
    /// Dependencies and parameters.
    Deps {
        /// Path → `modified`, `deleted` or `new`, or parameter → the same.
        #[serde(rename = "changed deps")]
        changed: IndexMap<String, DepChange>,
    },
    /// Outputs.
    Outs {
        /// Path → `modified`, `deleted` or `not in cache`.
        #[serde(rename = "changed outs")]
        changed: IndexMap<String, String>,
    },
    /// `always changed`, `changed command`, or of an import `changed checksum`.
    Note(String),
}

/// How a dependency changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum DepChange {
    /// The file or directory as a whole.
    Path(String),
    /// Single parameters of a file.
    Params(IndexMap<String, String>),
}

/// What to compare.
#[derive(Clone, Debug, Default)]
pub struct StatusOptions {
    /// Stages, files, outputs or paths inside them; none means all stages.
    pub targets: Vec<String>,
    /// The stages that the targets depend on as well.
    pub with_deps: bool,
    /// Targets that are directories stand for every stage below them.
    pub recursive: bool,
    /// The sources of imports are not asked for something newer.
    pub no_updates: bool,
}

/// Compares the workspace with `.dvc` files and `dvc.lock`. No targets mean all stages. What lies in a store is looked
/// at only with `stores`.
pub fn status(repo: &Repo, options: &StatusOptions, stores: Option<&dyn OpenStore>) -> Result<Status> {
    let mut workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    let mut status = Status { tracks_nothing: index.stages.is_empty(), ..Status::default() };
    if options.with_deps {
        index.check(repo)?;
    }
    let reach = Reach { with_deps: options.with_deps, recursive: options.recursive };
    for selected in index.select(repo, &options.targets, reach)? {
        let stage = &index.stages[selected.at];
        let address = stage.address(repo);
        if stage.frozen && !stage.import {
            status.frozen.push(address.clone());
        }
        let changes = stage_changes(&mut workspace, stage, &selected, options, stores)?;
        if !changes.is_empty() {
            status.stages.insert(address, changes);
        }
    }
    workspace.close()?;
    Ok(status)
}

fn stage_changes(
    workspace: &mut Workspace<'_>,
    stage: &Stage,
    selected: &Selected,
    options: &StatusOptions,
    stores: Option<&dyn OpenStore>,
) -> Result<Vec<StageChange>> {
    let mut out = Vec::new();
    let has_news =
        stage.import && !options.no_updates && stage.deps.iter().any(|dep| dep.from_repo || dep.versioned);
    if !stage.frozen || has_news {
        let changed = deps(workspace, stage, stores)?;
        if !changed.is_empty() {
            out.push(StageChange::Deps { changed });
        }
    }
    let mut changed = IndexMap::new();
    for (entry, _) in selected.outs(stage) {
        if let Some(change) = output(workspace, entry)? {
            changed.insert(workspace.repo.show(&entry.path), change.to_owned());
        }
    }
    if !changed.is_empty() {
        out.push(StageChange::Outs { changed });
    }
    if stage.is_callback() || stage.always_changed {
        out.push(StageChange::Note("always changed".into()));
    }
    if stage.cmd_changed {
        let what = if stage.name.is_some() { "changed command" } else { "changed checksum" };
        out.push(StageChange::Note(what.into()));
    }
    Ok(out)
}

/// The dependencies that changed. What lies in a store is looked at only with `stores`.
pub(crate) fn deps(
    workspace: &mut Workspace<'_>,
    stage: &Stage,
    stores: Option<&dyn OpenStore>,
) -> Result<IndexMap<String, DepChange>> {
    let mut changed = IndexMap::new();
    if stage.import {
        let source = imports::changed_source(workspace, stage, stores)?;
        changed.extend(source.map(|(name, state)| (name, DepChange::Path(state.into()))));
        return Ok(changed);
    }
    for dep in &stage.deps {
        if let Some(change) = compare(workspace, &dep.path, dep.recorded.as_ref())? {
            changed.insert(workspace.repo.show(&dep.path), DepChange::Path(change.into()));
        }
    }
    for one in &stage.external {
        let change = match stores {
            Some(stores) => external::change(workspace, &stage.wdir, one, stores)?,
            None => one.recorded.is_none().then_some("modified"),
        };
        if let Some(change) = change {
            changed.insert(one.url.clone(), DepChange::Path(change.into()));
        }
    }
    for dep in &stage.params {
        let change = match params::change(workspace.repo, dep)? {
            None => continue,
            Some(Change::File(what)) => DepChange::Path(what.into()),
            Some(Change::Keys(keys)) => {
                DepChange::Params(keys.into_iter().map(|(key, what)| (key, what.to_owned())).collect())
            }
        };
        changed.insert(workspace.repo.show(&dep.path), change);
    }
    Ok(changed)
}

/// How an output changed, if it did.
pub(crate) fn output(workspace: &mut Workspace<'_>, out: &Out) -> Result<Option<&'static str>> {
    if let Some(recorded) = out.recorded.as_ref().filter(|_| out.cache)
        && workspace.cache.missing(recorded)? > 0
    {
        return Ok(Some("not in cache"));
    }
    compare(workspace, &out.path, out.recorded.as_ref())
}

/// How what stands at `path` differs from the record.
pub(crate) fn compare(
    workspace: &mut Workspace<'_>,
    path: &Path,
    recorded: Option<&Recorded>,
) -> Result<Option<&'static str>> {
    let name = recorded.map_or(HashName::Md5, |recorded| recorded.name);
    if recorded.is_none() {
        let there = crate::fsx::metadata(path)?.is_some();
        return Ok(Some(if there { "modified" } else { "deleted" }));
    }
    let Some(now) = workspace.snapshot(path, name)? else { return Ok(Some("deleted")) };
    let same = recorded.is_some_and(|recorded| recorded.md5 == now.recorded.md5);
    Ok((!same).then_some("modified"))
}
