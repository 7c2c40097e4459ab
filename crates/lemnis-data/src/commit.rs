//! Records what the workspace holds, without running anything.

use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::imports;
use crate::index::Index;
use crate::remote::OpenStore;
use crate::repo::Repo;
use crate::reproduce::record_inputs;
use crate::select::Reach;
use crate::stage::Stage;
use crate::workspace::Workspace;
use crate::{dvcfile, fsx, git, lockfile, runcache, status};

/// How to commit.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommitOptions {
    /// Record changes without asking.
    pub force: bool,
    /// What the targets depend on as well.
    pub with_deps: bool,
    /// Targets that are directories mean everything that is defined below them.
    pub recursive: bool,
    /// Leave the workspace files as they are instead of linking them to the cache as configured.
    pub no_relink: bool,
}

/// A stage whose outputs are in the cache now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Committed {
    /// The stage or `.dvc` file.
    pub stage: String,
    /// Whether what is recorded changed.
    pub changed: bool,
}

/// Stores the outputs of the targets (all stages without targets) and records them with the dependencies
/// as they are now, those in stores only with `stores`. Changes are recorded only with `force` or when `confirm`, which is asked a question,
/// agrees.
pub fn commit(
    repo: &Repo,
    targets: &[String],
    options: CommitOptions,
    stores: Option<&dyn OpenStore>,
    confirm: &mut dyn FnMut(&str) -> bool,
) -> Result<Vec<Committed>> {
    let mut workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    if options.with_deps {
        index.check(repo)?;
    }
    let reach = Reach { with_deps: options.with_deps, recursive: options.recursive };
    let mut places: Vec<usize> = index.select(repo, targets, reach)?.into_iter().map(|one| one.at).collect();
    let mut seen = std::collections::HashSet::new();
    places.retain(|at| seen.insert(*at));
    let mut done = Vec::new();
    let mut result = Ok(());
    let files: Vec<_> = places.iter().map(|at| index.stages[*at].file.clone()).collect();
    let mut from = 0;
    for group in files.chunk_by(PartialEq::eq) {
        let group = &places[from..from + group.len()];
        from += group.len();
        result = together(&mut workspace, &mut index, group, options, stores, confirm, &mut done);
        if result.is_err() {
            break;
        }
    }
    workspace.close()?;
    result.map(|()| done)
}

/// Commits stages of one file; they are recorded when the outputs of all of them are stored.
fn together(
    workspace: &mut Workspace<'_>,
    index: &mut Index,
    group: &[usize],
    options: CommitOptions,
    stores: Option<&dyn OpenStore>,
    confirm: &mut dyn FnMut(&str) -> bool,
    done: &mut Vec<Committed>,
) -> Result<()> {
    let mut changed = Vec::new();
    for at in group {
        let (committed, record) = one(workspace, &mut index.stages[*at], options, stores, confirm)?;
        changed.extend(record.then_some(*at));
        done.push(committed);
    }
    changed.into_iter().try_for_each(|at| save(workspace, &mut index.stages[at], stores))
}

/// Whether the stage is to be recorded goes with what became of it.
fn one(
    workspace: &mut Workspace<'_>,
    stage: &mut Stage,
    options: CommitOptions,
    stores: Option<&dyn OpenStore>,
    confirm: &mut dyn FnMut(&str) -> bool,
) -> Result<(Committed, bool)> {
    let address = stage.address(workspace.repo);
    let question = changes(workspace, stage, &address, stores)?;
    if let Some(question) = question.as_ref().filter(|_| !options.force)
        && !confirm(question)
    {
        return Err(Error::hinted(
            format!("'{address}' changed and was not recorded"),
            "record it as it is with --force",
        ));
    }
    let record = question.is_some() || options.force;
    let mut lines = git::Added::default();
    let result = store(workspace, stage, record, !options.no_relink, stores, &mut lines);
    if result.is_err() {
        git::roll_back(lines);
    }
    result?;
    Ok((Committed { stage: address, changed: question.is_some() }, record))
}

/// The question to ask when the stage changed since it was recorded.
fn changes(
    workspace: &mut Workspace<'_>,
    stage: &Stage,
    address: &str,
    stores: Option<&dyn OpenStore>,
) -> Result<Option<String>> {
    let quoted = |paths: Vec<String>| {
        format!("[{}]", paths.iter().map(|path| format!("'{path}'")).collect::<Vec<_>>().join(", "))
    };
    let deps: Vec<String> = status::deps(workspace, stage, stores)?.into_keys().collect();
    let mut outs = Vec::new();
    for out in &stage.outs {
        if status::compare(workspace, &out.path, out.recorded.as_ref())?.is_some() {
            outs.push(workspace.repo.show(&out.path));
        }
    }
    let what = match (deps.is_empty(), outs.is_empty()) {
        (false, false) => format!(
            "dependencies {} and outputs {} of stage: '{address}' changed.",
            quoted(deps),
            quoted(outs)
        ),
        (false, true) => format!("dependencies {} of stage: '{address}' changed.", quoted(deps)),
        (true, false) => format!("outputs {} of stage: '{address}' changed.", quoted(outs)),
        (true, true) if stage.cmd_changed && stage.cmd.is_none() => {
            format!("the checksum of stage: '{address}' changed.")
        }
        (true, true) if stage.cmd_changed => format!("the command of stage: '{address}' changed."),
        (true, true) => return Ok(None),
    };
    Ok(Some(format!("{what} Are you sure you want to commit it?")))
}

fn store(
    workspace: &mut Workspace<'_>,
    stage: &mut Stage,
    record: bool,
    relink: bool,
    stores: Option<&dyn OpenStore>,
    lines: &mut git::Added,
) -> Result<()> {
    let repo = workspace.repo;
    let address = stage.address(repo);
    let missing = |path: &Path| Error::Missing { what: "output", path: repo.show(path) }.of(&address);
    for out in &stage.outs {
        if fsx::metadata(&out.path)?.is_none() {
            return Err(missing(&out.path));
        }
        if let Some(git_root) = repo.git_root().filter(|_| out.cache && record) {
            if git::is_tracked(git_root, &out.path)? {
                return Err(Error::TrackedByGit { path: repo.in_repo(&out.path) });
            }
            git::ignore(git_root, &out.path, lines)?;
        }
    }
    if record && !stage.import {
        record_inputs(workspace, stage, false, stores)?;
    }
    for out in &mut stage.outs {
        let now = workspace.take_in(&out.path, out.recorded.as_ref(), out.cache, relink)?;
        if record {
            out.recorded = Some(now.ok_or_else(|| missing(&out.path))?);
        }
    }
    if !record {
        return Ok(());
    }
    runcache::save(workspace, stage)
}

fn save(workspace: &mut Workspace<'_>, stage: &mut Stage, stores: Option<&dyn OpenStore>) -> Result<()> {
    if stage.name.is_some() {
        return lockfile::save(workspace.repo, stage);
    }
    if stage.import {
        return imports::record(workspace, stage, stores);
    }
    for (out, recorded) in stage.outs.iter().filter_map(|out| Some((out, out.recorded.as_ref()?))) {
        dvcfile::save(&stage.file, &out.def_path, recorded)?;
    }
    Ok(())
}
